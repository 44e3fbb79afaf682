"""First tables: conversations, inbox, outbox, turns, events, handoffs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _big_id() -> sa.types.TypeEngine:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _time() -> sa.types.TypeEngine:
    return sa.DateTime(timezone=True)


def _conversation_id() -> sa.Column:
    return sa.Column(
        "conversation_id", sa.Text, sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
    )


def _inbox_id(**options: object) -> sa.Column:
    return sa.Column("inbox_id", _big_id(), sa.ForeignKey("inbox.id", ondelete="CASCADE"), **options)


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text),
        sa.Column("authenticated_until", _time()),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("last_active_at", _time(), nullable=False),
        sa.Column("closed_at", _time()),
    )
    op.create_index("conversations_open", "conversations", ["closed_at", "last_active_at"])
    op.create_table(
        "inbox",
        sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
        _conversation_id(),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("received_at", _time(), nullable=False),
        sa.Column("done_at", _time()),
        sa.UniqueConstraint("channel", "message_id", name="inbox_message"),
        sqlite_autoincrement=True,
    )
    op.create_index("inbox_conversation", "inbox", ["conversation_id", "id"])
    op.create_index("inbox_status", "inbox", ["status", "id"])
    op.create_table(
        "outbox",
        sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
        _conversation_id(),
        _inbox_id(),
        sa.Column("reply_id", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("delivered_at", _time()),
        sa.UniqueConstraint("reply_id", name="outbox_reply"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_conversation", "outbox", ["conversation_id", "id"])
    op.create_index("outbox_inbox", "outbox", ["inbox_id"])
    op.create_table(
        "turns",
        _inbox_id(primary_key=True, autoincrement=False),
        _conversation_id(),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("created_at", _time(), nullable=False),
    )
    op.create_index("turns_conversation", "turns", ["conversation_id"])
    op.create_table(
        "events",
        sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
        _conversation_id(),
        _inbox_id(),
        sa.Column("timestamp", sa.Float(53), nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("events_conversation", "events", ["conversation_id", "id"])
    op.create_index("events_inbox", "events", ["inbox_id"])
    op.create_table(
        "handoffs",
        sa.Column("id", _big_id(), primary_key=True, autoincrement=True),
        _conversation_id(),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("taken_at", _time()),
        sa.Column("ended_at", _time()),
        sqlite_autoincrement=True,
    )
    op.create_index("handoffs_status", "handoffs", ["status", "created_at"])
    op.create_index("handoffs_conversation", "handoffs", ["conversation_id"])
    open_handoff = sa.text("status IN ('waiting', 'taken')")
    op.create_index(
        "handoffs_one_open",
        "handoffs",
        ["conversation_id"],
        unique=True,
        sqlite_where=open_handoff,
        postgresql_where=open_handoff,
    )


def downgrade() -> None:
    for table in ("handoffs", "events", "turns", "outbox", "inbox", "conversations"):
        op.drop_table(table)
