"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import BigInteger, DateTime, Integer, Numeric
from sqlalchemy.types import TypeDecorator

CENT = Decimal("0.01")

# SQLite numbers rows by itself only where the primary key is declared INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


class Amount(TypeDecorator):
    """A `Decimal` with exactly two decimal places: NUMERIC(18, 2), on SQLite whole hundredths.

    SQLite has no decimal type and would keep floats; integers make its sums exact. Raises ValueError for a float or
    for more than two decimal places: rounding money is the caller's decision.
    """

    impl = Numeric(18, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect):
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(18, 2))

    def process_bind_param(self, value, dialect):
        if value is None:
            return None
        if not isinstance(value, Decimal) or value != value.quantize(CENT):
            raise ValueError("an amount is a Decimal with at most two decimal places")
        return int(value.scaleb(2)) if dialect.name == "sqlite" else value

    def process_result_value(self, value, dialect):
        if value is None:
            return None
        return Decimal(value).scaleb(-2) if dialect.name == "sqlite" else value


class UtcDateTime(TypeDecorator):
    """An aware UTC `datetime`; a naive one is refused with ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect):
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time stored in the bank needs a time zone")
        value = value.astimezone(timezone.utc)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect):
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
