"""What a customer may ask of the bank. The caller proves who the customer is; every method here takes that id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta, timezone
from functools import cached_property
from zoneinfo import ZoneInfo

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from actions.bank import repository
from actions.bank.models import (
    ACCOUNT_TYPES,
    ACTIVE,
    LOCKED,
    Balance,
    Card,
    CardChange,
    Customer,
    DateRange,
    TransactionPage,
)
from bot.shared.errors import InvalidInputError, NotFoundError, StorageError

MAX_PAGE = 100
MAX_PASSWORD_BYTES = 1024  # argon2 reads all of it: no one may make us hash megabytes
OUTCOME_UNKNOWN = "outcome_unknown"  # the connection was lost while the change was being committed
_LOGIN_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
_LAST_FOUR = re.compile(r"[0-9]{4}")


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class BankService:
    """The rules over the bank's tables. Synchronous and safe to share between threads.

    `zone` is where a customer's day begins and ends; `clock` gives the time of the audit rows. Every method raises
    StorageError when the database does not answer; nothing was changed then, unless its code is OUTCOME_UNKNOWN.
    """

    def __init__(
        self,
        engine: Engine,
        zone: str = "Europe/London",
        *,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._engine = engine
        self._reader = engine.execution_options(readonly=True)
        self._zone = ZoneInfo(zone)
        self._hasher = hasher or PasswordHasher()
        self._clock = clock

    def ping(self) -> None:
        """Returns when the database answers."""
        with _transaction(self._reader) as connection:
            connection.execute(text("SELECT 1"))

    def verify_login(self, login_name: str, password: str) -> str | None:
        """The customer's id when the password is right, else None. Case and outer spaces of the name do not matter.

        An unknown name costs one password check as well, so that the time does not tell which names exist.
        """
        name = login_name.strip().lower()
        secret = password.encode("utf-8", "surrogatepass")
        too_long = len(secret) > MAX_PASSWORD_BYTES
        stand_in = self._hash_of_nobody
        found = None
        if _LOGIN_NAME.fullmatch(name):
            with _transaction(self._reader) as connection:
                found = repository.credentials(connection, name)
        customer_id, stored = found or (None, None)
        try:
            self._hasher.verify(stored or stand_in, b"" if too_long else secret)
        except (VerificationError, InvalidHashError):
            return None
        return customer_id if stored and not too_long else None

    def customer(self, customer_id: str) -> Customer | None:
        """The customer with this id, None when there is none."""
        with _transaction(self._reader) as connection:
            return repository.find_customer(connection, customer_id=customer_id)

    def customer_with_login(self, login_name: str) -> Customer | None:
        """The customer with this login name; case and outer spaces do not matter."""
        with _transaction(self._reader) as connection:
            return repository.find_customer(connection, login_name=login_name.strip().lower())

    @cached_property
    def _hash_of_nobody(self) -> str:
        return self._hasher.hash("the password of no customer")

    def balances(self, customer_id: str) -> list[Balance]:
        """Every account of the customer, oldest first; an empty list for an unknown customer."""
        with _transaction(self._reader) as connection:
            return repository.balances(connection, customer_id)

    def transactions(
        self,
        customer_id: str,
        account_type: str | None = None,
        date_range: DateRange | None = None,
        *,
        limit: int = 10,
        offset: int = 0,
    ) -> TransactionPage:
        """A page of the customer's transactions, newest first. Raises InvalidInputError for an unknown account type, a
        `limit` outside 1..100 or a negative `offset`."""
        if account_type is not None and account_type not in ACCOUNT_TYPES:
            raise InvalidInputError(f"account type {account_type!r} is none of {', '.join(ACCOUNT_TYPES)}")
        if not 1 <= limit <= MAX_PAGE or offset < 0:
            raise InvalidInputError(f"limit {limit} must lie in 1..{MAX_PAGE} and offset {offset} must not be negative")
        start = end = None
        if date_range is not None:
            start = datetime.combine(date_range.start, time.min, self._zone)
            end = datetime.combine(date_range.end + timedelta(days=1), time.min, self._zone)
        with _transaction(self._reader) as connection:
            items, total, spent = repository.find_transactions(
                connection,
                customer_id,
                account_type=account_type,
                start=start,
                end=end,
                limit=limit,
                offset=offset,
            )
        return TransactionPage(tuple(items), total, offset, spent)

    def cards(self, customer_id: str) -> list[Card]:
        """The customer's cards."""
        with _transaction(self._reader) as connection:
            return repository.find_cards(connection, customer_id)

    def lock_card(self, customer_id: str, last_four: str, *, conversation_id: str | None = None) -> CardChange:
        """Locks the card; `changed` is False when it was locked already. Raises NotFoundError when it is not theirs."""
        return self._set_status(customer_id, last_four, ACTIVE, LOCKED, conversation_id)

    def unlock_card(self, customer_id: str, last_four: str, *, conversation_id: str | None = None) -> CardChange:
        """Unlocks the card; `changed` is False when it was active. Raises NotFoundError when it is not theirs."""
        return self._set_status(customer_id, last_four, LOCKED, ACTIVE, conversation_id)

    def _set_status(
        self, customer_id: str, last_four: str, before: str, after: str, conversation_id: str | None
    ) -> CardChange:
        if not _LAST_FOUR.fullmatch(last_four):
            raise NotFoundError("a card is named by its last four digits", code="unknown_card")
        with _transaction(self._engine) as connection:
            # The UPDATE decides: of two requests at once exactly one finds the card in `before`.
            changed = repository.change_card_status(connection, customer_id, last_four, before, after)
            card = repository.find_card(connection, customer_id, last_four)
            if card is None:
                raise NotFoundError("the customer has no such card", code="unknown_card")
            if changed:
                repository.add_card_event(
                    connection,
                    customer_id,
                    card.id,
                    before=before,
                    after=after,
                    conversation_id=conversation_id,
                    at=self._clock(),
                )
        return CardChange(card, changed)


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end of the block; the driver's errors become StorageError."""
    committing = False
    try:
        with engine.connect() as connection:
            transaction = connection.begin()
            yield connection
            committing = True
            transaction.commit()
    except (DBAPIError, PoolTimeout) as error:
        lost = committing and isinstance(error, DBAPIError) and error.connection_invalidated
        raise StorageError(
            "the bank's database refused or did not answer", code=OUTCOME_UNKNOWN if lost else None
        ) from error
