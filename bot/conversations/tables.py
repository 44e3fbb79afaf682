"""The tables of conversations, inbox, outbox, turns, events and handoffs (SQLAlchemy Core), and `migrate`.

The migrations in `migrations/versions` are what creates them; a test compares the two.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

MIGRATIONS = Path(__file__).parent / "migrations"
# Its own version table: all of Teller's databases may be one PostgreSQL database.
VERSION_TABLE = "alembic_version_conversations"
_MIGRATION_LOCK = 7_304_811  # PostgreSQL advisory lock; any number that nobody else uses

OPEN_HANDOFF = "status IN ('waiting', 'taken')"


class UtcDateTime(sa.TypeDecorator):
    """An aware UTC datetime, on SQLite too (which stores it without the zone)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are stored in UTC; a datetime without a zone is ambiguous")
        value = value.astimezone(timezone.utc)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


def _big_id() -> sa.types.TypeEngine:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _conversation_id() -> sa.Column:
    return sa.Column(
        "conversation_id", sa.Text, sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
    )


metadata = sa.MetaData()

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("authenticated_until", UtcDateTime),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # bot, waiting, agent
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_active_at", UtcDateTime, nullable=False),
    sa.Column("closed_at", UtcDateTime),
    sa.Index("conversations_open", "closed_at", "last_active_at"),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
    _conversation_id(),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # text, event
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # queued, processing, done, failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("done_at", UtcDateTime),
    sa.UniqueConstraint("channel", "message_id", name="inbox_message"),
    sa.Index("inbox_conversation", "conversation_id", "id"),
    sa.Index("inbox_status", "status", "id"),
    sqlite_autoincrement=True,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
    _conversation_id(),
    sa.Column("inbox_id", _big_id(), sa.ForeignKey("inbox.id", ondelete="CASCADE")),
    sa.Column("reply_id", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),  # bot, agent, system
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.UniqueConstraint("reply_id", name="outbox_reply"),
    sa.Index("outbox_conversation", "conversation_id", "id"),
    sa.Index("outbox_inbox", "inbox_id"),
    sqlite_autoincrement=True,  # a cursor over ids stays right after an erasure
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column(
        "inbox_id", _big_id(), sa.ForeignKey("inbox.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    _conversation_id(),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("turns_conversation", "conversation_id"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
    _conversation_id(),
    sa.Column("inbox_id", _big_id(), sa.ForeignKey("inbox.id", ondelete="CASCADE")),
    sa.Column("timestamp", sa.Float(53), nullable=False),  # seconds since 1970, as Rasa counts
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("events_conversation", "conversation_id", "id"),
    sa.Index("events_inbox", "inbox_id"),
    sqlite_autoincrement=True,
)

handoffs = sa.Table(
    "handoffs",
    metadata,
    sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
    _conversation_id(),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # waiting, taken, returned, timed_out
    sa.Column("agent", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("taken_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Index("handoffs_status", "status", "created_at"),
    sa.Index("handoffs_conversation", "conversation_id"),
    # Whatever races: a conversation never has two open handoffs.
    sa.Index(
        "handoffs_one_open",
        "conversation_id",
        unique=True,
        sqlite_where=sa.text(OPEN_HANDOFF),
        postgresql_where=sa.text(OPEN_HANDOFF),
    ),
    sqlite_autoincrement=True,
)


def migrate(engine: Engine) -> None:
    """Brings the database up to date. Several processes may call it at once: the first one works, the others wait."""
    from alembic import command  # here, because it is slow to import and most importers only read
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
