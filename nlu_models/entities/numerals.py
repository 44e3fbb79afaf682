"""Numbers written in digits, English words or Chinese numerals, as Decimals."""

from __future__ import annotations

import re
from decimal import Decimal

DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,12})(?:\.[0-9]{1,2})?"

_SMALL = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
}
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fourty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_SCALES = {"hundred": 100, "thousand": 1_000, "grand": 1_000, "million": 1_000_000}
_ENGLISH_WORD = "|".join(sorted([*_SMALL, *_TENS, *_SCALES], key=len, reverse=True))
# Runs are bounded: a message of nothing but numerals must not cost quadratic time.
ENGLISH_RUN = (
    rf"(?<![a-z0-9'])(?:(?:an?|half a|a couple(?: of)?|couple of)\s+(?=hundred|thousand|grand|million))?"
    rf"(?:{_ENGLISH_WORD})(?:(?:[\s-]+and[\s-]+|[\s-]+)(?:a half|{_ENGLISH_WORD})){{0,16}}(?![a-z0-9])"
)

CHINESE_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")}
CHINESE_DIGITS.update({"〇": 0, "两": 2})
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1_000}
_CHINESE_SCALES = {"万": 10_000, "亿": 100_000_000}
_D = "".join(CHINESE_DIGITS)
_U = "".join([*_CHINESE_UNITS, *_CHINESE_SCALES])
CHINESE_RUN = (
    rf"(?:{DIGITS}(?=\s?[{_U}])\s?|[{_D}十])(?:[{_D}{_U}]|点(?=[{_D}])|(?<=[{_U}])[0-9]{{1,4}}(?![0-9])){{0,24}}"
)
_CHINESE_TOKEN = re.compile(rf"{DIGITS}|[{_D}]点[{_D}]+|[{_D}{_U}]")


def parse_digits(text: str) -> Decimal:
    """ "1,200.50" -> Decimal("1200.50")."""
    return Decimal(text.replace(",", ""))


def parse_english(text: str) -> Decimal | None:
    """ "two hundred and fifty" -> 250, "a couple of grand" -> 2000; None when the words are no single number."""
    words = text.replace("-", " ").split()
    total = Decimal(0)
    group = Decimal(0)  # what the next scale multiplies
    last = "start"  # start | small | tens | scale | and
    largest_left = Decimal(10) ** 12
    if words[:2] == ["half", "a"]:
        words, group, last = words[2:], Decimal("0.5"), "small"
    elif "couple" in words[:2]:
        words = words[words.index("couple") + 1 :]
        words = words[1:] if words[:1] == ["of"] else words
        group, last = Decimal(2), "small"
    elif words[0] in ("a", "an"):
        words, group, last = words[1:], Decimal(1), "small"
    index = 0
    while index < len(words):
        word = words[index]
        if word == "and":
            if words[index + 1 : index + 3] == ["a", "half"]:
                if last not in ("small", "tens"):
                    return None
                group, last, index = group + Decimal("0.5"), "small", index + 3
                continue
            if last != "scale":
                return None
            last = "and"
        elif word in _SMALL:
            if last == "small" or (last == "tens" and not 0 < _SMALL[word] < 10):
                return None
            group, last = group + _SMALL[word], "small"
        elif word in _TENS:
            if last in ("small", "tens"):
                return None
            group, last = group + _TENS[word], "tens"
        elif word in _SCALES:
            scale = Decimal(_SCALES[word])
            if last == "and" or (last == "scale" and group == 0 and total == 0):
                return None
            if scale == 100:
                if group >= 100:
                    return None
                group = (group or Decimal(1)) * 100
            else:
                if scale >= largest_left:
                    return None
                total, group, largest_left = total + (group or Decimal(1)) * scale, Decimal(0), scale
            last = "scale"
        else:
            return None
        index += 1
    return None if last == "and" else total + group


def parse_chinese(text: str) -> Decimal | None:
    """ "一千二" -> 1200, "两万五" -> 25000, "1.2万" -> 12000; None for "一二三四" and for guesses ("四五百")."""
    total = Decimal(0)
    section = Decimal(0)
    number: Decimal | None = None
    unit_before = Decimal(0)  # the unit just before the pending number, 0 when a 零 or nothing stands there
    smallest = Decimal(10) ** 9
    for token in _CHINESE_TOKEN.findall(re.sub(r"\s", "", text)):
        if token in ("零", "〇") and (section or total) and number is None:
            unit_before = Decimal(0)
        elif token in _CHINESE_UNITS:
            unit = Decimal(_CHINESE_UNITS[token])
            if number is None:
                if unit != 10 or section:
                    return None
                number = Decimal(1)
            if unit >= smallest:
                return None
            section, number, smallest, unit_before = section + number * unit, None, unit, unit
        elif token in _CHINESE_SCALES:
            scale = Decimal(_CHINESE_SCALES[token])
            section += number or 0
            if not section or (total and total < scale):
                return None
            total, section, number = total + section * scale, Decimal(0), None
            smallest, unit_before = Decimal(10) ** 9, scale
        else:
            if number is not None:
                return None
            number = _chinese_number(token)
    if number is not None:
        if unit_before >= 100 and 0 < number < 10:
            number *= unit_before / 10  # 一千二 is 1200
        elif unit_before and number >= unit_before:
            return None
        section += number
    return total + section


def _chinese_number(token: str) -> Decimal:
    if token in CHINESE_DIGITS:
        return Decimal(CHINESE_DIGITS[token])
    if "点" in token:
        whole, fraction = token.split("点")
        return Decimal(f"{CHINESE_DIGITS[whole]}." + "".join(str(CHINESE_DIGITS[digit]) for digit in fraction))
    return parse_digits(token)


def parse_count(text: str) -> int | None:
    """A whole number up to 9999 in any of the three writings ("7", "seven", "七", "a few" as 3); None for others."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,4}", text):
        return int(text)
    if text in ("a", "an", "one"):
        return 1
    if text in ("couple of", "a couple of", "couple"):
        return 2
    if text in ("few", "a few", "几"):
        return 3
    value = parse_english(text) if re.fullmatch(ENGLISH_RUN, text) else None
    if value is None and re.fullmatch(CHINESE_RUN, text):
        value = parse_chinese(text)
    if value is None or value != value.to_integral_value() or value > 9999:
        return None
    return int(value)


def canonical(value: Decimal) -> str:
    """Decimal string without exponent or grouping: whole numbers bare, others with two decimals."""
    if value == value.to_integral_value():
        return str(int(value))
    return str(value.quantize(Decimal("0.01")))
