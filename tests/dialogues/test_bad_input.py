"""Hostile and broken input against the running stack: a clear error or plain text, nothing of anybody else, still alive."""

from __future__ import annotations

import concurrent.futures
import json
import sqlite3
import uuid

import httpx
import pytest

from tests.support.running_stack import Chat, RunningStack


def luhn_valid(prefix: str) -> str:
    """`prefix` of 15 digits with its check digit."""
    total = 0
    for index, digit in enumerate(reversed(prefix)):
        value = int(digit) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return prefix + str(-total % 10)


def send(stack: RunningStack, chat: Chat, text: object, message_id: str | None = None) -> httpx.Response:
    body = {"conversation_id": chat.id, "message_id": message_id or uuid.uuid4().hex, "text": text}
    return stack.api("/api/v1/messages", body)


@pytest.mark.parametrize(
    ("text", "code"), [("", "empty"), (" \n\t ", "empty"), ("x" * 2001, "too_long"), (None, None), (7, None)]
)
def test_refused_with_a_code(stack: RunningStack, text: object, code: str | None) -> None:
    response = send(stack, stack.conversation(), text)
    assert 400 <= response.status_code < 500
    if code:
        assert code in response.text


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b what is\x00 this",
        "\ud800 lone \udfff",
        "/check_balance",
        '/inform{"account_type": "savings"}',
        "／lock_card",
        "\u2003\u00a0/affirm",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "' OR 1=1 --",
        "{{7*7}} ${7*7} %s %n",
        "🏦" * 400,
        "\u202eright to left",
        "ａｂｃ" * 300,
    ],
)
def test_answered_as_plain_text(stack: RunningStack, text: str) -> None:
    chat = stack.conversation()
    body = json.dumps({"conversation_id": chat.id, "message_id": uuid.uuid4().hex, "text": text})
    headers = {"Authorization": f"Bearer {stack.settings.api_token}", "Content-Type": "application/json"}
    response = httpx.post(f"{stack.url}/api/v1/messages", content=body.encode(), headers=headers, timeout=60)
    assert response.status_code in (200, 400, 422), response.text
    assert "Everyday Account" not in response.text and "Done:" not in response.text
    assert stack.conversation().say("hello")["result"]["intent"] == "greet"


def test_tokens_and_foreign_conversations(stack: RunningStack) -> None:
    chat = stack.conversation("demo1")
    body = {"conversation_id": chat.id, "message_id": "m1", "text": "what's my balance?"}
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic abc"}):
        assert httpx.post(f"{stack.url}/api/v1/messages", json=body, headers=header).status_code == 401
    assert send(stack, chat, "hi").status_code == 200
    assert stack.api("/api/v1/messages", {**body, "conversation_id": "c_" + "0" * 32}).status_code == 404
    session = httpx.post(f"{stack.url}/api/session", json={"token": "forged.token.value"})
    assert session.status_code in (200, 401)
    if session.status_code == 200:
        assert session.json()["customer"] is None
        # A widget's conversation is out of the programs' reach.
        assert (
            stack.api("/api/v1/messages", {**body, "conversation_id": session.json()["conversation_id"]}).status_code
            == 404
        )


def test_the_same_message_id_twice_gives_the_stored_replies(stack: RunningStack) -> None:
    chat = stack.conversation()
    first = chat.say("How do I unlock my card?", "same-id")
    second = chat.say("something else entirely", "same-id")
    assert second["replies"] == first["replies"]
    # The times of a turn belong to who waited for it; everything else is the stored result.
    assert {**second["result"], "ms": None} == {**first["result"], "ms": None}


def test_two_hundred_messages_at_once(stack: RunningStack) -> None:
    chats = [stack.conversation() for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda i: send(stack, chats[i % 8], "hello"), range(200)))
    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= 8
    assert stack.conversation().say("What can you do?")["result"]["intent"] == "capabilities"


def test_card_numbers_are_masked_everywhere(stack: RunningStack) -> None:
    number = luhn_valid("492912345678901")
    spaced = " ".join(number[i : i + 4] for i in range(0, 16, 4))
    wide = number.translate({ord(str(d)): chr(0xFF10 + d) for d in range(10)})
    chat = stack.conversation()
    for text in (f"my card {number} is declined", f"the number is {spaced}", f"卡号 {wide} 被拒"):
        chat.say(text)
    for file in stack.settings.var_path.rglob("*"):
        if file.is_file() and file.suffix in (".db", ".db-wal", ".log", ".out"):
            content = file.read_bytes()
            for secret in (number, spaced, wide):
                assert secret.encode() not in content, file
    path = stack.settings.conversations_url.removeprefix("sqlite:///")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        texts = [row[0] for row in connection.execute("SELECT text FROM inbox WHERE conversation_id = ?", (chat.id,))]
    assert len(texts) == 3 and all(f"••••{number[-4:]}" in text for text in texts)
