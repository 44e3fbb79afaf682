"""One message through the gateway's JSON API, for `teller ask` and the canary."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from bot.shared.errors import InvalidInputError, ServiceUnavailable
from bot.shared.settings import ROOT, Settings

START_SECONDS = 600.0


class Asker:
    """Asks the running stack; starts one for the time of the call when none answers, and says so."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._started: subprocess.Popen | None = None

    def __enter__(self) -> Asker:
        if not _alive(self._settings):
            self._say("Teller is not running; starting it for this question (make run keeps it up)")
            log = self._settings.var_path / "logs" / "ask.out"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as file:
                self._started = subprocess.Popen(
                    [sys.executable, "-m", "bot.cli", "run"],
                    cwd=ROOT,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._wait(log)
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._started is not None:
            self._started.terminate()
            self._started.wait(timeout=20)

    def ask(self, text: str, *, user: str | None = None, conversation: str | None = None) -> dict[str, Any]:
        return ask_running(self._settings, text, user=user, conversation=conversation)

    def _wait(self, log) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._started.poll() is not None:
                raise ServiceUnavailable(f"Teller did not start; see {log}")
            if "Teller is ready" in log.read_text(encoding="utf-8", errors="replace"):
                return
            time.sleep(0.3)
        raise ServiceUnavailable(f"Teller did not start within {START_SECONDS:.0f} s; see {log}")


def ask_running(
    settings: Settings, text: str, *, user: str | None = None, conversation: str | None = None
) -> dict[str, Any]:
    """Sends one message; returns {"conversation_id", "replies", "result", "state"}. Raises ServiceUnavailable or InvalidInputError."""
    if conversation is None:
        conversation = _post(settings, "/api/v1/conversations", {"user": user} if user else {})["conversation_id"]
    started = time.perf_counter()
    answer = _post(
        settings, "/api/v1/messages", {"conversation_id": conversation, "message_id": uuid.uuid4().hex, "text": text}
    )
    answer["round_trip_ms"] = round((time.perf_counter() - started) * 1000, 1)
    return {"conversation_id": conversation, **answer}


def as_object(answer: dict[str, Any]) -> dict[str, Any]:
    """What `teller ask --json` prints: one flat object, null where there is nothing."""
    result = answer["result"]
    payloads = answer["replies"]
    return {
        "reply": "\n\n".join(payload["text"] for payload in payloads if payload.get("text")),
        "buttons": [button["title"] for payload in payloads for button in payload.get("buttons") or []],
        "intent": result.get("intent"),
        "confidence": result.get("confidence"),
        "sentiment": result.get("sentiment"),
        "language": result.get("language"),
        "faq_id": result.get("faq_id"),
        "faq_score": result.get("faq_score"),
        "revision": result.get("revision"),
        "handoff": bool(result.get("handoff")),
        "ms": {**(result.get("ms") or {}), "round_trip": answer.get("round_trip_ms")},
        "conversation": answer["conversation_id"],
    }


def _alive(settings: Settings) -> bool:
    from bot.launcher.processes import answers

    return answers(f"http://127.0.0.1:{settings.port}/readyz")


def _post(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings.port}{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {settings.api_token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=settings.turn_timeout_seconds + 10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        detail = error.read(2000).decode("utf-8", "replace")
        if error.code < 500:
            raise InvalidInputError(f"the gateway refused the message ({error.code}): {detail}") from None
        raise ServiceUnavailable(f"the gateway answered {error.code}: {detail}") from None
    except OSError as error:
        raise ServiceUnavailable(f"the gateway on port {settings.port} does not answer: {error}") from None
