"""Account types and cards in both languages."""

from datetime import date

import pytest

from nlu_models.entities import extract

TODAY = date(2026, 10, 15)


def found(text: str, kind: str) -> list[tuple[str, str]]:
    return [(entity.raw, entity.value) for entity in extract(text, TODAY) if entity.type == kind]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my savings account", [("savings", "savings")]),
        ("balance of savings and current", [("savings", "savings"), ("current", "current")]),
        ("from current to savings", [("current", "current"), ("savings", "savings")]),
        ("savings to my current account", [("savings", "savings"), ("current", "current")]),
        ("the checking account", [("checking", "current")]),
        ("what is my Credit Card limit", [("Credit Card", "credit_card")]),
        ("my mortgage", [("mortgage", "loan")]),
        ("two loans", [("loans", "loan")]),
        ("储蓄账户", [("储蓄", "savings")]),
        ("從儲蓄帳戶", [("儲蓄", "savings")]),
        ("定存和活期", [("定存", "savings"), ("活期", "current")]),
        ("往来户口", [("往来", "current")]),
        ("还信用卡", [("信用卡", "credit_card")]),
        ("房贷还欠多少", [("房贷", "loan")]),
        ("想申请个人贷款", [("贷款", "loan")]),
        ("my current balance", []),
        ("the current rate", []),
        ("check my card", []),
        ("锁我的储蓄卡", []),  # a debit card, not an account
        ("定期转账", []),
    ],
)
def test_account_type(text, expected):
    assert found(text, "account_type") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ending 1234", [("1234", "1234")]),
        ("the card ending in 0042", [("0042", "0042")]),
        ("the last four digits are 9021", [("9021", "9021")]),
        ("last 4 of my card: 5566", [("5566", "5566")]),
        ("lock card 1234", [("1234", "1234")]),
        ("my 7712 card", [("7712", "7712")]),
        ("1234", [("1234", "1234")]),
        ("it's 1234.", [("1234", "1234")]),
        ("１２３４", [("１２３４", "1234")]),
        ("尾号1234", [("1234", "1234")]),
        ("尾号是８８３０的那张", [("８８３０", "8830")]),
        ("尾号一二三四", [("一二三四", "1234")]),
        ("卡号后四位8830", [("8830", "8830")]),
        ("4471那张", [("4471", "4471")]),
        ("锁卡1234", [("1234", "1234")]),
        ("[card ••••1234] is gone", [("1234", "1234")]),  # as the gateway masks a full number
        ("send 1234 to Bob", []),
        ("£1234", []),
        ("ending 12345", []),
        ("pay credit card 2000", []),
        ("还信用卡3000", []),
        ("in 2025", []),
        ("2025", []),  # a year; see the dates
        ("1,234", []),
    ],
)
def test_card_last_four(text, expected):
    assert found(text, "card_last_four") == expected


def test_a_year_far_back_is_a_card():
    assert found("1847", "card_last_four") == [("1847", "1847")]


def test_all_kinds_in_one_sentence():
    text = "my credit card ending 4410 was charged £45.99 on 12 September"
    assert [(entity.type, entity.value) for entity in extract(text, TODAY)] == [
        ("account_type", "credit_card"),
        ("card_last_four", "4410"),
        ("currency", "GBP"),
        ("amount", "45.99"),
        ("date_range", "2026-09-12/2026-09-12"),
    ]
    text = "尾号4410的信用卡9月12号被扣了四十五块"
    assert [(entity.type, entity.value) for entity in extract(text, TODAY)] == [
        ("card_last_four", "4410"),
        ("account_type", "credit_card"),
        ("date_range", "2026-09-12/2026-09-12"),
        ("amount", "45"),
        ("currency", "CNY"),
    ]
