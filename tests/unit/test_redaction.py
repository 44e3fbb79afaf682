from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.shared.logs import JsonFormatter, ReadableFormatter
from bot.shared.redaction import luhn_valid, redact


def with_check_digit(digits: str) -> str:
    return next(digits + last for last in "0123456789" if luhn_valid(digits + last))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4111111111111111", "[card ••••1111]"),
        ("my card 4111 1111 1111 1111 is lost", "my card [card ••••1111] is lost"),
        ("4111-1111-1111-1111", "[card ••••1111]"),
        ("4111–1111–1111–1111", "[card ••••1111]"),
        ("4111.1111.1111.1111", "[card ••••1111]"),
        ("４１１１　１１１１　１１１１　１１１１", "[card ••••1111]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card ••••1111]"),
        ("4111 1111\n1111 1111", "[card ••••1111]"),
        ("卡号4111111111111111被盗", "卡号[card ••••1111]被盗"),
        ("3782 822463 10005", "[card ••••0005]"),  # 15 digits
        ("4222222222222", "[card ••••2222]"),  # 13
        ("6212 3412 3412 3412 346", "[card ••••2346]"),  # 19
        ("4111 1111 1111 1111 12/29 123", "[card ••••1111] 12/29 123"),
        ("4111111111111111 123", "[card ••••1111] 123"),
        ("41111111111111111229123", "[card ••••1111]1229123"),  # typed on without a space
        ("4111111111111111 and 5500 0000 0000 0004", "[card ••••1111] and [card ••••0004]"),
        ("4111111111111111 5500000000000004", "[card ••••1111] [card ••••0004]"),
        ("+4111111111111111", "+[card ••••1111]"),
    ],
)
def test_card_numbers_are_masked(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # fails Luhn
        "order 123456789012",  # 12 digits
        "+86 138 0013 8000",
        "from 2026-10-01 to 2026-10-31",
        "2026-10-01 2026-10-31 2026-11-02",
        "1,200.50 GBP and 3,400.00 HKD on 12/03",
        "0000 0000 0000 0000",
        "[card ••••1234]",
        "",
    ],
)
def test_other_numbers_stay(text):
    assert redact(text) == text


@given(
    st.text(alphabet="0123456789", min_size=12, max_size=18).filter(lambda digits: digits[0] != "0"),
    st.sampled_from(["", " ", "-", "–", "\u3000", ".", "  "]),
    st.text(alphabet="abc 卡号，.", max_size=10),
)
def test_no_luhn_number_survives_however_it_is_grouped(digits, separator, around):
    number = with_check_digit(digits)
    grouped = separator.join(number[start:start + 4] for start in range(0, len(number), 4))
    masked = redact(f"{around}x{grouped}y{around}")
    assert grouped not in masked and f"••••{number[-4:]}]" in masked
    assert redact(masked) == masked


def test_logs_mask_messages_fields_and_tracebacks():
    try:
        raise ValueError("card 4111111111111111")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("bot", logging.INFO, "x.py", 1, "text %s", ("4111 1111 1111 1111",), info)
    record.text = "5500000000000004"
    record.inbox_id = 17
    line = JsonFormatter("gateway").format(record)
    content = json.loads(line)
    assert content["message"] == "text [card ••••1111]" and content["text"] == "[card ••••0004]"
    assert content["inbox_id"] == 17 and "ValueError: card [card ••••1111]" in content["error"]
    assert "41111" not in ReadableFormatter("gateway").format(record).replace(" ", "")
