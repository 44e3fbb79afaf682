"""The gateway's side of `POST /webhooks/teller/turn` (docs/architecture.md, Gateway <-> Rasa)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx

from bot.shared.errors import ServiceUnavailable
from bot.shared.settings import Settings

logger = logging.getLogger(__name__)

# A refused connection or a 503 means that nothing was committed; a repeated turn is safe (its inbox id is its key).
RETRY_DELAYS = (0.2, 0.6, 1.5)
CONNECT_SECONDS = 2.0
READY_SECONDS = 2.0


class RasaClient:
    """Talks to the one Rasa server on loopback. Opens its connections on first use."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.turn_timeout_seconds
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.rasa_port}",
            headers={"X-Teller-Token": settings.internal_token},
            trust_env=False,  # a proxy of the environment has no business on loopback
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        )

    async def turn(self, body: dict[str, Any]) -> dict[str, Any]:
        """Runs one turn; `{"replies", "result"}` once Rasa has committed it.

        Raises ServiceUnavailable: `turn_timeout` (Rasa may still finish it) or `rasa_unavailable`.
        """
        try:
            return await asyncio.wait_for(self._turn(body), self._timeout)
        except asyncio.TimeoutError as error:
            raise ServiceUnavailable(f"no answer within {self._timeout} s", "turn_timeout") from error

    async def ready(self) -> bool:
        """Whether a model is loaded and answers."""
        try:
            response = await self._client.get("/webhooks/teller/ready", timeout=READY_SECONDS)
        except httpx.HTTPError as error:
            logger.debug("rasa is not ready", extra={"reason": repr(error)})
            return False
        return response.status_code == 200

    async def close(self) -> None:
        await self._client.aclose()

    async def _turn(self, body: dict[str, Any]) -> dict[str, Any]:
        timeout = httpx.Timeout(self._timeout, connect=CONNECT_SECONDS)
        for delay in (*RETRY_DELAYS, None):
            try:
                response = await self._client.post("/webhooks/teller/turn", json=body, timeout=timeout)
            except httpx.TransportError as error:
                reason = repr(error)
            else:
                if response.status_code == 200:
                    return _json_object(response)
                reason = f"status {response.status_code}"
                if response.status_code != 503:
                    raise ServiceUnavailable(f"rasa answered {reason}", "rasa_unavailable")
            logger.warning("rasa did not take the turn", extra={"reason": reason, "inbox_id": body["inbox_id"]})
            if delay is not None:
                await asyncio.sleep(delay)
        raise ServiceUnavailable(f"rasa did not answer: {reason}", "rasa_unavailable")


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError as error:
        raise ServiceUnavailable("rasa answered something other than JSON", "rasa_unavailable") from error
    if not isinstance(content, dict):
        raise ServiceUnavailable("rasa answered something other than an object", "rasa_unavailable")
    return content
