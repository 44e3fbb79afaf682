"""The gateway's small parts: urgent words, buckets, buttons, origins, paths, texts."""

from __future__ import annotations

import string
import time
from datetime import datetime, timezone

import pytest
from starlette.requests import Request

from bot.conversations.records import Conversation
from bot.gateway import urgent
from bot.gateway.buttons import public_payload
from bot.gateway.http import is_same_origin, preferred_language
from bot.gateway.intake import button_message, read_text, text_message
from bot.gateway.limits import Buckets
from bot.gateway.login import LoginThrottle
from bot.gateway.pages import own_path
from bot.gateway.texts import ERRORS, Texts
from bot.shared.errors import InvalidInputError
from bot.shared.hours import OfficeHours
from bot.shared.tokens import Signer

NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)


def conversation(id: str = "c_1", language: str = "en") -> Conversation:
    return Conversation(id, "widget", None, None, language, "bot", NOW, NOW, None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I lost my card", "lost_stolen_card"),
        ("my debit card was stolen on the train", "lost_stolen_card"),
        ("can’t find my visa anywhere", "lost_stolen_card"),
        ("someone snatched my purse, it's gone", "lost_stolen_card"),
        ("我的银行卡丢了", "lost_stolen_card"),
        ("我要挂失信用卡", "lost_stolen_card"),
        ("钱包被偷了怎么办", "lost_stolen_card"),
        ("I think I was scammed", "fraud"),
        ("someone is using my account", "fraud"),
        ("I did not authorise this payment", "fraud"),
        ("我被骗了", "fraud"),
        ("这笔不是我本人消费的", "fraud"),
        ("let me talk to a real person", "human"),
        ("AGENT", "human"),
        ("转人工", "human"),
        ("我要投诉", "human"),
        ("how do I unlock my card?", None),
        ("what are your fees", None),
        ("怎么开户", None),
        ("查询余额", None),
        ("12345", None),
    ],
)
def test_urgent_words(text, kind):
    assert urgent.find(text) == kind


def test_urgent_words_are_found_fast_in_long_text():
    started = time.perf_counter()
    for text in ("card " * 400, "卡" * 2000, "someone " * 250, "lost left " * 200, "didn't " * 285):
        urgent.find(text)
    assert time.perf_counter() - started < 0.5


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills_again():
    clock = Clock()
    buckets = Buckets(3, 60, clock)
    assert [buckets.take("a") for _ in range(5)] == [True] * 3 + [False] * 2
    assert buckets.take("b")
    clock.now = 20
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    buckets.give_back("a")
    assert buckets.take("a")
    clock.now = 10_000
    assert [buckets.take("a") for _ in range(4)] == [True] * 3 + [False]


def test_right_passwords_are_not_counted_as_guesses():
    throttle = LoginThrottle()
    for _ in range(50):
        assert throttle.allow("demo1", "10.0.0.1")
        throttle.succeeded("demo1", "10.0.0.1")
    guesses = [throttle.allow("Demo2 ", f"10.0.1.{number}") for number in range(10)]
    assert guesses == [True] * 8 + [False] * 2
    assert not throttle.allow("demo2", "10.0.2.1")


def test_text_is_refused_or_made_harmless():
    assert read_text('／card{"a":1}', 2000) == 'card{"a":1}'
    assert read_text("x" * 2000, 2000) == "x" * 2000
    assert read_text("卡 4111111111111111", 2000) == "卡 [card ••••1111]"
    refused = {"x" * 2001: "too_long", "ﷺ" * 200: "too_long", "\u0000": "empty", None: "empty", 7: "empty"}
    for raw, code in refused.items():
        with pytest.raises(InvalidInputError) as refusal:
            read_text(raw, 2000)
        assert refusal.value.code == code


def test_what_a_button_does_is_hidden_signed_and_bound():
    signer = Signer("secret")
    payload = {
        "text": "Which?", "language": "en", "kind": "message", "internal": "not for the client",
        "buttons": [
            {"title": "Yes", "intent": "affirm", "slots": {"card": "1234"}},
            {"title": "Say", "text": "/affirm the fees"},
            {"title": "Login", "url": "/login"},
            {"title": "Bad", "url": "javascript:alert(1)"},
            {"title": "Bad", "url": "//elsewhere.example"},
            {"title": "Bad", "url": "/\\elsewhere.example"},
        ],
    }
    public = public_payload(payload, "c_1", signer)
    assert set(public) == {"text", "language", "kind", "buttons"}
    yes, say, login = public["buttons"]
    assert set(yes) == {"title", "token"} and login == {"title": "Login", "url": "/login"}
    click = button_message("m1", yes["token"], conversation(), signer)
    assert (click.kind, click.text) == ("event", "Yes")
    assert click.payload == {"language": "en", "event": {"intent": "affirm", "slots": {"card": "1234"}}}
    assert button_message("m1", say["token"], conversation(), signer).text == "affirm the fees"
    with pytest.raises(InvalidInputError) as refusal:
        button_message("m1", yes["token"], conversation("c_2"), signer)
    assert refusal.value.code == "button_invalid"


def test_the_inbox_key_is_bound_to_the_conversation():
    message = text_message("m1", "hello", conversation(), 2000)
    assert message.message_key("c_1") != message.message_key("c_2")


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": b""})


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({"host": "bank.example", "origin": "https://bank.example"}, True),
        ({"host": "bank.example:443", "origin": "https://bank.example"}, True),
        ({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}, True),
        ({"host": "bank.example"}, True),
        ({"host": "bank.example", "origin": "https://bank.example.evil.example"}, False),
        ({"host": "bank.example:8000", "origin": "http://bank.example:9000"}, False),
        ({"host": "bank.example", "origin": "null"}, False),
        ({"host": "bank.example", "origin": "https://bank.example:x"}, False),
        ({"host": "bank.example", "sec_fetch_site": "cross-site"}, False),
        ({"origin": "https://bank.example"}, False),
    ],
)
def test_only_the_own_origin_counts(headers, same):
    assert is_same_origin(request(**headers)) is same


def test_the_chosen_language_wins_over_the_browsers():
    assert preferred_language(request(accept_language="zh-CN,zh;q=0.9")) == "zh"
    assert preferred_language(request(accept_language="fr, zh")) == "en"
    assert preferred_language(request(accept_language="zh", cookie="teller_language=en")) == "en"
    assert preferred_language(request(cookie="teller_language=<script>")) == "en"


@pytest.mark.parametrize(
    "path", ["https://x.example", "//x.example", "/\\x.example", "javascript:alert(1)", "", "x", "/a\r\nB: c"]
)
def test_only_own_paths_are_gone_to(path):
    assert own_path(path) == "/"


def test_every_text_is_there_in_both_languages_and_filled_in():
    texts = Texts("+44 1234", OfficeHours.parse("Mon-Fri 09:00-18:00", "Europe/London"), 2000)
    said = [texts.error(code, language) for code in ERRORS for language in ("en", "zh")]
    for language in ("en", "zh"):
        payloads = [texts.failure(kind, language) for kind in (None, "lost_stolen_card", "fraud", "human")]
        payloads += [texts.waiting(language), texts.too_late(language)]
        assert all(payload["language"] == language and payload["kind"] in ("notice", "handoff") for payload in payloads)
        assert all("+44 1234" in payload["text"] for payload in payloads[:4])
        said += [payload["text"] for payload in payloads]
    assert not any("{" in text for text in said)
    for english, chinese in zip(said[::2][: len(ERRORS)], said[1::2][: len(ERRORS)], strict=True):
        assert english.isascii() and not set(chinese) <= set(string.printable)
