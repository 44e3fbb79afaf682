"""A believable year of bookings for one customer of the demo bank; the same customer and date give the same year."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

from actions.bank.seed_people import SeedAccount, SeedCustomer
from actions.bank.types import CENT

# What a pound's worth of shopping costs elsewhere, roughly; keeps amounts plausible in each currency.
_SCALE = {"GBP": Decimal(1), "HKD": Decimal(10), "CNY": Decimal(7)}
_MONTHLY_INTEREST = {"savings": Decimal("0.0025"), "loan": Decimal("0.0055")}


@dataclass(frozen=True)
class Merchant:
    """Prices are what one visit costs, in GBP; `weight` is how often people go there."""

    name_en: str
    name_zh: str
    what_en: str
    what_zh: str
    low: int
    high: int
    weight: int


MERCHANTS = (
    Merchant("Corner & Crust Bakery", "街角面包房", "Groceries", "食品", 3, 14, 8),
    Merchant("Green Basket Market", "绿篮超市", "Groceries", "食品", 12, 75, 10),
    Merchant("Tidewater Coffee", "潮汐咖啡", "Coffee", "咖啡", 3, 9, 9),
    Merchant("Lantern Noodle House", "灯笼面馆", "Restaurant", "餐饮", 9, 32, 6),
    Merchant("Metroline Transit", "都会公交", "Travel", "交通出行", 2, 12, 10),
    Merchant("Paper Kite Books", "纸鸢书店", "Books", "图书", 7, 38, 3),
    Merchant("Northgate Pharmacy", "北门药房", "Health", "医药", 5, 27, 3),
    Merchant("Larch Home Store", "松木家居", "Home", "家居", 15, 140, 2),
    Merchant("Blue Finch Clothing", "青雀服饰", "Clothing", "服装", 18, 120, 3),
    Merchant("Halfmoon Cinema", "半月影院", "Entertainment", "娱乐", 8, 30, 3),
    Merchant("Swiftcab", "快捷出租车", "Taxi", "出租车", 6, 28, 4),
    Merchant("Orchard Online Shop", "果园网上商城", "Online shopping", "网上购物", 9, 160, 4),
)
# Rent, saving, what goes to the family and what repays a loan are parts of the income.
_RENT, _SAVED, _GIVEN, _REPAID = Decimal("0.38"), Decimal("0.12"), Decimal("0.09"), Decimal("0.10")
_LANDLORD = ("Seaview Lettings", "海景房屋租赁")
# (day of the month, amount in GBP, merchant, description), all paid by direct debit
_BILLS = (
    (5, 68, ("Brightwell Energy", "明泉能源"), ("Electricity and gas", "水电煤气费")),
    (9, 32, ("Clearwave Broadband", "清波宽带"), ("Broadband", "宽带费")),
    (12, 19, ("Pocketline Mobile", "口袋通讯"), ("Mobile phone", "手机话费")),
    (15, 24, ("Ironwood Gym", "铁木健身房"), ("Gym membership", "健身会员费")),
)


@dataclass(frozen=True)
class Booking:
    """One transaction to be; `account` is the index in the customer's accounts."""

    account: int
    booked_at: datetime
    amount: Decimal
    type: str
    description: tuple[str, str]
    merchant: tuple[str, str] | tuple[None, None] = (None, None)


def year_of(customer: SeedCustomer, today: date) -> list[Booking]:
    """The customer's bookings of the 365 days before `today`, oldest first."""
    history = _History(customer)
    for days_ago in range(365, 0, -1):
        history.live(today - timedelta(days=days_ago))
    return sorted(history.bookings, key=lambda booking: booking.booked_at)


class _History:
    def __init__(self, customer: SeedCustomer) -> None:
        self._random = random.Random(customer.id)
        self._accounts = customer.accounts
        self._balances = [account.opening for account in customer.accounts]
        # Who has a credit card spreads the shopping over two accounts.
        self._daily_shopping = 0.4 if any(a.type == "credit_card" for a in customer.accounts) else 0.72
        self.bookings: list[Booking] = []

    def live(self, day: date) -> None:
        for index, account in enumerate(self._accounts):
            if account.type == "current":
                self._income_and_bills(index, account, day)
                self._moves_to_own_accounts(index, account, day)
                self._shopping(index, account, day)
            elif account.type == "credit_card":
                self._shopping(index, account, day)
            elif day.day == 28:
                self._interest(index, account, day)

    def _some_time(self, day: date) -> datetime:
        return datetime.combine(day, time(self._random.randint(7, 20), self._random.randint(0, 59)), timezone.utc)

    def _book(self, index: int, at: datetime, amount: Decimal, type_: str, description, merchant=(None, None)) -> None:
        self._balances[index] += amount
        self.bookings.append(Booking(index, at, amount, type_, description, merchant))

    def _income_and_bills(self, index: int, account: SeedAccount, day: date) -> None:
        if day.day == 25:
            self._book(index, self._some_time(day), account.income, "salary", ("Salary", "工资"))
        if day.day == 1:
            self._pay(index, day, _round(account.income * _RENT), "direct_debit", ("Rent", "房租"), _LANDLORD)
        if day.day == 27:
            self._pay(index, day, _round(account.income * _GIVEN), "transfer_out", ("Transfer to family", "转账给家人"))
        for bill_day, pounds, merchant, description in _BILLS:
            if day.day == bill_day and index == 0:
                amount = _round(Decimal(pounds) * _SCALE[account.currency])
                self._pay(index, day, amount, "direct_debit", description, merchant)

    def _moves_to_own_accounts(self, index: int, account: SeedAccount, day: date) -> None:
        for other_index, other in enumerate(self._accounts):
            if other.currency != account.currency or index != self._first_current(other.currency):
                continue
            owed = -self._balances[other_index]
            if other.type == "savings" and day.day == 26:
                saved = account.income * _SAVED
                self._move(index, other_index, day, saved, "own_transfer", ("To savings", "转入储蓄账户"))
            elif other.type == "credit_card" and day.day == 20 and owed > 0:
                self._move(index, other_index, day, owed, "card_repayment", ("Credit card repayment", "信用卡还款"))
            elif other.type == "loan" and day.day == 27 and owed > 0:
                repaid = account.income * _REPAID
                self._move(index, other_index, day, repaid, "loan_repayment", ("Loan repayment", "偿还贷款"))

    def _first_current(self, currency: str) -> int:
        return next(i for i, a in enumerate(self._accounts) if a.type == "current" and a.currency == currency)

    def _move(self, source: int, target: int, day: date, amount: Decimal, type_: str, description) -> None:
        amount = _round(min(amount, self._balances[source]))
        if amount > 0:
            at = self._some_time(day)
            self._book(source, at, -amount, type_, description)
            self._book(target, at, amount, type_, description)

    def _shopping(self, index: int, account: SeedAccount, day: date) -> None:
        chance = self._random.random()
        if chance < self._daily_shopping:
            merchant = self._random.choices(MERCHANTS, [merchant.weight for merchant in MERCHANTS])[0]
            pence = self._random.randint(merchant.low * 100, merchant.high * 100)
            amount = _round(Decimal(pence) / 100 * _SCALE[account.currency])
            names = (merchant.name_en, merchant.name_zh)
            paid = self._pay(index, day, amount, "card_payment", (merchant.what_en, merchant.what_zh), names)
            if paid and chance < 0.01:  # now and then something goes back
                self._book(index, self._some_time(day), amount, "refund", ("Refund", "退款"), names)
        elif chance > 0.96 and account.type == "current":
            amount = _round(self._random.choice((20, 40, 50, 100)) * _SCALE[account.currency])
            self._pay(index, day, amount, "cash_withdrawal", ("Cash withdrawal", "取现"))

    def _pay(self, index: int, day: date, amount: Decimal, type_: str, description, merchant=(None, None)) -> bool:
        """Books the payment unless it would overdraw the account or pass the card's limit; True when booked."""
        if self._balances[index] + (self._accounts[index].credit_limit or 0) < amount:
            return False
        self._book(index, self._some_time(day), -amount, type_, description, merchant)
        return True

    def _interest(self, index: int, account: SeedAccount, day: date) -> None:
        amount = _round(self._balances[index] * _MONTHLY_INTEREST[account.type])
        if amount:
            self._book(index, self._some_time(day), amount, "interest", ("Interest", "利息"))


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
