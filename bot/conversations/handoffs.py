"""The queue for people, as steps inside a transaction that the store opened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations.connection import add_reply, lock, update_conversation
from bot.conversations.notices import notice
from bot.conversations.records import Conversation, Handoff, OutboxMessage
from bot.conversations.tables import handoffs, inbox, outbox
from bot.shared.errors import ConflictError, NotFoundError

OPEN = ("waiting", "taken")


def find(connection: Connection, handoff_id: int) -> Handoff:
    """Raises NotFoundError."""
    row = connection.execute(sa.select(handoffs).where(handoffs.c.id == handoff_id)).first()
    if row is None:
        raise NotFoundError(f"no handoff {handoff_id}")
    return Handoff(**row._mapping)


def find_open(connection: Connection, conversation_id: str) -> Handoff | None:
    row = connection.execute(
        sa.select(handoffs).where(handoffs.c.conversation_id == conversation_id, handoffs.c.status.in_(OPEN))
    ).first()
    return Handoff(**row._mapping) if row else None


def open_one(connection: Connection, conversation: Conversation, reason: str, now: datetime) -> Handoff:
    """The conversation's open handoff, made if there is none; the conversation is locked by the caller."""
    existing = find_open(connection, conversation.id)
    if existing is not None:
        return existing
    values: dict[str, Any] = {
        "conversation_id": conversation.id,
        "reason": reason,
        "status": "waiting",
        "agent": None,
        "created_at": now,
        "taken_at": None,
        "ended_at": None,
    }
    result = connection.execute(sa.insert(handoffs).values(**values))
    update_conversation(connection, conversation.id, state="waiting", last_active_at=now)
    return Handoff(id=result.inserted_primary_key[0], **values)


def take(connection: Connection, handoff_id: int, agent: str, now: datetime) -> Handoff:
    """Gives a waiting handoff to `agent`; nothing changes when it is already theirs. Raises ConflictError otherwise."""
    conversation, current = _locked(connection, handoff_id)
    if current.status == "taken" and current.agent == agent:
        return current
    if current.status != "waiting":
        raise ConflictError(f"handoff {handoff_id} is {current.status}", "handoff_" + current.status)
    _update(connection, handoff_id, status="taken", agent=agent, taken_at=now)
    update_conversation(connection, conversation.id, state="agent", last_active_at=now)
    add_reply(connection, conversation.id, notice("joined", conversation.language), now, sender="system")
    return find(connection, handoff_id)


def reply(connection: Connection, handoff_id: int, agent: str, text: str, now: datetime) -> OutboxMessage:
    """Raises ConflictError when the handoff is not `agent`'s."""
    conversation, current = _locked(connection, handoff_id)
    _require_own(current, agent)
    update_conversation(connection, conversation.id, last_active_at=now)
    payload = {"text": text, "language": conversation.language, "kind": "message"}
    return add_reply(connection, conversation.id, payload, now, sender="agent")


def return_to_bot(connection: Connection, handoff_id: int, agent: str, now: datetime) -> Handoff:
    """Ends `agent`'s handoff, or one that still waits. Raises ConflictError when it is another agent's or over."""
    conversation, current = _locked(connection, handoff_id)
    if current.status != "waiting":
        _require_own(current, agent)
    _end(connection, current, "returned", now)
    add_reply(connection, conversation.id, notice("returned", conversation.language), now, sender="system")
    return find(connection, handoff_id)


def overdue(connection: Connection, before: datetime) -> list[Handoff]:
    """Handoffs whose customer has waited since before `before`: nobody took it, or the agent fell silent."""
    found = []
    rows = connection.execute(
        sa.select(handoffs).where(handoffs.c.status.in_(OPEN), handoffs.c.created_at < before).order_by(handoffs.c.id)
    )
    for row in rows.all():
        current = Handoff(**row._mapping)
        if current.status == "waiting" or _agent_silent(connection, current, before):
            found.append(current)
    return found


def expire(connection: Connection, handoff_id: int, before: datetime, now: datetime) -> Handoff | None:
    """Ends one overdue handoff and tells the customer; None when somebody moved it in the meantime."""
    conversation, current = _locked(connection, handoff_id)
    still_waiting = current.status == "waiting"
    if not still_waiting and not (current.status == "taken" and _agent_silent(connection, current, before)):
        return None
    _end(connection, current, "timed_out", now)
    add_reply(connection, conversation.id, notice("timed_out", conversation.language), now, sender="system")
    return find(connection, handoff_id)


def end_with_conversation(connection: Connection, conversation_id: str, now: datetime) -> None:
    """A closed conversation leaves nothing in the queue."""
    connection.execute(
        sa.update(handoffs)
        .where(handoffs.c.conversation_id == conversation_id, handoffs.c.status.in_(OPEN))
        .values(status="timed_out", ended_at=now)
    )


def _locked(connection: Connection, handoff_id: int) -> tuple[Conversation, Handoff]:
    conversation = lock(connection, find(connection, handoff_id).conversation_id)
    return conversation, find(connection, handoff_id)  # read again: now nobody else can change it


def _require_own(current: Handoff, agent: str) -> None:
    if current.status != "taken":
        raise ConflictError(f"handoff {current.id} is {current.status}", "handoff_" + current.status)
    if current.agent != agent:
        raise ConflictError(f"handoff {current.id} is another agent's", "handoff_taken")


def _agent_silent(connection: Connection, current: Handoff, before: datetime) -> bool:
    last_reply = connection.execute(
        sa.select(sa.func.max(outbox.c.created_at, type_=outbox.c.created_at.type)).where(
            outbox.c.conversation_id == current.conversation_id,
            outbox.c.sender == "agent",
            outbox.c.created_at >= current.taken_at,
        )
    ).scalar()
    if last_reply is None:
        return current.taken_at < before
    unanswered = connection.execute(
        sa.select(inbox.c.id)
        .where(
            inbox.c.conversation_id == current.conversation_id,
            inbox.c.received_at > last_reply,
            inbox.c.received_at < before,
        )
        .limit(1)
    ).first()
    return unanswered is not None


def _end(connection: Connection, current: Handoff, status: str, now: datetime) -> None:
    _update(connection, current.id, status=status, ended_at=now)
    update_conversation(connection, current.conversation_id, state="bot", last_active_at=now)


def _update(connection: Connection, handoff_id: int, **values: Any) -> None:
    connection.execute(sa.update(handoffs).where(handoffs.c.id == handoff_id).values(**values))
