"""What the store takes and gives: plain frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Conversation:
    """One chat. `state` is bot, waiting (for a person) or agent (a person answers); all times are aware, in UTC."""

    id: str
    channel: str
    customer_id: str | None
    authenticated_until: datetime | None
    language: str
    state: str
    created_at: datetime
    last_active_at: datetime
    closed_at: datetime | None

    def is_authenticated(self, now: datetime) -> bool:
        """Whether the customer's identity may be relied on at `now`."""
        return self.customer_id is not None and self.authenticated_until is not None and now < self.authenticated_until


@dataclass(frozen=True)
class InboxMessage:
    """A message or internal event that was accepted. `text` is redacted; `status`: queued, processing, done, failed."""

    id: int
    conversation_id: str
    channel: str
    message_id: str
    kind: str
    text: str
    payload: dict[str, Any]
    status: str
    attempts: int
    received_at: datetime
    done_at: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.status in ("done", "failed")


@dataclass(frozen=True)
class OutboxMessage:
    """One reply; ids increase in the order of delivery. `sender`: bot, agent, system.

    `in_reply_to` is the id that the channel gave the message it answers; None for what an agent or the system says.
    """

    id: int
    conversation_id: str
    inbox_id: int | None
    reply_id: str
    sender: str
    payload: dict[str, Any]
    created_at: datetime
    delivered_at: datetime | None
    in_reply_to: str | None = None


@dataclass(frozen=True)
class Handoff:
    """A conversation that waits for, or is with, a person. `status`: waiting, taken, returned, timed_out."""

    id: int
    conversation_id: str
    reason: str
    status: str
    agent: str | None
    created_at: datetime
    taken_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class TurnCommit:
    """All that one turn changes. `handoff` is the reason for a person, or None; `language` the customer's, en or zh."""

    inbox_id: int
    conversation_id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    handoff: str | None = None
    language: str = "en"
