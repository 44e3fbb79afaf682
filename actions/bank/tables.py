"""The bank's tables. A change here needs a migration in `migrations/versions` too; a contract test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from actions.bank.types import Amount, RowId, UtcDateTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

customers = Table(
    "customers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("login_name", String(64), nullable=False, unique=True),  # lower case
    Column("password_hash", String(255)),  # argon2; null: no online access
    Column("display_name_en", String(120), nullable=False),
    Column("display_name_zh", String(120), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False, index=True),
    Column("type", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("name_en", String(120), nullable=False),
    Column("name_zh", String(120), nullable=False),
    # The balance is this plus the sum of the account's transactions; what the customer owes the bank is negative.
    Column("opening_balance", Amount, nullable=False),
    Column("credit_limit", Amount),  # credit cards only, positive
    Column("opened_at", UtcDateTime, nullable=False),
    UniqueConstraint("id", "customer_id"),  # lets a card prove that its account has the same owner
    CheckConstraint("type IN ('current', 'savings', 'credit_card', 'loan')", name="type"),
)

cards = Table(
    "cards",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("customer_id", String(32), nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("last_four", String(4), nullable=False),
    Column("status", String(8), nullable=False),
    UniqueConstraint("customer_id", "last_four"),  # customers name a card by these digits
    ForeignKeyConstraint(["account_id", "customer_id"], ["accounts.id", "accounts.customer_id"]),
    CheckConstraint("kind IN ('debit', 'credit')", name="kind"),
    CheckConstraint("status IN ('active', 'locked')", name="status"),
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("booked_at", UtcDateTime, nullable=False),
    Column("amount", Amount, nullable=False),  # negative: money leaves the account
    Column("currency", String(3), nullable=False),
    Column("type", String(24), nullable=False),  # one of models.TRANSACTION_TYPES
    Column("merchant_en", String(120)),
    Column("merchant_zh", String(120)),
    Column("description_en", String(200), nullable=False),
    Column("description_zh", String(200), nullable=False),
    Index(None, "account_id", "booked_at"),
)

# Append-only: the migration installs triggers that refuse UPDATE and DELETE.
card_events = Table(
    "card_events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("card_id", ForeignKey("cards.id"), nullable=False, index=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("status_before", String(8), nullable=False),
    Column("status_after", String(8), nullable=False),
    Column("conversation_id", String(64)),  # null: not asked for in a chat
    Column("occurred_at", UtcDateTime, nullable=False),
)
