"""Masks what must not be kept of a customer's words: today card numbers; further rules join `RULES`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

SHORTEST_CARD, LONGEST_CARD = 13, 19
_LONGEST_PHONE = 15  # E.164, the reason why "+86 138 0013 8000" is left alone
_COMMON_CARD = 16

_SEPARATOR = "[\\s\\-\u2010-\u2015\u2212\uff0d._·*\u200b-\u200d\u2060]"
_DIGIT_RUN = re.compile(rf"\d(?:{_SEPARATOR}{{0,3}}\d){{{SHORTEST_CARD - 1},}}")
_DIGITS = re.compile(r"\d+")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12]\d|3[01])(?!\d)")


def mask_cards(text: str) -> str:
    """Replaces each card number (Luhn, 13 to 19 digits, also spaced, dashed or full-width) by `[card ••••1234]`."""
    return _DIGIT_RUN.sub(_mask_run, text)


RULES: Sequence[Callable[[str], str]] = (mask_cards,)


def redact(text: str) -> str:
    """`text` after every rule. Redacting twice changes nothing more."""
    for rule in RULES:
        text = rule(text)
    return text


def _mask_run(match: re.Match) -> str:
    """Masks the card numbers inside one run of digits and separators, which may hold more than the card."""
    run = match.group()
    after_plus = match.string[: match.start()].endswith("+")
    groups = [group.span() for group in _DIGITS.finditer(run)]
    pieces: list[str] = []
    copied = first = 0
    while first < len(groups):
        start = groups[first][0]
        end = _card_end(run, groups, first, phone=after_plus and first == 0)
        if end is None:
            first += 1
            continue
        pieces += [run[copied:start], f"[card ••••{_digits(run[start:end])[-4:]}]"]
        copied = end
        while first < len(groups) and groups[first][0] < end:
            first += 1
    return "".join(pieces) + run[copied:]


def _card_end(run: str, groups: list[tuple[int, int]], first: int, phone: bool) -> int | None:
    """Where a card number that starts with digit group `first` ends in `run`; None when none starts there."""
    start = groups[first][0]
    found = None
    for _, end in groups[first:]:
        digits = _digits(run[start:end])
        if len(digits) > LONGEST_CARD:
            if found is None and end == groups[first][1] and _is_card(digits[:_COMMON_CARD]):
                return start + _COMMON_CARD  # expiry date or security code typed on without a space
            break
        if phone and len(digits) <= _LONGEST_PHONE:
            continue
        if _is_card(digits) and not _DATE.search(run[start:end]):
            found = end  # the longest that passes
    return found


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(character)) for character in text if character.isdecimal())


def _is_card(digits: str) -> bool:
    return len(digits) >= SHORTEST_CARD and digits[0] != "0" and luhn_valid(digits)


def luhn_valid(digits: str) -> bool:
    """Whether the last of these ASCII digits is the Luhn check digit of the others."""
    total = 0
    for position, character in enumerate(reversed(digits)):
        digit = int(character)
        if position % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0
