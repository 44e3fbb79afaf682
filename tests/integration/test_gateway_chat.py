"""The gateway as the widget sees it: a real server, a real database, a stand-in for Rasa on a real port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
import websockets

from bot.shared.tokens import Signer
from tests.support.gateway_server import World, csrf_of, log_in, open_session, running_world

CARD = "4111 1111 1111 1111"


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    with running_world(tmp_path) as world:
        yield world


def test_a_message_is_acknowledged_answered_and_there_after_a_reload(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            assert chat.ready["history"] == [] and chat.ready["state"] == "bot" and chat.ready["customer"] is None
            message_id = await chat.say("hello there")
            frames = [await chat.receive() for _ in range(4)]
            assert sorted(frame["type"] for frame in frames) == ["ack", "reply", "typing", "typing"]
            reply = next(frame for frame in frames if frame["type"] == "reply")
            assert reply["text"] == "You said: hello there" and reply["from"] == "bot"
            assert reply["in_reply_to"] == message_id
            assert [frame["on"] for frame in frames if frame["type"] == "typing"] == [True, False]
        async with world.gateway.chat(session["token"]) as chat:
            history = chat.ready["history"]
            assert [(entry["from"], entry["text"]) for entry in history] == [
                ("customer", "hello there"), ("bot", "You said: hello there"),
            ]
            assert (history[0]["id"], history[1]["id"]) == (message_id, reply["id"])
            again = await chat.ask("more")
            assert again["text"] == "You said: more"
        async with world.gateway.chat(session["token"], after=reply["id"]) as chat:
            assert chat.ready["history"] == []
            assert (await chat.until("reply"))["id"] == again["id"]

    asyncio.run(talk())


def test_the_same_message_id_runs_once(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            await chat.say("twice", "one-id")
            await chat.until("reply")
            await chat.say("twice", "one-id")
            assert (await chat.until("ack"))["id"] == "one-id"
        assert world.rasa.texts() == ["twice"]

    asyncio.run(talk())


def test_messages_of_a_conversation_are_handled_one_at_a_time_and_in_order(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            for number in range(12):
                await chat.say(f"number {number}")
            replies = [(await chat.until("reply"))["text"] for _ in range(12)]
        assert replies == [f"You said: number {number}" for number in range(12)]
        assert world.rasa.overlaps == 0

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \u200b\n", "empty"),
        ("/", "empty"),
        (7, "empty"),
        ("x" * 2001, "too_long"),
        ("x" * 9000, "too_long"),
    ],
)
def test_a_refused_text_gets_a_code_and_the_chat_goes_on(world, text, code):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            await chat.send({"type": "message", "id": "m1", "text": text})
            error = await chat.until("error")
            assert (error["code"], error["id"]) == (code, "m1") and error["message"]
            assert (await chat.ask("still there"))["text"] == "You said: still there"

    asyncio.run(talk())


@pytest.mark.parametrize(
    "raw", ["not json", "[1]", '"x"', "[" * 30000, '{"type":"message"', '{"type":"nonsense"}', "x" * 70000, b"\x00\x01"]
)
def test_garbage_frames_get_an_error_and_the_chat_goes_on(world, raw):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            await chat.socket.send(raw)
            assert (await chat.until("error"))["code"] in ("invalid_json", "invalid_input", "too_large")
            assert (await chat.ask("still there"))["text"] == "You said: still there"

    asyncio.run(talk())


def test_commands_nul_surrogates_and_card_numbers_never_reach_the_store(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            for text in ('／affirm{"x":"y"}', f"my card {CARD} is blocked", "a\u0000b \ud800c"):
                await chat.ask(text)
        assert world.rasa.texts() == ['affirm{"x":"y"}', "my card [card ••••1111] is blocked", "ab c"]
        said = [entry["text"] for entry in world.store.transcript(session["conversation_id"])]
        assert not any("4111" in text or "\0" in text or text.startswith("/") for text in said)

    asyncio.run(talk())


def test_a_flood_is_refused_with_a_code(tmp_path):
    async def talk(world: World) -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            for number in range(200):
                await chat.say(f"flood {number}")
            codes = [(await chat.until("error"))["code"] for _ in range(150)]
        assert set(codes) == {"rate_limited"}
        other = open_session(world.gateway.client())
        async with world.gateway.chat(other["token"]) as chat:
            assert (await chat.ask("hello"))["text"] == "You said: hello"

    with running_world(tmp_path, rate_per_minute=10) as world:
        asyncio.run(talk(world))


def test_buttons_are_opaque_and_belong_to_their_conversation(world):
    async def talk() -> None:
        session, stranger = open_session(world.gateway.client()), open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            reply = await chat.ask("choose please")
            assert reply["source"]["faq_id"] == "card-unlock"
            yes, fees, login = reply["buttons"]  # the one that led elsewhere is gone
            assert login == {"title": "Log in", "url": "/login"} and set(yes) == {"title", "token"}
            async with world.gateway.chat(stranger["token"]) as other:
                await other.send({"type": "button", "id": "b0", "token": yes["token"], "title": "Yes"})
                assert (await other.until("error"))["code"] == "button_invalid"
            await chat.send({"type": "button", "id": "b1", "token": yes["token"], "title": "NO, something else"})
            assert (await chat.until("reply"))["text"] == "You said: affirm"
            await chat.send({"type": "button", "id": "b2", "token": fees["token"], "title": "Fees"})
            assert (await chat.until("reply"))["text"] == "You said: what are the fees"
            await chat.send({"type": "button", "id": "b3", "token": yes["token"][:-2] + "xx", "title": "Yes"})
            assert (await chat.until("error"))["code"] == "button_invalid"
        event = world.rasa.turns[1]
        assert event["kind"] == "event" and event["event"] == {"intent": "affirm", "slots": {"card": "1234"}}
        customer = [e["text"] for e in world.store.transcript(session["conversation_id"]) if e["from"] == "customer"]
        assert customer == ["choose please", "Yes", "what are the fees"]

    asyncio.run(talk())


def test_forged_expired_and_foreign_tokens_are_refused(world):
    signer = Signer(world.gateway.settings.secret_key)
    session = open_session(world.gateway.client())
    content = {"conversation": session["conversation_id"], "name": None}
    tokens = {
        "forged": (Signer("another secret").sign("session", content, 60), "token_invalid"),
        "of another kind": (signer.sign("button", content, 60), "token_invalid"),
        "too old": (signer.sign("session", content, -1), "token_expired"),
        "no token": (None, "token_invalid"),
        "nowhere": (signer.sign("session", {"conversation": "c_none", "name": None}, 60), "token_invalid"),
    }

    async def talk() -> None:
        for name, (token, code) in tokens.items():
            async with world.gateway.chat(token) as chat:
                assert chat.first["type"] == "error" and chat.first["code"] == code, name
                assert await chat.closed() == 4401, name
        with pytest.raises(websockets.InvalidStatusCode):
            async with world.gateway.chat(session["token"], origin="https://elsewhere.example"):
                pass

    asyncio.run(talk())


def test_a_session_that_runs_out_on_an_open_socket_is_renewed_and_goes_on(tmp_path):
    async def talk(world: World) -> None:
        client = world.gateway.client()
        session = open_session(client)
        async with world.gateway.chat(session["token"]) as chat:
            await chat.ask("before")
            await asyncio.sleep(3.5)
            renewed = open_session(client, session["token"])  # reaches the open socket too
            await asyncio.sleep(3)  # the first token is over by now
            assert (await chat.ask("in between"))["text"] == "You said: in between"
            assert (await chat.until("error"))["code"] == "token_expired"
            assert await chat.closed() == 4401
        again = open_session(client, renewed["token"])  # expired, but not for long
        assert again["conversation_id"] == session["conversation_id"]
        async with world.gateway.chat(again["token"]) as chat:
            assert len(chat.ready["history"]) == 4

    with running_world(tmp_path, token_seconds=6) as world:
        asyncio.run(talk(world))


def test_login_carries_the_identity_resumes_the_request_and_logout_forgets(world):
    async def talk() -> None:
        client = world.gateway.client()
        anonymous = open_session(client)
        async with world.gateway.chat(anonymous["token"]) as chat:
            await chat.ask("balance please")
            assert log_in(client).status_code == 303
            session = open_session(client, anonymous["token"])
            assert session["conversation_id"] == anonymous["conversation_id"]
            assert session["customer"] == {"name": "Ann"}
            assert (await chat.until("reply"))["text"] == "You said: login_completed"
            open_session(client, session["token"])  # renewing is no second login
            await chat.ask("now")
        assert world.rasa.texts() == ["balance please", "login_completed", "now"]
        assert [body["authenticated"] for body in world.rasa.turns] == [False, True, True]
        conversation = world.store.get(session["conversation_id"])
        assert conversation.customer_id == "cust-1" and conversation.authenticated_until is not None

        # The token alone, without the login's cookie, does not open an identified conversation.
        thief = open_session(world.gateway.client(), session["token"])
        assert thief["conversation_id"] != session["conversation_id"] and thief["customer"] is None

        async with world.gateway.chat(session["token"]) as chat:
            page = client.get("/")
            assert "Ann" in page.text
            assert client.post("/logout", data={"csrf": csrf_of(page)}).status_code == 303
            assert (await chat.until("error"))["code"] == "conversation_closed"
            assert await chat.closed() == 4410
        fresh = open_session(client, session["token"])
        assert fresh["conversation_id"] != session["conversation_id"] and fresh["customer"] is None
        assert world.store.get(session["conversation_id"]).customer_id is None

    asyncio.run(talk())


def test_login_refuses_wrong_passwords_forged_forms_and_guessing(world):
    client = world.gateway.client()
    assert log_in(client, password="wrong").status_code == 401
    assert client.post("/login", data={"username": "demo1", "password": "demo1-pass"}).status_code == 400
    assert client.post("/logout", data={"csrf": "forged"}).status_code == 403
    foreign = client.post("/login", data={"username": "demo1"}, headers={"Origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    statuses = [log_in(client, user="demo2", password="guess").status_code for _ in range(12)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert log_in(client, user="demo2").status_code == 429  # the right password too, for now
    assert log_in(client, user="demo1").status_code == 303


def test_while_a_person_answers_the_bot_is_quiet(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            assert (await chat.ask("human please"))["kind"] == "handoff"
            assert (await chat.until("state"))["state"] == "waiting"
            notice = await chat.ask("are you there?")
            assert notice["kind"] == "notice" and "queue" in notice["text"]
            await chat.say("hello??")
            await chat.until("ack")
            [handoff] = world.store.handoffs(["waiting"])
            world.store.take(handoff.id, "maya")  # as the admin process does, through the database
            assert (await chat.until("reply"))["from"] == "system"
            assert (await chat.until("state"))["state"] == "agent"
            started = time.monotonic()
            world.store.agent_reply(handoff.id, "maya", "Good morning, Maya here.")
            reply = await chat.until("reply")
            assert (reply["from"], reply["text"]) == ("agent", "Good morning, Maya here.")
            assert time.monotonic() - started < 2
            world.store.return_to_bot(handoff.id, "maya")
            assert (await chat.until("state"))["state"] == "bot"
            assert (await chat.ask("thanks"))["text"] == "You said: thanks"
        assert world.rasa.texts() == ["human please", "thanks"]
        notices = [e for e in world.store.transcript(session["conversation_id"]) if e.get("notice") == "waiting"]
        assert len(notices) == 1

    asyncio.run(talk())


def test_nobody_comes_and_the_bot_is_back(tmp_path):
    async def talk(world: World) -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            await chat.ask("human 请帮我转接客服")
            system = await chat.until("reply")
            assert system["from"] == "system" and "人工" in system["text"]  # in the customer's language
            assert (await chat.until("state"))["state"] in ("waiting", "bot")
        assert world.store.get(session["conversation_id"]).state == "bot"

    with running_world(tmp_path, handoff_timeout_seconds=1) as world:
        asyncio.run(talk(world))


def test_an_idle_chat_is_closed_and_forgotten(tmp_path):
    async def talk(world: World) -> None:
        client = world.gateway.client()
        session = open_session(client)
        async with world.gateway.chat(session["token"]) as chat:
            await chat.ask("hello")
            assert (await chat.until("error"))["code"] == "conversation_closed"
            assert await chat.closed() == 4410
        assert open_session(client, session["token"])["conversation_id"] != session["conversation_id"]

    with running_world(tmp_path, idle_seconds=4) as world:
        asyncio.run(talk(world))


def test_the_reply_language_follows_the_message(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            said = [("hello", "en"), ("我的 card 被吞了", "zh"), ("1234", "zh"), ("please 帮我 check it", "en")]
            for text, language in said:
                assert (await chat.ask(text))["language"] == language
            await chat.ask("你好")
            await chat.send({"type": "message", "id": "m", "text": ""})
            assert "请" in (await chat.until("error"))["message"]

    asyncio.run(talk())


def test_rasa_down_is_told_honestly_and_urgent_words_still_reach_a_person(world):
    async def talk() -> None:
        world.rasa.stop()
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            apology = await chat.ask("how do I unlock my card?")
            assert "couldn't finish" in apology["text"]
            reply = await chat.ask("有人偷了我的银行卡")
            assert "+44 20 7946 0999" in reply["text"] and reply["kind"] == "handoff" and reply["language"] == "zh"
        [handoff] = world.store.handoffs(["waiting"])
        assert (handoff.conversation_id, handoff.reason) == (session["conversation_id"], "lost_stolen_card")
        world.rasa.start()
        other = open_session(world.gateway.client())
        async with world.gateway.chat(other["token"]) as chat:
            assert (await chat.ask("hello"))["text"] == "You said: hello"

    asyncio.run(talk())


def test_turns_that_were_refused_are_tried_again_and_uncommitted_answers_are_not_believed(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            world.rasa.refuse(2)
            assert (await chat.ask("patience"))["text"] == "You said: patience"
            assert "couldn't finish" in (await chat.ask("liar"))["text"]

    asyncio.run(talk())


def test_a_turn_that_takes_too_long_is_told_and_its_late_answer_still_comes(tmp_path):
    async def talk(world: World) -> None:
        session = open_session(world.gateway.client())
        async with world.gateway.chat(session["token"]) as chat:
            assert "couldn't finish" in (await chat.ask("slow one"))["text"]
            assert (await chat.until("reply"))["text"] == "You said: slow one"  # what was done is not hushed up

    with running_world(tmp_path, turn_timeout_seconds=1) as world:
        asyncio.run(talk(world))


def test_what_was_accepted_before_a_restart_is_answered_after_it(world):
    async def talk() -> None:
        session = open_session(world.gateway.client())
        conversation = session["conversation_id"]
        world.gateway.stop()
        # As a process leaves it that was killed between the acknowledgement and the turn.
        world.store.accept(conversation, "widget", "left-1", "text", "first", {"language": "en"})
        world.store.accept(conversation, "widget", "left-2", "text", "second", {"language": "en"})
        world.gateway.start()
        async with world.gateway.chat(session["token"]) as chat:
            texts = [entry["text"] for entry in chat.ready["history"] if entry["from"] == "bot"]
            while len(texts) < 2:
                texts.append((await chat.until("reply"))["text"])
        assert texts == ["You said: first", "You said: second"]

    asyncio.run(talk())
