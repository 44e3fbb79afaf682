"""The bank's queries. Each names the customer it is for; none opens or ends a transaction."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import and_, func, select, update
from sqlalchemy.engine import Connection

from actions.bank.models import OWN_MOVES, Balance, Card, Customer, Transaction
from actions.bank.tables import accounts, card_events, cards, customers, transactions


def credentials(connection: Connection, login_name: str) -> tuple[str, str | None] | None:
    """(customer id, password hash or None) of a login name, None when nobody has it."""
    row = connection.execute(
        select(customers.c.id, customers.c.password_hash).where(customers.c.login_name == login_name)
    ).first()
    return (row.id, row.password_hash) if row else None


def find_customer(connection: Connection, *, customer_id: str | None = None, login_name: str | None = None) -> Customer | None:
    """The customer with this id or this login name."""
    named = customers.c.id == customer_id if customer_id is not None else customers.c.login_name == login_name
    row = connection.execute(
        select(customers.c.id, customers.c.display_name_en, customers.c.display_name_zh).where(named)
    ).first()
    return Customer(row.id, row.display_name_en, row.display_name_zh) if row else None


def balances(connection: Connection, customer_id: str) -> list[Balance]:
    """Every account of the customer with its balance, oldest account first."""
    booked = (
        select(transactions.c.account_id, func.sum(transactions.c.amount).label("booked"))
        .join(accounts, accounts.c.id == transactions.c.account_id)
        .where(accounts.c.customer_id == customer_id)
        .group_by(transactions.c.account_id)
        .subquery()
    )
    rows = connection.execute(
        select(accounts, booked.c.booked)
        .outerjoin(booked, booked.c.account_id == accounts.c.id)
        .where(accounts.c.customer_id == customer_id)
        .order_by(accounts.c.opened_at, accounts.c.id)
    )
    return [_balance(row) for row in rows]


def _balance(row) -> Balance:
    amount = row.opening_balance + (row.booked or Decimal("0.00"))
    return Balance(
        account_id=row.id,
        type=row.type,
        currency=row.currency,
        name_en=row.name_en,
        name_zh=row.name_zh,
        amount=amount,
        available_credit=None if row.credit_limit is None else row.credit_limit + amount,
    )


def find_transactions(
    connection: Connection,
    customer_id: str,
    *,
    account_type: str | None,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    offset: int,
) -> tuple[list[Transaction], int, dict[str, Decimal]]:
    """A page of the customer's transactions, newest first, with `start` <= booked_at < `end`.

    Also returns how many match in all, and what was spent in all of them by currency (positive; no own moves).
    """
    conditions = [accounts.c.customer_id == customer_id]
    if account_type is not None:
        conditions.append(accounts.c.type == account_type)
    if start is not None:
        conditions.append(transactions.c.booked_at >= start)
    if end is not None:
        conditions.append(transactions.c.booked_at < end)
    source = transactions.join(accounts, accounts.c.id == transactions.c.account_id)
    wanted = and_(*conditions)
    rows = connection.execute(
        select(
            transactions,
            accounts.c.type.label("account_type"),
            accounts.c.name_en.label("account_name_en"),
            accounts.c.name_zh.label("account_name_zh"),
        )
        .select_from(source)
        .where(wanted)
        .order_by(transactions.c.booked_at.desc(), transactions.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    items = [Transaction(**{name: row[name] for name in Transaction.__dataclass_fields__}) for row in rows.mappings()]
    total = connection.execute(select(func.count()).select_from(source).where(wanted)).scalar_one()
    spending = connection.execute(
        select(transactions.c.currency, func.sum(transactions.c.amount).label("amount"))
        .select_from(source)
        .where(wanted, transactions.c.amount < Decimal("0.00"), transactions.c.type.not_in(OWN_MOVES))
        .group_by(transactions.c.currency)
        .order_by(transactions.c.currency)
    )
    return items, total, {row.currency: -row.amount for row in spending}


def _cards_query(customer_id: str):
    return (
        select(
            cards.c.id,
            cards.c.last_four,
            cards.c.kind,
            cards.c.status,
            accounts.c.name_en.label("account_name_en"),
            accounts.c.name_zh.label("account_name_zh"),
        )
        .join(accounts, accounts.c.id == cards.c.account_id)
        .where(cards.c.customer_id == customer_id, accounts.c.customer_id == customer_id)
    )


def find_cards(connection: Connection, customer_id: str) -> list[Card]:
    """The customer's cards by id."""
    return [Card(**row) for row in connection.execute(_cards_query(customer_id).order_by(cards.c.id)).mappings()]


def find_card(connection: Connection, customer_id: str, last_four: str) -> Card | None:
    """The customer's card that ends with `last_four`, None when there is none."""
    row = connection.execute(_cards_query(customer_id).where(cards.c.last_four == last_four)).mappings().first()
    return Card(**row) if row else None


def change_card_status(connection: Connection, customer_id: str, last_four: str, before: str, after: str) -> bool:
    """Moves the customer's card from `before` to `after`; False when it was not in `before`."""
    result = connection.execute(
        update(cards)
        .where(cards.c.customer_id == customer_id, cards.c.last_four == last_four, cards.c.status == before)
        .values(status=after)
    )
    return result.rowcount == 1


def add_card_event(
    connection: Connection,
    customer_id: str,
    card_id: str,
    *,
    before: str,
    after: str,
    conversation_id: str | None,
    at: datetime,
) -> None:
    """Records a change of the customer's card, for ever."""
    connection.execute(
        card_events.insert().values(
            card_id=card_id,
            customer_id=customer_id,
            status_before=before,
            status_after=after,
            conversation_id=conversation_id,
            occurred_at=at,
        )
    )
