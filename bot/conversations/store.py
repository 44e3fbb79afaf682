"""The conversation store: inbox, outbox, turns, events and the queue for people, in SQLite or PostgreSQL.

Every change is one transaction. Synchronous; callers with an event loop use a thread.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from bot.conversations import handoffs as queue
from bot.conversations import turns as turn_end
from bot.conversations.connection import lock, reading, update_conversation, writers_turn, writing
from bot.conversations.history import transcript
from bot.conversations.records import Conversation, Handoff, InboxMessage, OutboxMessage, TurnCommit
from bot.conversations.tables import conversations, events, handoffs, inbox, outbox, turns
from bot.shared.errors import ConflictError, InvalidInputError, NotFoundError
from bot.shared.redaction import redact


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class ConversationStore:
    """See docs/architecture.md. Every method raises StorageError when the database fails.

    `clock` gives aware UTC times.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._now = clock
        self._turn = writers_turn(engine)

    # --- conversations -------------------------------------------------------------------------------------------

    def create(
        self,
        channel: str,
        *,
        language: str = "en",
        customer_id: str | None = None,
        authenticated_until: datetime | None = None,
    ) -> Conversation:
        """A new conversation with an id that cannot be guessed."""
        now = self._now()
        made = Conversation(
            id="c_" + secrets.token_urlsafe(16),
            channel=channel,
            customer_id=customer_id,
            authenticated_until=authenticated_until,
            language=language,
            state="bot",
            created_at=now,
            last_active_at=now,
            closed_at=None,
        )
        with self._writing() as connection:
            connection.execute(sa.insert(conversations).values(**vars(made)))
        return made

    def get(self, conversation_id: str) -> Conversation:
        """Raises NotFoundError."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(conversations).where(conversations.c.id == conversation_id)).first()
        if row is None:
            raise NotFoundError(f"no conversation {conversation_id!r}")
        return Conversation(**row._mapping)

    def states(self, conversation_ids: Iterable[str]) -> dict[str, str]:
        """The state of each open conversation among these; a closed or unknown one is missing."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                sa.select(conversations.c.id, conversations.c.state).where(
                    conversations.c.id.in_(list(conversation_ids)), conversations.c.closed_at.is_(None)
                )
            ).all()
        return {row.id: row.state for row in rows}

    def identify(self, conversation_id: str, customer_id: str, until: datetime) -> None:
        """The verified customer until `until`. Raises ConflictError when the conversation is another customer's."""
        with self._writing() as connection:
            current = lock(connection, conversation_id)
            _require_open(current)
            if current.customer_id not in (None, customer_id):
                raise ConflictError("the conversation belongs to another customer", "other_customer")
            update_conversation(
                connection, conversation_id, customer_id=customer_id, authenticated_until=until,
                last_active_at=self._now(),
            )

    def forget_identity(self, conversation_id: str) -> None:
        with self._writing() as connection:
            lock(connection, conversation_id)
            update_conversation(connection, conversation_id, customer_id=None, authenticated_until=None)

    def set_language(self, conversation_id: str, language: str) -> None:
        with self._writing() as connection:
            update_conversation(connection, conversation_id, language=language)

    def close(self, conversation_id: str) -> None:
        """No further message is accepted, the identity no longer counts and an open handoff ends."""
        with self._writing() as connection:
            self._close(connection, lock(connection, conversation_id))

    def close_idle(self, before: datetime) -> list[str]:
        """Closes every open conversation without activity since `before`; gives their ids."""
        idle = (
            sa.select(conversations)
            .where(conversations.c.closed_at.is_(None), conversations.c.last_active_at < before)
            .order_by(conversations.c.id)
        )
        with reading(self._engine) as connection:
            if connection.execute(idle.limit(1)).first() is None:  # most often; and then no writer has to wait
                return []
        with self._writing() as connection:
            rows = connection.execute(idle.with_for_update()).all()
            for row in rows:
                self._close(connection, Conversation(**row._mapping))
        return [row.id for row in rows]

    def erase(self, conversation_id: str) -> None:
        """Removes the conversation and every row that belongs to it. Raises NotFoundError."""
        with self._writing() as connection:
            lock(connection, conversation_id)
            for table in (events, turns, outbox, inbox, handoffs):
                connection.execute(sa.delete(table).where(table.c.conversation_id == conversation_id))
            connection.execute(sa.delete(conversations).where(conversations.c.id == conversation_id))

    def _close(self, connection: Connection, current: Conversation) -> None:
        if current.closed_at is not None:
            return
        now = self._now()
        queue.end_with_conversation(connection, current.id, now)
        update_conversation(connection, current.id, closed_at=now, state="bot", authenticated_until=None)

    # --- inbox ---------------------------------------------------------------------------------------------------

    def accept(
        self, conversation_id: str, channel: str, message_id: str, kind: str, text: str, payload: dict[str, Any]
    ) -> tuple[InboxMessage, bool]:
        """Commits a message to be handled; True when (channel, message_id) was already known and nothing changed.

        Raises NotFoundError, ConflictError (`message_id_taken`: another conversation's), InvalidInputError
        (`conversation_closed`).
        """
        now = self._now()
        with self._writing() as connection:
            current = lock(connection, conversation_id)
            row = connection.execute(
                sa.select(inbox).where(inbox.c.channel == channel, inbox.c.message_id == message_id)
            ).first()
            if row is not None:
                if row.conversation_id != conversation_id:
                    raise ConflictError("message id of another conversation", "message_id_taken")
                return InboxMessage(**row._mapping), True
            _require_open(current)
            values = {
                "conversation_id": conversation_id, "channel": channel, "message_id": message_id, "kind": kind,
                "text": text, "payload": payload, "status": "queued", "attempts": 0, "received_at": now,
                "done_at": None,
            }
            result = connection.execute(sa.insert(inbox).values(**values))
            update_conversation(connection, conversation_id, last_active_at=now)
        return InboxMessage(id=result.inserted_primary_key[0], **values), False

    def start(self, inbox_id: int) -> InboxMessage:
        """Counts an attempt; a finished message stays as it is. Raises NotFoundError."""
        with self._writing() as connection:
            connection.execute(
                sa.update(inbox)
                .where(inbox.c.id == inbox_id, inbox.c.status.in_(("queued", "processing")))
                .values(status="processing", attempts=inbox.c.attempts + 1)
            )
            return turn_end.find_message(connection, inbox_id)

    def unfinished(self) -> list[InboxMessage]:
        """Accepted and never finished, in the order of arrival."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                sa.select(inbox).where(inbox.c.status.in_(("queued", "processing"))).order_by(inbox.c.id)
            ).all()
        return [InboxMessage(**row._mapping) for row in rows]

    # --- turns ---------------------------------------------------------------------------------------------------

    def commit_turn(self, turn: TurnCommit) -> list[OutboxMessage]:
        """All that a turn changes, in one transaction; the replies with their ids.

        A turn that is already done changes nothing and gives the stored replies. One that the gateway gave up
        (`failed`) and that still comes to its end is committed: what it did is true, and the customer should hear it.
        Raises NotFoundError.
        """
        with self._writing() as connection:
            return turn_end.commit(connection, turn, self._now())

    def fail(
        self, inbox_id: int, replies: Sequence[dict[str, Any]], result: dict[str, Any], handoff: str | None = None
    ) -> list[OutboxMessage]:
        """Ends a message that could not be handled, with an honest reply and, given a reason, a person; one commit.

        A message that is already done or failed changes nothing and gives the stored replies. Raises NotFoundError.
        """
        with self._writing() as connection:
            return turn_end.fail(connection, inbox_id, replies, result, handoff, self._now())

    def turn_result(self, inbox_id: int) -> dict[str, Any] | None:
        with reading(self._engine) as connection:
            return connection.execute(sa.select(turns.c.result).where(turns.c.inbox_id == inbox_id)).scalar()

    def replies(self, inbox_id: int) -> list[OutboxMessage]:
        """What was answered to one message, in order."""
        with reading(self._engine) as connection:
            return turn_end.find_replies(connection, inbox_id)

    def load_events(self, conversation_id: str, limit: int | None = None) -> list[dict[str, Any]]:
        """Rasa's events, the newest `limit` of them (all when None), oldest first."""
        query = sa.select(events.c.data).where(events.c.conversation_id == conversation_id).order_by(events.c.id.desc())
        with reading(self._engine) as connection:
            found = connection.execute(query.limit(limit)).scalars().all()
        return found[::-1]

    def transcript(self, conversation_id: str) -> list[dict[str, Any]]:
        """What was said, oldest first; see `bot.conversations.history`."""
        with reading(self._engine) as connection:
            return transcript(connection, conversation_id)

    # --- outbox --------------------------------------------------------------------------------------------------

    def outbox_after(self, conversation_id: str, after_id: int, limit: int = 200) -> list[OutboxMessage]:
        """Replies with an id above `after_id`, in the order of delivery."""
        return self.outbox_after_many({conversation_id: after_id}, limit)

    def outbox_after_many(self, cursors: dict[str, int], limit: int = 200) -> list[OutboxMessage]:
        """The same for several conversations at once, each with its own last seen id; in the order of ids."""
        if not cursors:
            return []
        wanted = sa.or_(
            *(sa.and_(outbox.c.conversation_id == key, outbox.c.id > after) for key, after in cursors.items())
        )
        with reading(self._engine) as connection:
            return turn_end.select_replies(connection, wanted, limit)

    def mark_delivered(self, ids: Iterable[int]) -> None:
        """Notes the time at which these replies first reached the customer."""
        with self._writing() as connection:
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.id.in_(list(ids)), outbox.c.delivered_at.is_(None))
                .values(delivered_at=self._now())
            )

    # --- people --------------------------------------------------------------------------------------------------

    def open_handoff(self, conversation_id: str, reason: str) -> Handoff:
        """Puts the conversation into the queue for people; gives its open handoff when it is there already."""
        with self._writing() as connection:
            current = lock(connection, conversation_id)
            _require_open(current)
            return queue.open_one(connection, current, reason, self._now())

    def find_open_handoff(self, conversation_id: str) -> Handoff | None:
        """The handoff in which the conversation waits for, or is with, a person."""
        with reading(self._engine) as connection:
            return queue.find_open(connection, conversation_id)

    def handoffs(self, statuses: Iterable[str]) -> list[Handoff]:
        """Handoffs in any of these statuses, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                sa.select(handoffs).where(handoffs.c.status.in_(list(statuses))).order_by(handoffs.c.id)
            ).all()
        return [Handoff(**row._mapping) for row in rows]

    def handoff(self, handoff_id: int) -> Handoff:
        """Raises NotFoundError."""
        with reading(self._engine) as connection:
            return queue.find(connection, handoff_id)

    def take(self, handoff_id: int, agent: str) -> Handoff:
        """`agent` answers from now on. Raises NotFoundError, ConflictError (`handoff_<status>`)."""
        with self._writing() as connection:
            return queue.take(connection, handoff_id, agent, self._now())

    def agent_reply(self, handoff_id: int, agent: str, text: str) -> OutboxMessage:
        """One message of `agent`'s, redacted. Raises NotFoundError, ConflictError when the handoff is not theirs."""
        with self._writing() as connection:
            return queue.reply(connection, handoff_id, agent, redact(text), self._now())

    def return_to_bot(self, handoff_id: int, agent: str) -> Handoff:
        """Raises NotFoundError, ConflictError when the handoff is another agent's or over."""
        with self._writing() as connection:
            return queue.return_to_bot(connection, handoff_id, agent, self._now())

    def expire_handoffs(self, before: datetime) -> list[Handoff]:
        """Ends handoffs whose customer has waited for a person since `before`; the bot is back and says so."""
        with reading(self._engine) as connection:
            overdue = queue.overdue(connection, before)
        ended = []
        for found in overdue:
            with self._writing() as connection:
                ended.append(queue.expire(connection, found.id, before, self._now()))
        return [handoff for handoff in ended if handoff is not None]

    def _writing(self) -> AbstractContextManager[Connection]:
        return writing(self._engine, self._turn)


def _require_open(current: Conversation) -> None:
    if current.closed_at is not None:
        raise InvalidInputError("the conversation is closed", "conversation_closed")
