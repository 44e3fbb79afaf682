"""The action server as Rasa sees it, with what Rasa lacks: a short timeout, small requests, noticed failures.

Rasa swallows the exception of a failed action and goes on as if it had run. This endpoint marks the turn, so that the
channel drops what was said afterwards and tells the truth.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
from rasa.utils.endpoints import ClientResponseError, EndpointConfig

from bot.dialogue.routing import CARD_FORM_INTENTS
from bot.dialogue.turn import NOT_REACHED, UNCERTAIN, current_turn
from bot.shared.errors import ServiceUnavailable

logger = logging.getLogger(__name__)

# These change nothing in the bank, so a missing answer means that nothing was done.
READ_ONLY_ACTIONS = frozenset({"action_check_balance", "action_list_transactions", "action_resume_request"})
READ_ONLY_PREFIXES = ("validate_", "action_ask_")
# Rasa's action rejection: an answer, not a failure.
REJECTED = 400
# The actions look at the current message and at most the one before.
KEPT_USER_MESSAGES = 2


class TurnEndpoint(EndpointConfig):
    """Wraps the configured endpoint; see the module."""

    def __init__(self, endpoint: EndpointConfig, timeout_seconds: float) -> None:
        super().__init__(
            url=endpoint.url,
            params=endpoint.params,
            headers=endpoint.headers,
            basic_auth=endpoint.basic_auth,
            token=endpoint.token,
            token_name=endpoint.token_name,
            cafile=endpoint.cafile,
            **endpoint.kwargs,
        )
        self.type = endpoint.type
        self._timeout_seconds = timeout_seconds

    async def request(
        self,
        method: str = "post",
        subpath: str | None = None,
        content_type: str | None = "application/json",
        compress: bool = False,
        **kwargs: Any,
    ) -> Any | None:
        """As EndpointConfig.request, within the timeout. Any failure marks the running turn and is raised on."""
        body = kwargs.get("json")
        action = body.get("next_action", "") if isinstance(body, dict) else ""
        turn = current_turn.get()
        if isinstance(body, dict):
            if _has_nothing_to_validate(body):
                return {"events": [], "responses": []}
            kwargs["json"] = _bounded(body)
        if turn is not None and turn.failure is not None:
            # One failure is enough to wait for; the customer is told about it once.
            raise ServiceUnavailable(f"{action} not called: an action of this turn has failed")
        kwargs["timeout"] = aiohttp.ClientTimeout(total=self._timeout_seconds)
        started = time.perf_counter()
        try:
            response = await super().request(method, subpath, content_type, compress, **kwargs)
            if not isinstance(response, dict) or not isinstance(response.get("events"), list):
                raise ServiceUnavailable(f"{action}: the action server's answer has no events")
            return response
        except Exception as error:
            rejected = isinstance(error, ClientResponseError) and error.status == REJECTED
            if not rejected:
                failure = _failure(body or {}, error)
                logger.error("action %s failed (%s): %s", action, failure, type(error).__name__)
                if turn is not None:
                    turn.fail(failure)
            raise
        finally:
            if turn is not None:
                turn.action_seconds += time.perf_counter() - started


def _failure(body: Mapping[str, Any], error: Exception) -> str:
    """Whether the call that failed may have changed something in the bank."""
    action = str(body.get("next_action", ""))
    if isinstance(error, aiohttp.ClientConnectorError):
        return NOT_REACHED
    if action in READ_ONLY_ACTIONS or action.startswith(READ_ONLY_PREFIXES):
        return NOT_REACHED
    slots = (body.get("tracker") or {}).get("slots") or {}
    declined = action == "action_set_card_lock" and slots.get("card_confirmation") is not True
    return NOT_REACHED if declined else UNCERTAIN


def _bounded(body: dict[str, Any]) -> dict[str, Any]:
    """`body` with the last few messages' events only: Rasa would send the whole conversation with every call."""
    tracker = body.get("tracker") or {}
    events: list[Mapping[str, Any]] = tracker.get("events") or []
    starts = [index for index, event in enumerate(events) if event.get("event") == "user"]
    if len(starts) <= KEPT_USER_MESSAGES:
        return body
    return {**body, "tracker": {**tracker, "events": events[starts[-KEPT_USER_MESSAGES]:]}}


def _has_nothing_to_validate(body: Mapping[str, Any]) -> bool:
    """Whether this asks a form that is already open to validate a message that is none of its business.

    Rasa calls the validation for every message while a form is open. Answered here, a question asked in the middle of
    a form is answered even when the action server is down.
    """
    if not str(body.get("next_action", "")).startswith("validate_"):
        return False
    tracker = body.get("tracker") or {}
    intent = ((tracker.get("latest_message") or {}).get("intent") or {}).get("name")
    if intent is None or intent in CARD_FORM_INTENTS:
        return False
    for event in reversed(tracker.get("events") or []):
        if event.get("event") == "user":
            return True
        if event.get("event") in ("active_loop", "form"):
            return False  # the form has just opened: its first validation may fill slots or ask for a login
        if event.get("event") == "slot" and event.get("name") != "requested_slot":
            return False
    return False
