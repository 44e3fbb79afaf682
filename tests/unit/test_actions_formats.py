"""Amounts, dates and texts in both languages."""

from __future__ import annotations

import string
from datetime import date
from decimal import Decimal

import pytest
from rasa_sdk.executor import CollectingDispatcher

from actions import formats, texts
from actions.replies import say


@pytest.mark.parametrize(
    ("amount", "currency", "language", "shown"),
    [
        ("1234.5", "GBP", "en", "£1,234.50"),
        ("-0.05", "GBP", "en", "−£0.05"),
        ("1234567.00", "HKD", "en", "HK$1,234,567.00"),
        ("88.00", "CNY", "en", "CN¥88.00"),
        ("5.00", "SEK", "en", "5.00 SEK"),
        ("1234.50", "GBP", "zh", "1,234.50 英镑"),
        ("-88.00", "CNY", "zh", "−88.00 元"),
        ("10.00", "HKD", "zh", "10.00 港元"),
        ("10.00", "SEK", "zh", "10.00 SEK"),
        ("9999999999999999.99", "GBP", "en", "£9,999,999,999,999,999.99"),
    ],
)
def test_money(amount, currency, language, shown):
    assert formats.money(Decimal(amount), currency, language) == shown


def test_sums_of_several_currencies_stay_apart():
    assert formats.total({"HKD": Decimal("5.00"), "GBP": Decimal("1.00")}, "en") == "£1.00 + HK$5.00"


def test_days():
    assert formats.day(date(2026, 3, 9), "en") == "9 Mar 2026"
    assert formats.day(date(2026, 3, 9), "en", year=False) == "9 Mar"
    assert formats.day(date(2026, 3, 9), "zh") == "2026年3月9日"
    assert formats.day(date(2026, 3, 9), "zh", year=False) == "3月9日"


def test_a_merchants_name_brings_no_markdown():
    assert formats.plain("[win](javascript:x)\n# **big**") == r"\[win\]\(javascript:x\) \# \*\*big\*\*"


@pytest.mark.parametrize("key", sorted(texts.KEYS))
def test_both_languages_need_the_same_values(key):
    fields = {
        language: {name for _, name, _, _ in string.Formatter().parse(_raw(key, language)) if name}
        for language in ("en", "zh")
    }
    assert fields["en"] == fields["zh"]
    assert _raw(key, "en").strip()
    assert _raw(key, "zh").strip()


def _raw(key: str, language: str) -> str:
    return texts.text(key, language, **{name: "{" + name + "}" for name in _ALL_NAMES})


_ALL_NAMES = ("last_four", "phone", "type", "name", "amount", "first", "last", "count", "start", "end", "day", "what",
              "account", "card")  # fmt: skip


def test_a_reply_has_the_shape_of_the_architecture():
    dispatcher = CollectingDispatcher()
    say(dispatcher, "Yes?", language="zh", kind="login", buttons=[{"title": "登录", "url": "/login"}])
    say(dispatcher, "Hello", language="en")
    first, second = dispatcher.messages
    assert first["text"] == "Yes?"
    assert first["custom"] == {"kind": "login", "language": "zh", "buttons": [{"title": "登录", "url": "/login"}]}
    assert second["custom"] == {"kind": "message", "language": "en"}
