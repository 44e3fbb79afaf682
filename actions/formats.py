"""Amounts, dates and names as a reader of English or Chinese expects them, safe to put into markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

_SYMBOLS = {"GBP": "£", "HKD": "HK$", "CNY": "CN¥"}
_UNITS_ZH = {"GBP": "英镑", "HKD": "港元", "CNY": "元"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+|~!])")


def money(amount: Decimal, currency: str, language: str) -> str:
    """`-1234.5, GBP` -> `−£1,234.50` or `−1,234.50 英镑`; a currency we have no sign for keeps its code."""
    sign = "−" if amount < 0 else ""
    number = f"{abs(amount):,.2f}"
    if language == "zh":
        return f"{sign}{number} {_UNITS_ZH.get(currency, currency)}"
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {currency}"


def total(amounts: Mapping[str, Decimal], language: str) -> str:
    """Sums in several currencies, one after the other."""
    return (" + " if language == "en" else "＋").join(money(amounts[c], c, language) for c in sorted(amounts))


def day(value: date, language: str, *, year: bool = True) -> str:
    """`2026-11-21` -> `21 Nov 2026` or `2026年11月21日`; without `year` `21 Nov` or `11月21日`."""
    if language == "zh":
        return f"{value.year}年{value.month}月{value.day}日" if year else f"{value.month}月{value.day}日"
    return f"{value.day} {_MONTHS[value.month - 1]}" + (f" {value.year}" if year else "")


def plain(text: str) -> str:
    """Text of the bank's database as itself: on one line, and no markdown in it."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
