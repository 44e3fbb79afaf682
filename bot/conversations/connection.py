"""Transactions of the conversation store, and the two steps that all its writers share."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from bot.conversations.records import Conversation, InboxMessage, OutboxMessage
from bot.conversations.tables import conversations, outbox
from bot.shared.errors import ConflictError, NotFoundError, StorageError


def writers_turn(engine: Engine) -> AbstractContextManager[object]:
    """What a process's own writers take before a transaction: SQLite lets one write at a time, and whoever finds it
    busy sleeps and looks again, up to 0.1 s each time. A lock hands over at once. PostgreSQL needs none."""
    return threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()


@contextmanager
def writing(engine: Engine, turn: AbstractContextManager[object]) -> Iterator[Connection]:
    """One transaction: all of it or nothing. Raises ConflictError on a broken constraint, StorageError otherwise."""
    with _translated(), turn, engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A consistent view that waits for no writer. Raises StorageError."""
    with _translated(), engine.connect().execution_options(readonly=True) as connection:
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ConflictError("another writer was first") from error
    except SQLAlchemyError as error:
        raise StorageError("the conversation database did not answer as it should") from error


def lock(connection: Connection, conversation_id: str) -> Conversation:
    """The conversation, locked until the transaction ends. Raises NotFoundError.

    Every writer of outbox rows takes it first: on PostgreSQL a larger id could otherwise be committed, and delivered,
    before a smaller one, which a reader who remembers the last id it saw would then never see.
    """
    row = connection.execute(
        sa.select(conversations).where(conversations.c.id == conversation_id).with_for_update()
    ).first()
    if row is None:
        raise NotFoundError(f"no conversation {conversation_id!r}")
    return Conversation(**row._mapping)


def update_conversation(connection: Connection, conversation_id: str, **values: Any) -> None:
    connection.execute(sa.update(conversations).where(conversations.c.id == conversation_id).values(**values))


def add_reply(
    connection: Connection,
    conversation_id: str,
    payload: dict[str, Any],
    now: datetime,
    *,
    sender: str,
    message: InboxMessage | None = None,
    reply_id: str | None = None,
) -> OutboxMessage:
    """Inserts one outbox row, an answer to `message` if given; the caller holds the conversation's lock."""
    values = {
        "conversation_id": conversation_id,
        "inbox_id": message.id if message else None,
        "reply_id": reply_id or str(uuid.uuid4()),
        "sender": sender,
        "payload": payload,
        "created_at": now,
        "delivered_at": None,
    }
    result = connection.execute(sa.insert(outbox).values(**values))
    in_reply_to = message.message_id if message else None
    return OutboxMessage(id=result.inserted_primary_key[0], in_reply_to=in_reply_to, **values)
