"""The knowledge base's tables (SQLAlchemy Core). Alembic's migrations create them; see `migrate`.

A revision row is never changed. An entry points to its draft and to its published revision; `faq_state` counts
publications in the same transaction that makes them.
"""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData()


class UtcDateTime(TypeDecorator):
    """Aware datetimes in, aware UTC datetimes out, naive UTC in the database (SQLite knows no time zones)."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect) -> datetime | None:
        return None if value is None else value.astimezone(timezone.utc).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=timezone.utc)


entries = Table(
    "faq_entries", metadata,
    Column("id", String(80), primary_key=True),
    Column("draft_revision", Integer),      # null: the published version is the newest
    Column("published_revision", Integer),  # null: customers do not see it
    Column("latest_revision", Integer, nullable=False),
    Column("archived", Boolean, nullable=False),
    # Copies of the newest revision's values, for lists and searching:
    Column("category", String(60), nullable=False),
    Column("search_en", Text, nullable=False),  # case-folded; empty: the entry has no English
    Column("search_zh", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("updated_by", String(80), nullable=False),
)

revisions = Table(
    "faq_revisions", metadata,
    Column("entry_id", String(80), ForeignKey("faq_entries.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", JSON, nullable=False),
    Column("action", String(20), nullable=False),
    Column("author", String(80), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

state = Table(
    "faq_state", metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", Integer, nullable=False),
    CheckConstraint("id = 1", name="faq_state_one_row"),
)

audit = Table(
    "faq_audit", metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("author", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("entry_id", String(80)),
    Column("revision", Integer),
    Column("publication", Integer),
    Column("detail", JSON),
    Index("faq_audit_entry", "entry_id", "id"),
)

embeddings = Table(
    "faq_embeddings", metadata,
    Column("encoder_hash", String(64), primary_key=True),
    Column("text_hash", String(64), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
)

users = Table(
    "faq_users", metadata,
    Column("username", String(80), primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "faq_sessions", metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("username", String(80), ForeignKey("faq_users.username"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
