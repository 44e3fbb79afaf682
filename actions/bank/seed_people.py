"""Who banks at Harbour & Lane (海岸银行) in the demo. All of them are invented."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class SeedCard:
    last_four: str
    kind: str
    status: str = "active"


@dataclass(frozen=True)
class SeedAccount:
    """`income` is the monthly salary paid in; a loan's `opening` is what is owed, negative."""

    type: str
    currency: str
    opening: Decimal
    cards: tuple[SeedCard, ...] = ()
    income: Decimal = Decimal("0.00")
    credit_limit: Decimal | None = None


@dataclass(frozen=True)
class SeedCustomer:
    number: int
    login_name: str
    name_en: str
    name_zh: str
    accounts: tuple[SeedAccount, ...]

    @property
    def id(self) -> str:
        return f"C{100000 + self.number}"


def _money(whole: int) -> Decimal:
    return Decimal(whole).quantize(Decimal("0.01"))


def _current(currency: str, income: int, *cards: SeedCard) -> SeedAccount:
    return SeedAccount("current", currency, _money(income // 2), cards, _money(income))


def _savings(currency: str, opening: int, *cards: SeedCard) -> SeedAccount:
    return SeedAccount("savings", currency, _money(opening), cards)


def _credit(currency: str, limit: int, *cards: SeedCard) -> SeedAccount:
    return SeedAccount("credit_card", currency, _money(0), cards, credit_limit=_money(limit))


def _loan(currency: str, owed: int) -> SeedAccount:
    return SeedAccount("loan", currency, _money(-owed))


# Each of the five shows another situation; dialogue tests rely on these card numbers.
DEMO_CUSTOMERS = (
    SeedCustomer(1, "demo1", "Amelia Hart", "何美莉", (  # two cards: which one is asked
        _current("GBP", 2850, SeedCard("4821", "debit")),
        _savings("GBP", 6400),
        _credit("GBP", 3000, SeedCard("7350", "credit")),
    )),
    SeedCustomer(2, "demo2", "Lin Yue", "林悦", (  # one card: taken without asking
        _current("HKD", 32000, SeedCard("2096", "debit")),
        _savings("CNY", 58000),
    )),
    SeedCustomer(3, "demo3", "Thomas Reed", "李托马", (  # one card, locked already, and a loan
        _current("GBP", 3400, SeedCard("6614", "debit", "locked")),
        _loan("GBP", 9600),
    )),
    SeedCustomer(4, "demo4", "Chen Wei", "陈威", (  # three currencies, three cards
        _current("CNY", 21000, SeedCard("1178", "debit")),
        _current("GBP", 1900, SeedCard("5503", "debit")),
        _savings("HKD", 120000),
        _credit("CNY", 30000, SeedCard("9042", "credit")),
    )),
    SeedCustomer(5, "demo5", "Priya Shah", "沙丽雅", (  # no card at all
        _current("GBP", 2300),
        _savings("GBP", 11200),
    )),
)  # fmt: skip

_OTHERS = (
    ("Oliver Marsh", "马奥立"), ("Grace Lowell", "罗佳诗"), ("Huang Min", "黄敏"), ("Zhou Kai", "周凯"),
    ("Isla Bennett", "班怡兰"), ("Wu Jing", "吴静"), ("Noah Fielding", "费诺亚"), ("Xu Lan", "徐兰"),
    ("Freya Colton", "柯菲雅"), ("Sun Hao", "孙昊"), ("Elliot Vance", "万立德"), ("Ma Rui", "马瑞"),
    ("Clara Winslow", "温可兰"), ("Zhu Ting", "朱婷"), ("Jonas Pike", "裴乔南"), ("Gao Fei", "高飞"),
    ("Harriet Dunn", "邓海丽"), ("Liang Chen", "梁晨"), ("Samuel Okafor", "欧山木"), ("Deng Xin", "邓欣"),
)  # fmt: skip
_HOME_CURRENCIES = ("GBP", "GBP", "HKD", "CNY")
_INCOMES = {"GBP": 2200, "HKD": 26000, "CNY": 17000}


def _other_customer(number: int, name_en: str, name_zh: str) -> SeedCustomer:
    currency = _HOME_CURRENCIES[number % len(_HOME_CURRENCIES)]
    income = _INCOMES[currency] + (number * 7 % 13) * _INCOMES[currency] // 20
    accounts = [_current(currency, income, SeedCard(f"{3000 + number * 37:04d}", "debit"))]
    if number % 2 == 0:
        accounts.append(_savings(currency, income * (2 + number % 5)))
    if number % 3 == 0:
        accounts.append(_credit(currency, income, SeedCard(f"{8000 + number * 53:04d}", "credit")))
    if number % 7 == 0:
        accounts.append(_loan(currency, income * 4))
    return SeedCustomer(number, f"customer{number:02d}", name_en, name_zh, tuple(accounts))


CUSTOMERS = DEMO_CUSTOMERS + tuple(
    _other_customer(number, name_en, name_zh) for number, (name_en, name_zh) in enumerate(_OTHERS, 6)
)

ACCOUNT_NAMES = {
    "current": ("Everyday Account", "日常账户"),
    "savings": ("Harbour Savings", "海湾储蓄账户"),
    "credit_card": ("Lane Credit Card", "海岸信用卡"),
    "loan": ("Personal Loan", "个人贷款"),
}
