"""Customers, accounts, cards, transactions and the append-only record of card changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from actions.bank.types import Amount, RowId, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("login_name", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("display_name_en", sa.String(120), nullable=False),
        sa.Column("display_name_zh", sa.String(120), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.UniqueConstraint("login_name", name="uq_customers_login_name"),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("customer_id", sa.String(32), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("name_en", sa.String(120), nullable=False),
        sa.Column("name_zh", sa.String(120), nullable=False),
        sa.Column("opening_balance", Amount, nullable=False),
        sa.Column("credit_limit", Amount),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("id", "customer_id", name="uq_accounts_id_customer_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_accounts_customer_id"),
        sa.CheckConstraint("type IN ('current', 'savings', 'credit_card', 'loan')", name="ck_accounts_type"),
    )
    op.create_index("ix_accounts_customer_id", "accounts", ["customer_id"])
    op.create_table(
        "cards",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("customer_id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cards"),
        sa.UniqueConstraint("customer_id", "last_four", name="uq_cards_customer_id_last_four"),
        sa.ForeignKeyConstraint(
            ["account_id", "customer_id"],
            ["accounts.id", "accounts.customer_id"],
            name="fk_cards_account_id_customer_id",
        ),
        sa.CheckConstraint("kind IN ('debit', 'credit')", name="ck_cards_kind"),
        sa.CheckConstraint("status IN ('active', 'locked')", name="ck_cards_status"),
    )
    op.create_table(
        "transactions",
        sa.Column("id", RowId, nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("booked_at", UtcDateTime, nullable=False),
        sa.Column("amount", Amount, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("type", sa.String(24), nullable=False),
        sa.Column("merchant_en", sa.String(120)),
        sa.Column("merchant_zh", sa.String(120)),
        sa.Column("description_en", sa.String(200), nullable=False),
        sa.Column("description_zh", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_transactions_account_id"),
    )
    op.create_index("ix_transactions_account_id_booked_at", "transactions", ["account_id", "booked_at"])
    op.create_table(
        "card_events",
        sa.Column("id", RowId, nullable=False),
        sa.Column("card_id", sa.String(32), nullable=False),
        sa.Column("customer_id", sa.String(32), nullable=False),
        sa.Column("status_before", sa.String(8), nullable=False),
        sa.Column("status_after", sa.String(8), nullable=False),
        sa.Column("conversation_id", sa.String(64)),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_card_events"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_card_events_card_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_card_events_customer_id"),
    )
    op.create_index("ix_card_events_card_id", "card_events", ["card_id"])
    _make_append_only("card_events")


def _make_append_only(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
    )
