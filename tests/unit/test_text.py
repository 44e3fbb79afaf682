from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.shared.text import clean, detect_language, neutralise_commands


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  hello   there \t!", "hello there !"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("ＡＢＣ　１２３", "ABC 123"),
        ("a\x00b\x07c\x7f", "abc"),
        ("a\ud800b\udfffc", "abc"),
        ("a\u202eb\u200bc\ufeff", "abc"),
        ("👨\u200d👩\u200d👧 ok", "👨\u200d👩\u200d👧 ok"),
        ("\u200d \u200d", ""),
        ("我的卡，被吞了。", "我的卡,被吞了。"),
    ],
)
def test_clean(raw, expected):
    assert clean(raw) == expected


@given(st.text())
def test_clean_text_can_be_stored_anywhere_and_stays_as_it_is(raw):
    text = clean(raw)
    text.encode("utf-8")
    assert unicodedata.is_normalized("NFKC", text) and clean(text) == text
    assert not any(unicodedata.category(character) in ("Cc", "Cs") and character != "\n" for character in text)


@pytest.mark.parametrize(
    "typed",
    [
        '/inform{"customer":"x"}',
        '／inform{"customer":"x"}',
        '  /inform{"customer":"x"}',
        '\u3000\u00a0\u200b\ufeff/inform{"customer":"x"}',
        '///inform{"customer":"x"}',
        '/ ／ /inform{"customer":"x"}',
        '\u2060\u180e/inform{"customer":"x"}',
    ],
)
def test_commands_lose_their_slash(typed):
    expected = 'inform{"customer":"x"}'
    assert neutralise_commands(typed) == expected
    assert clean(neutralise_commands(clean(typed))) == expected


@given(st.text(alphabet="/／ \u3000\u200b\u200d\u0301\n\ta{", max_size=12))
def test_whatever_is_typed_never_starts_with_a_slash(typed):
    for text in (neutralise_commands(typed), clean(neutralise_commands(clean(typed)))):
        assert not text.strip().startswith("/")


@pytest.mark.parametrize("text", ["and/or", "what is 1/2?", "https://bank.example/x", "", "你好", " leading space"])
def test_ordinary_text_is_left_alone(text):
    assert neutralise_commands(text) == text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我的 card 被吞了", "zh"),
        ("please 帮我 check my balance", "en"),
        ("how do I unlock my card?", "en"),
        ("转账给 Anna Smith 500 HKD", "zh"),
        ("ATM 吞卡了", "zh"),
        ("what does 余额 mean", "en"),
        ("Où est ma carte", "en"),
        ("查一下https://bank.example/very/long/english/path这个网址", "zh"),
    ],
)
def test_the_majority_decides(text, language):
    assert detect_language(text, "en") == detect_language(text, "zh") == language


@pytest.mark.parametrize(
    "text",
    ["", "12345", "500 HKD", "100 英镑", "50元", "£20.50", "GBP", "ok", "🙂", "12/03", "a@b.example", "卡 card"],
)
def test_what_shows_no_language_keeps_the_last_one(text):
    assert detect_language(text, "en") == "en" and detect_language(text, "zh") == "zh"
