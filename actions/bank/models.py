"""What the bank's service returns: frozen values, amounts as `Decimal` with their currency, times in UTC."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from bot.shared.errors import InvalidInputError

ACCOUNT_TYPES = ("current", "savings", "credit_card", "loan")
ACTIVE = "active"
LOCKED = "locked"
TRANSACTION_TYPES = (
    "card_payment", "refund", "cash_withdrawal", "direct_debit", "salary", "transfer_in", "transfer_out", "interest",
    "fee", "own_transfer", "card_repayment", "loan_repayment",
)  # fmt: skip
# Money that only moves between the customer's own accounts was not spent.
OWN_MOVES = ("own_transfer", "card_repayment", "loan_repayment")


@dataclass(frozen=True)
class Customer:
    """Who accounts belong to, with the name to greet them by in each language."""

    id: str
    name_en: str
    name_zh: str


@dataclass(frozen=True)
class Balance:
    """One account and what is on it now; negative when the customer owes the bank."""

    account_id: str
    type: str
    currency: str
    name_en: str
    name_zh: str
    amount: Decimal
    available_credit: Decimal | None = None


@dataclass(frozen=True)
class Card:
    """A card as its owner may see it. `status` is `active` or `locked`, `kind` is `debit` or `credit`."""

    id: str
    last_four: str
    kind: str
    status: str
    account_name_en: str
    account_name_zh: str


@dataclass(frozen=True)
class CardChange:
    """The card as it is now; `changed` is False when it was in the wanted state already and nothing was written."""

    card: Card
    changed: bool


@dataclass(frozen=True)
class Transaction:
    """One booking; a negative `amount` left the account."""

    id: int
    account_type: str
    account_name_en: str
    account_name_zh: str
    booked_at: datetime
    amount: Decimal
    currency: str
    type: str
    merchant_en: str | None
    merchant_zh: str | None
    description_en: str
    description_zh: str

    @property
    def spent(self) -> Decimal:
        """What this booking cost the customer, zero or positive."""
        return -self.amount if self.amount < 0 and self.type not in OWN_MOVES else Decimal("0.00")


@dataclass(frozen=True)
class TransactionPage:
    """Transactions, newest first. `total` counts all that match, `spent` sums them by currency, over all pages."""

    items: tuple[Transaction, ...]
    total: int
    offset: int
    spent: dict[str, Decimal] = dataclasses.field(default_factory=dict)

    @property
    def next_offset(self) -> int | None:
        """Offset of the next page, None on the last one."""
        following = self.offset + len(self.items)
        return following if self.items and following < self.total else None


@dataclass(frozen=True)
class DateRange:
    """Days from `start` to `end`, both included, in the bank's time zone.

    Raises InvalidInputError when reversed, or outside the years 1900 to 2200.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        # Far outside, a day's beginning in UTC is no longer a time that Python or a database can hold.
        if self.start.year < 1900 or self.end.year > 2200:
            raise InvalidInputError(f"the dates {self.start} to {self.end} lie outside the years 1900 to 2200")
        if self.end < self.start:
            raise InvalidInputError(f"a date range cannot end ({self.end}) before it starts ({self.start})")

    @classmethod
    def parse(cls, text: str) -> DateRange:
        """`2026-10-01/2026-10-31` -> DateRange. Raises InvalidInputError for anything else."""
        start, separator, end = text.partition("/")
        try:
            if not separator:
                raise ValueError("no slash")
            return cls(date.fromisoformat(start), date.fromisoformat(end))
        except ValueError:
            raise InvalidInputError(f"{text!r} is not two ISO dates with a slash between them") from None

    def __str__(self) -> str:
        return f"{self.start.isoformat()}/{self.end.isoformat()}"
