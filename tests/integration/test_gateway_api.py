"""The gateway's JSON API and pages over real HTTP, with a stand-in for Rasa on a real port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from tests.support.gateway_server import World, csrf_of, log_in, open_session, running_world


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("gateway"), rate_per_minute=1000) as world:
        yield world


@pytest.fixture
def program(world):
    with world.gateway.program() as client:
        yield client


def begin(program, **body) -> str:
    answer = program.post("/api/v1/conversations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["conversation_id"]


def say(program, conversation_id: str, text: str, message_id: str = "m1"):
    content = {"conversation_id": conversation_id, "message_id": message_id, "text": text}
    return program.post("/api/v1/messages", json=content)


def code_of(answer) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"] and set(error) == {"code", "message"}
    return answer.status_code, error["code"]


def test_a_program_gets_the_reply_in_the_response_and_the_same_again(world, program):
    conversation_id = begin(program)
    answer = say(program, conversation_id, "choose something")
    assert answer.status_code == 200
    content = answer.json()
    assert content["state"] == "bot" and content["result"]["intent"] == "choose"
    [reply] = content["replies"]
    assert reply["text"] == "You said: choose something" and reply["in_reply_to"] == "m1"
    before = len(world.rasa.turns)
    repeated = say(program, conversation_id, "choose something").json()
    assert [reply["id"] for reply in repeated["replies"]] == [reply["id"]] and repeated["state"] == content["state"]
    # The times belong to who waited for the turn; everything else is the stored result.
    assert {**repeated["result"], "ms": None} == {**content["result"], "ms": None}
    assert len(world.rasa.turns) == before
    click = {"conversation_id": conversation_id, "message_id": "m2", "button": reply["buttons"][0]["token"]}
    assert program.post("/api/v1/messages", json=click).json()["replies"][0]["text"] == "You said: affirm"


def test_a_repeated_message_that_is_still_being_answered_waits_for_the_same_answer(world, program):
    conversation_id = begin(program)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(say(program, conversation_id, "slow one").json()))
        for _ in range(3)
    ]
    before = len(world.rasa.turns)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.rasa.turns) == before + 1
    assert {answer["replies"][0]["id"] for answer in answers} == {answers[0]["replies"][0]["id"]}


def test_only_the_vouched_user_is_authenticated(world, program):
    say(program, begin(program), "anonymous")
    assert world.rasa.turns[-1]["authenticated"] is False
    conversation_id = begin(program, user="demo2", language="zh")
    say(program, conversation_id, "余额")
    assert world.rasa.turns[-1]["authenticated"] is True
    assert world.store.get(conversation_id).customer_id == "cust-2"
    assert code_of(program.post("/api/v1/conversations", json={"user": "nobody"})) == (404, "unknown_user")
    assert code_of(program.post("/api/v1/conversations", json={"user": ["demo1"]})) == (404, "unknown_user")


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic demo-only-api", "Bearer", "demo-only-api", "Bearer ü"])
def test_no_token_no_answer(world, header):
    with world.gateway.client() as client:
        headers = {"Authorization": header.encode()} if header else {}
        for answer in (
            client.post("/api/v1/conversations", json={}, headers=headers),
            client.post("/api/v1/messages", json={}, headers=headers),
            client.get("/api/v1/conversations/c_x/replies", headers=headers),
        ):
            assert code_of(answer) == (401, "unauthorized")


def test_a_conversation_is_reachable_through_its_own_channel_only(world, program):
    with world.gateway.client() as client:
        widget = open_session(client)["conversation_id"]
    assert code_of(say(program, widget, "hello")) == (404, "not_found")
    assert code_of(program.get(f"/api/v1/conversations/{widget}/replies")) == (404, "not_found")
    for strange in ("c_nobody", "", None, 7, "c_\u0000", "会话"):
        answer = program.post("/api/v1/messages", json={"conversation_id": strange, "message_id": "m", "text": "hi"})
        assert code_of(answer) == (404, "not_found")


def test_another_conversations_message_id_is_another_message(program):
    mine, other = begin(program), begin(program)
    first = say(program, mine, "secret words", "shared-id").json()["replies"]
    second = say(program, other, "hello", "shared-id").json()["replies"]
    assert [reply["text"] for reply in first + second] == ["You said: secret words", "You said: hello"]
    assert [reply["in_reply_to"] for reply in first + second] == ["shared-id", "shared-id"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", (400, "invalid_json")),
        (b"[]", (400, "invalid_json")),
        (b"[" * 60000, (400, "invalid_json")),
        (b"\xff\xfe", (400, "invalid_json")),
        (b'{"text": "' + b"x" * 70000 + b'"}', (413, "too_large")),
    ],
)
def test_malformed_bodies_get_a_code(program, content, expected):
    assert code_of(program.post("/api/v1/messages", content=content)) == expected


def test_a_body_without_a_length_is_bounded_too(program):
    answer = program.post("/api/v1/messages", content=(b"x" * 10_000 for _ in range(20)))
    assert code_of(answer) == (413, "too_large")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"text": ""}, (400, "empty")),
        ({"text": None}, (400, "empty")),
        ({"text": "\u0000\ud800"}, (400, "empty")),
        ({"text": "x" * 2001}, (413, "too_long")),
        ({"message_id": ""}, (400, "invalid_message_id")),
        ({"message_id": "a b"}, (400, "invalid_message_id")),
        ({"message_id": None}, (400, "invalid_message_id")),
        ({"button": "nonsense"}, (400, "button_invalid")),
        ({"button": None}, (400, "button_invalid")),
    ],
)
def test_malformed_messages_get_a_code(program, change, expected):
    content = {"conversation_id": begin(program), "message_id": "m1", "text": "hi", **change}
    assert code_of(program.post("/api/v1/messages", content=json.dumps(content))) == expected


def test_replies_after_an_id_include_the_agents(world, program):
    conversation_id = begin(program)
    first = say(program, conversation_id, "human please").json()
    assert first["state"] == "waiting"
    handoff = world.store.find_open_handoff(conversation_id)
    world.store.take(handoff.id, "maya")
    world.store.agent_reply(handoff.id, "maya", "Hello")
    content = program.get(f"/api/v1/conversations/{conversation_id}/replies?after={first['replies'][0]['id']}").json()
    assert [reply["from"] for reply in content["replies"]] == ["system", "agent"] and content["state"] == "agent"
    assert say(program, conversation_id, "are you there", "m2").json()["replies"] == []
    assert code_of(program.get(f"/api/v1/conversations/{conversation_id}/replies?after=x")) == (400, "invalid_input")


def test_a_closed_conversation_says_so(world, program):
    conversation_id = begin(program)
    world.store.close(conversation_id)
    assert code_of(say(program, conversation_id, "hello")) == (410, "conversation_closed")


def test_a_flood_on_one_conversation_is_refused(tmp_path):
    with running_world(tmp_path, rate_per_minute=5) as world, world.gateway.program() as program:
        conversation_id = begin(program)
        statuses = [say(program, conversation_id, "hello", f"m{number}").status_code for number in range(8)]
        assert statuses == [200] * 5 + [429] * 3


def test_health_tells_alive_from_ready(tmp_path):
    with running_world(tmp_path) as world, world.gateway.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ok", "database": True, "rasa": True}
        world.rasa.stop()
        answer = client.get("/readyz")
        assert answer.status_code == 503 and answer.json()["rasa"] is False
        assert client.get("/healthz").status_code == 200


def test_pages_come_with_a_strict_policy_and_no_third_party(world):
    with world.gateway.client() as client:
        for path in ("/", "/login"):
            answer = client.get(path)
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy and "script-src 'self';" in policy and "object-src 'none'" in policy
            host = world.gateway.url.removeprefix("http://")
            assert f"connect-src 'self' ws://{host} wss://{host};" in policy
            assert not {part for part in policy.split() if "://" in part.rstrip(";") and host not in part}
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert world.gateway.settings.secret_key not in answer.text
            cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("teller_csrf="))
            assert "HttpOnly" in cookie and "SameSite=lax" in cookie
        strange = client.get("/", headers={"Host": "evil.example;script-src *"})
        assert "evil" not in strange.headers["content-security-policy"]


def test_files_outside_the_two_packages_are_not_served(world):
    with world.gateway.client() as client:
        for path in (
            "/static/../../shared/settings.py", "/static/%2e%2e/templates/index.html", "/vendor/deep-chat/package.json",
            "/vendor/argparse/index.js", "/vendor/deep-chat/dist/../../argparse/index.js", "/docs", "/openapi.json",
            "/vendor/deep-chat/dist/%2e%2e/package.json",
        ):
            assert code_of(client.get(path)) == (404, "not_found"), path


def test_the_login_cookie_is_signed_and_not_readable_by_scripts(world):
    with world.gateway.client() as client:
        answer = log_in(client)
        cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("teller_session="))
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Max-Age=1800" in cookie
        genuine = client.cookies["teller_session"]
    with world.gateway.client() as other:
        for value, customer in [(genuine, {"name": "Ann"}), (genuine[:-3] + "AAA", None), ("nonsense", None)]:
            answer = other.post("/api/session", json={}, headers={"Cookie": f"teller_session={value}"})
            assert answer.json()["customer"] == customer
            other.cookies.clear()


def test_another_customer_on_the_same_page_gets_a_conversation_of_their_own(world):
    with world.gateway.client() as client:
        log_in(client, "demo1")
        first = open_session(client)
        log_in(client, "demo2")
        second = open_session(client, first["token"])
        assert second["conversation_id"] != first["conversation_id"] and second["customer"] == {"name": "Bo"}
        assert world.store.get(first["conversation_id"]).closed_at is not None


def test_two_tabs_both_learn_of_the_login_and_of_the_logout(world):
    with world.gateway.client() as client:
        tabs = [open_session(client), open_session(client)]
        log_in(client)
        tabs = [open_session(client, tab["token"]) for tab in tabs]
        assert [tab["customer"] for tab in tabs] == [{"name": "Ann"}] * 2
        client.post("/logout", data={"csrf": csrf_of(client.get("/"))})
        assert all(world.store.get(tab["conversation_id"]).closed_at for tab in tabs)


def test_login_goes_back_to_pages_of_ours_only(world):
    with world.gateway.client() as client:
        for target, expected in [("/?a=1", "/?a=1"), ("//elsewhere.example", "/"), ("https://elsewhere.example", "/")]:
            assert log_in(client, next=target).headers["location"] == expected


def test_sessions_for_other_sites_are_refused(world):
    with world.gateway.client() as client:
        for headers in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}):
            assert code_of(client.post("/api/session", json={}, headers=headers)) == (403, "foreign_origin")
