"""How a turn ends: events, replies, result and "inbox done" together, as steps inside a transaction of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.conversations import handoffs as queue
from bot.conversations.connection import add_reply, lock, update_conversation
from bot.conversations.records import Conversation, InboxMessage, OutboxMessage, TurnCommit
from bot.conversations.tables import events, inbox, outbox, turns
from bot.shared.errors import NotFoundError


def find_message(connection: Connection, inbox_id: int) -> InboxMessage:
    """Raises NotFoundError."""
    row = connection.execute(sa.select(inbox).where(inbox.c.id == inbox_id)).first()
    if row is None:
        raise NotFoundError(f"no message {inbox_id}")
    return InboxMessage(**row._mapping)


def find_replies(connection: Connection, inbox_id: int) -> list[OutboxMessage]:
    return select_replies(connection, outbox.c.inbox_id == inbox_id)


def select_replies(
    connection: Connection, wanted: sa.sql.ColumnElement, limit: int | None = None
) -> list[OutboxMessage]:
    """Outbox rows in the order of delivery, each with the message id it answers."""
    rows = connection.execute(
        sa.select(outbox, inbox.c.message_id.label("in_reply_to"))
        .select_from(outbox.outerjoin(inbox, inbox.c.id == outbox.c.inbox_id))
        .where(wanted)
        .order_by(outbox.c.id)
        .limit(limit)
    ).all()
    return [OutboxMessage(**row._mapping) for row in rows]


def commit(connection: Connection, turn: TurnCommit, now: datetime) -> list[OutboxMessage]:
    """See ConversationStore.commit_turn."""
    current = lock(connection, turn.conversation_id)
    message = find_message(connection, turn.inbox_id)
    if message.conversation_id != turn.conversation_id:
        raise NotFoundError(f"no message {turn.inbox_id} in conversation {turn.conversation_id!r}")
    said = find_replies(connection, turn.inbox_id)
    if message.status == "done":
        return said
    if turn.events:
        connection.execute(sa.insert(events), [_event_row(turn, event) for event in turn.events])
    update_conversation(connection, turn.conversation_id, language=turn.language, last_active_at=now)
    if message.status == "failed":  # a late end replaces the result of the failure
        connection.execute(sa.delete(turns).where(turns.c.inbox_id == message.id))
    return _finish(connection, current, message, len(said), turn.replies, turn.result, "done", turn.handoff, now)


def fail(
    connection: Connection,
    inbox_id: int,
    replies: Sequence[dict[str, Any]],
    result: dict[str, Any],
    handoff: str | None,
    now: datetime,
) -> list[OutboxMessage]:
    """See ConversationStore.fail."""
    current = lock(connection, find_message(connection, inbox_id).conversation_id)
    message = find_message(connection, inbox_id)  # read again: now nobody else can finish it
    if message.is_finished:
        return find_replies(connection, inbox_id)
    return _finish(connection, current, message, 0, replies, result, "failed", handoff, now)


def _event_row(turn: TurnCommit, event: dict[str, Any]) -> dict[str, Any]:
    return {
        "conversation_id": turn.conversation_id,
        "inbox_id": turn.inbox_id,
        "timestamp": event["timestamp"],
        "type": event["event"],
        "data": event,
    }


def _finish(
    connection: Connection,
    current: Conversation,
    message: InboxMessage,
    replies_before: int,
    replies: Sequence[dict[str, Any]],
    result: dict[str, Any],
    status: str,
    handoff: str | None,
    now: datetime,
) -> list[OutboxMessage]:
    said = [
        add_reply(
            connection, current.id, payload, now, sender="bot", message=message, reply_id=f"{message.id}:{number}"
        )
        for number, payload in enumerate(replies, replies_before)
    ]
    connection.execute(
        sa.insert(turns).values(inbox_id=message.id, conversation_id=current.id, result=result, created_at=now)
    )
    connection.execute(sa.update(inbox).where(inbox.c.id == message.id).values(status=status, done_at=now))
    if handoff is not None and current.closed_at is None:
        queue.open_one(connection, current, handoff, now)
    return said
