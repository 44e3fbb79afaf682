"""One turn: what came in, the replies gathered so far, and how it ends. No Rasa here.

`current_turn` is set by the channel for the task that runs the turn; the router, the answer generator, the action
endpoint and the tracker store find it there. Outside a turn of ours (`rasa shell`, `rasa test`) it is None.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from bot.shared.errors import InvalidInputError
from bot.shared.redaction import redact
from bot.shared.text import LANGUAGES, neutralise_commands

# Whether a failed action may have had an effect all the same.
NOT_REACHED, UNCERTAIN = "not_reached", "uncertain"


@dataclass(frozen=True)
class TurnRequest:
    """The body of `POST /webhooks/teller/turn`, checked (docs/architecture.md, Gateway <-> Rasa)."""

    conversation_id: str
    inbox_id: int
    message_id: str
    kind: str
    language: str
    authenticated: bool
    text: str = ""
    intent: str = ""
    slots: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, body: Any) -> TurnRequest:
        """Raises InvalidInputError for anything that is not a turn. Command look-alikes in text lose their slash."""
        if not isinstance(body, dict):
            raise InvalidInputError("the body is not a JSON object")
        conversation_id, inbox_id = body.get("conversation_id"), body.get("inbox_id")
        kind, language = body.get("kind"), body.get("language")
        if not isinstance(conversation_id, str) or not 0 < len(conversation_id) <= 255 or "\0" in conversation_id:
            raise InvalidInputError("conversation_id is missing")
        if not isinstance(inbox_id, int) or isinstance(inbox_id, bool):
            raise InvalidInputError("inbox_id is not a number")
        if language not in LANGUAGES:
            raise InvalidInputError("language is not known")
        common = {
            "conversation_id": conversation_id,
            "inbox_id": inbox_id,
            "message_id": str(body.get("message_id") or inbox_id),
            "kind": kind,
            "language": language,
            "authenticated": body.get("authenticated") is True,
        }
        if kind == "text":
            text = body.get("text")
            if not isinstance(text, str) or not text.strip():
                raise InvalidInputError("text is empty")
            # The gateway has done both already; this is the last line before Rasa's `/intent{...}` parser and its logs.
            return cls(**common, text=redact(neutralise_commands(text)).strip() or "?")
        if kind == "event":
            event = body.get("event")
            if not isinstance(event, dict) or not isinstance(event.get("intent"), str) or not event["intent"]:
                raise InvalidInputError("event.intent is missing")
            slots = event.get("slots") or {}
            if not isinstance(slots, dict):
                raise InvalidInputError("event.slots is not an object")
            return cls(**common, intent=event["intent"], slots=slots)
        raise InvalidInputError("kind is neither text nor event")

    def metadata(self) -> dict[str, Any]:
        """What travels with the message through Rasa and to the actions."""
        return {
            "inbox_id": self.inbox_id,
            "message_id": self.message_id,
            "language": self.language,
            "authenticated": self.authenticated,
        }


@dataclass
class TurnContext:
    """The state of the running turn. Times are `time.perf_counter()` seconds."""

    request: TurnRequest
    replies: list[dict] = field(default_factory=list)
    failure: str | None = None
    replies_before_failure: int = 0
    handoff: str | None = None
    faq: dict | None = None
    started_at: float = field(default_factory=time.perf_counter)
    stored_events: int = 0
    tracker_ready_at: float | None = None
    nlu_done_at: float | None = None
    action_seconds: float = 0.0
    commit_seconds: float = 0.0
    committed: list | None = None
    result: dict | None = None

    def fail(self, failure: str) -> None:
        """An action did not answer: what is said after this cannot be trusted."""
        if self.failure is None:
            self.replies_before_failure = len(self.replies)
        if self.failure != UNCERTAIN:
            self.failure = failure

    def trusted_replies(self) -> list[dict]:
        """The replies that were produced before anything failed."""
        return self.replies if self.failure is None else self.replies[: self.replies_before_failure]

    def timings(self) -> dict[str, float]:
        """Milliseconds by stage, for the result."""
        nlu = 0.0
        if self.nlu_done_at is not None and self.tracker_ready_at is not None:
            nlu = self.nlu_done_at - self.tracker_ready_at
        seconds = {
            "nlu": nlu,
            "action": self.action_seconds,
            "commit": self.commit_seconds,
            "total": time.perf_counter() - self.started_at,
        }
        return {name: round(value * 1000, 1) for name, value in seconds.items()}


current_turn: ContextVar[TurnContext | None] = ContextVar("current_turn", default=None)
