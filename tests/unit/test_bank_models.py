"""The bank without a database: date ranges, the demo customers' year, and what a login costs."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from argon2 import PasswordHasher

from actions.bank.migrations import migrate
from actions.bank.models import TRANSACTION_TYPES, DateRange, Transaction, TransactionPage
from actions.bank.seed_history import year_of
from actions.bank.seed_people import CUSTOMERS
from actions.bank.service import BankService
from bot.shared.database import open_engine
from bot.shared.errors import InvalidInputError

TODAY = date(2026, 11, 20)


def test_date_range_is_read_and_written_back():
    days = DateRange.parse("2026-10-01/2026-10-31")
    assert (days.start, days.end) == (date(2026, 10, 1), date(2026, 10, 31))
    assert str(days) == "2026-10-01/2026-10-31"


@pytest.mark.parametrize(
    "wrong",
    ["", "2026-10-01", "2026-10-31/2026-10-01", "2026-02-30/2026-03-01", "a/b", "0001-01-01/2026-01-01",
     "2026-01-01/9999-12-31"],
)  # fmt: skip
def test_a_wrong_date_range_is_refused(wrong):
    with pytest.raises(InvalidInputError):
        DateRange.parse(wrong)


@pytest.mark.parametrize(
    ("amount", "type_", "spent"),
    [("-4.20", "card_payment", "4.20"), ("4.20", "refund", "0.00"), ("-100.00", "own_transfer", "0.00"),
     ("-90.00", "card_repayment", "0.00"), ("-1.00", "fee", "1.00")],
)  # fmt: skip
def test_only_money_that_left_the_customer_was_spent(amount, type_, spent):
    booked = datetime(2026, 11, 1, tzinfo=timezone.utc)
    item = Transaction(1, "current", "A", "甲", booked, Decimal(amount), "GBP", type_, None, None, "x", "某")
    assert item.spent == Decimal(spent)


def test_last_page_has_no_next():
    booked = datetime(2026, 11, 1, tzinfo=timezone.utc)
    item = Transaction(1, "current", "A", "甲", booked, Decimal("1.00"), "GBP", "refund", None, None, "x", "某")
    assert TransactionPage((item,), total=3, offset=1).next_offset == 2
    assert TransactionPage((item,), total=3, offset=2).next_offset is None
    assert TransactionPage((), total=3, offset=9).next_offset is None


def test_the_same_date_gives_the_same_year():
    assert year_of(CUSTOMERS[0], TODAY) == year_of(CUSTOMERS[0], TODAY)
    assert year_of(CUSTOMERS[0], TODAY) != year_of(CUSTOMERS[4], TODAY)


@pytest.mark.parametrize("person", CUSTOMERS, ids=lambda person: person.login_name)
def test_a_year_is_believable(person):
    bookings = year_of(person, TODAY)
    days = [booking.booked_at.date() for booking in bookings]
    assert min(days) >= date(2025, 11, 20)
    assert max(days) < TODAY
    assert (TODAY - max(days)).days < 14  # it is still going on
    assert {booking.type for booking in bookings} <= set(TRANSACTION_TYPES)
    balances = [account.opening for account in person.accounts]
    per_day: dict[date, list] = defaultdict(list)
    for booking in bookings:
        per_day[booking.booked_at.date()].append(booking)
    for day in sorted(per_day):
        for booking in per_day[day]:
            balances[booking.account] += booking.amount
        for account, balance in zip(person.accounts, balances, strict=True):
            if account.type in ("current", "savings"):
                assert balance >= 0, (day, account)
            elif account.type == "credit_card":
                assert balance >= -account.credit_limit, (day, account)
            else:
                assert balance < 0, (day, account)


class CountingHasher(PasswordHasher):
    """Counts what makes a login slow."""

    checks = 0

    def verify(self, *arguments):
        self.checks += 1
        return super().verify(*arguments)


@pytest.mark.parametrize("login", ["nobody", "", "\x00", "x" * 500])
def test_an_unknown_name_costs_a_password_check_too(tmp_path, login):
    engine = open_engine(f"sqlite:///{tmp_path / 'bank.db'}")
    migrate(engine)
    hasher = CountingHasher(time_cost=1, memory_cost=8, parallelism=1)
    assert BankService(engine, hasher=hasher).verify_login(login, "secret") is None
    assert hasher.checks == 1
