"""Fills an empty bank with the demo bank: `demo1` to `demo5`, twenty other customers, a year of transactions."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from functools import partial

from argon2 import PasswordHasher
from sqlalchemy import insert, select
from sqlalchemy.engine import Connection, Engine

from actions.bank import seed_history
from actions.bank.seed_people import ACCOUNT_NAMES, CUSTOMERS, DEMO_CUSTOMERS, SeedCustomer
from actions.bank.service import BankService
from actions.bank.tables import accounts, cards, customers, transactions


def demo_password(login_name: str) -> str:
    """`demo1` -> `demo1-pass`; only the demo has such passwords."""
    return f"{login_name}-pass"


def seed(engine: Engine, today: date | None = None, *, hasher: PasswordHasher | None = None) -> bool:
    """Writes the demo bank, its year ending the day before `today` (default: the current day, UTC), in one transaction.

    Returns False and writes nothing when the bank has any customer. The tables must exist (`migrations.migrate`).
    Only `demo1` to `demo5` get a password; the others cannot log in.
    """
    today = today or datetime.now(timezone.utc).date()
    hasher = hasher or PasswordHasher()
    hashes = {person.login_name: hasher.hash(demo_password(person.login_name)) for person in DEMO_CUSTOMERS}
    with engine.begin() as connection:
        if connection.execute(select(customers.c.id).limit(1)).first():
            return False
        for person in CUSTOMERS:
            _write_customer(connection, person, hashes.get(person.login_name), today)
    return True


def demo_logins(service: BankService) -> list[str]:
    """The demo logins whose well-known password works; a bank in production must have none."""
    names = (person.login_name for person in DEMO_CUSTOMERS)
    return [name for name in names if service.verify_login(name, demo_password(name)) is not None]


def _write_customer(connection: Connection, person: SeedCustomer, password_hash: str | None, today: date) -> None:
    opened = datetime.combine(today - timedelta(days=400 + person.number), time(9), timezone.utc)
    connection.execute(
        insert(customers).values(
            id=person.id,
            login_name=person.login_name,
            password_hash=password_hash,
            display_name_en=person.name_en,
            display_name_zh=person.name_zh,
            created_at=opened,
        )
    )
    account_id = partial("{}-{}".format, person.id)
    several = _repeated_types(person)
    for index, account in enumerate(person.accounts):
        name_en, name_zh = ACCOUNT_NAMES[account.type]
        suffix = f" {account.currency}" if account.type in several else ""
        connection.execute(
            insert(accounts).values(
                id=account_id(index + 1),
                customer_id=person.id,
                type=account.type,
                currency=account.currency,
                name_en=name_en + suffix,
                name_zh=name_zh + suffix,
                opening_balance=account.opening,
                credit_limit=account.credit_limit,
                opened_at=opened,
            )
        )
        for card in account.cards:
            connection.execute(
                insert(cards).values(
                    id=f"{account_id(index + 1)}-{card.last_four}",
                    customer_id=person.id,
                    account_id=account_id(index + 1),
                    kind=card.kind,
                    last_four=card.last_four,
                    status=card.status,
                )
            )
    rows = [
        {
            "account_id": account_id(booking.account + 1),
            "booked_at": booking.booked_at,
            "amount": booking.amount,
            "currency": person.accounts[booking.account].currency,
            "type": booking.type,
            "merchant_en": booking.merchant[0],
            "merchant_zh": booking.merchant[1],
            "description_en": booking.description[0],
            "description_zh": booking.description[1],
        }
        for booking in seed_history.year_of(person, today)
    ]
    connection.execute(insert(transactions), rows)


def _repeated_types(person: SeedCustomer) -> set[str]:
    """Account types the person has more than once: their names need the currency beside them."""
    types = [account.type for account in person.accounts]
    return {type_ for type_ in types if types.count(type_) > 1}
