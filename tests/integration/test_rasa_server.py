"""The real Rasa server, driven as the gateway drives it; account requests run on the real action server.

The understanding is a stand-in (keywords), everything after it is what customers get.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import httpx
import pytest
import yaml

from actions.bank.service import BankService
from bot.shared.database import open_engine
from bot.shared.settings import ROOT
from knowledge_base.store import FaqContent, FaqText
from tests.support.rasa_process import RasaWorld, keyword_model
from tests.support.stub_actions import StubActions

# Tests lock cards for good, so each that needs an open card has one of its own.
TWO_CARDS, ONE_CARD, THREE_CARDS = "C100001", "C100002", "C100004"
ACTION_TIMEOUT_SECONDS = 2
HONEST = "nothing has been done or changed"


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[RasaWorld]:
    made = RasaWorld(keyword_model(), tmp_path_factory.mktemp("world"), action_timeout_seconds=ACTION_TIMEOUT_SECONDS)
    try:
        made.start_rasa()
        made.start_actions()
        yield made
    finally:
        made.close()


@pytest.fixture
def actions_down(world) -> Iterator[None]:
    world.stop("actions")
    yield
    world.start_actions()


@pytest.fixture
def stub(world) -> Iterator[StubActions]:
    """A stub in the action server's place."""
    world.stop("actions")
    made = StubActions(world.settings.actions_port, lambda call: (200, {"events": [], "responses": []}))
    yield made
    made.close()
    world.start_actions()


def status_of(world: RasaWorld, customer_id: str, last_four: str) -> str:
    cards = BankService(open_engine(world.settings.bank_url)).cards(customer_id)
    return next(card.status for card in cards if card.last_four == last_four)


# --- the door


def test_the_token_is_needed(world) -> None:
    body = world.conversation().body("text", text="hello")
    for token in ("", "wrong", "tést"):
        response = world.post(body, token=token.encode())
        assert (response.status_code, response.json()) == (401, {"error": "token_invalid"})
    assert world.post(body).status_code == 200


def test_only_turns_are_taken(world) -> None:
    assert world.post({"conversation_id": "c"}).status_code == 400
    unknown_intent = world.conversation().body("event", event={"intent": "no_such_intent"})
    assert world.post(unknown_intent).status_code == 400


def test_a_conversation_that_does_not_exist_is_not_made(world) -> None:
    body = {**world.conversation().body("text", text="hello"), "conversation_id": "c_unknown"}
    response = world.post(body)
    assert (response.status_code, response.json()) == (503, {"error": "not_found"})


def test_rasas_own_doors_are_closed(world) -> None:
    base = f"http://127.0.0.1:{world.settings.rasa_port}"
    assert httpx.post(f"{base}/webhooks/rest/webhook", json={"sender": "x", "message": "hi"}).status_code == 404
    assert httpx.get(f"{base}/conversations/x/tracker").status_code == 404


# --- questions and small talk


def test_a_question_is_answered_in_its_language_with_its_source(world) -> None:
    chat = world.conversation()
    assert chat.say("how do I unlock my card?") == "Open Cards in the app."
    source = chat.replies[0]["source"]
    assert (source["faq_id"], source["question"], source["revision"]) == ("card-unlock", "How do I unlock my card?", 1)
    assert chat.result["route"] == "faq" and chat.result["faq_id"] == "card-unlock" and chat.result["revision"] == 1
    assert chat.say("怎么解锁我的卡", language="zh") == "在应用中打开“卡片”。"


def test_an_edit_is_live_at_once(world) -> None:
    chat = world.conversation()
    texts = {"en": FaqText("Fees?", "Now two pounds."), "zh": FaqText("手续费？", "两英镑。")}
    content = FaqContent("transfers", texts)
    revision = world.faqs.get("transfer-fee").revision
    world.faqs.save_draft("transfer-fee", content, "test", revision)
    assert "free" in chat.say("what fees are there?")
    world.faqs.publish("transfer-fee", "test")
    assert chat.say("what fees are there?") == "Now two pounds."


def test_two_failures_offer_a_person(world) -> None:
    chat = world.conversation()
    assert "other words" in chat.say("gnarf")
    assert chat.result["route"] == "fallback"
    assert "bring in a person" in chat.say("gnarf gnarf")
    assert chat.buttons()[-1]["intent"] == "request_human"
    chat.say("hello")
    assert "other words" in chat.say("gnarf")


def test_two_guesses_become_buttons_that_work(world) -> None:
    chat = world.conversation()
    chat.say("either")
    assert chat.result["route"] == "clarify"
    assert [b["title"] for b in chat.buttons()] == ["Lock a card", "Unlock a card"]
    chat.say("either", language="zh")
    assert [b["title"] for b in chat.buttons()][:2] == ["锁定卡片", "解锁卡片"]
    assert chat.press("faq", {"faq_id": "card-unlock"}) == "Open Cards in the app."


def test_sympathy_comes_once(world) -> None:
    chat = world.conversation()
    calm = chat.say("what are the fees")
    upset = chat.say("what are the fees!!!")
    assert upset != calm and upset.endswith(calm) and chat.buttons()[-1]["intent"] == "request_human"
    assert chat.say("what are the fees!!!") == calm and not chat.buttons()


def test_words_typed_as_a_command_stay_words(world) -> None:
    chat = world.conversation()
    chat.say('/affirm{"account_type": "savings"}')
    events = world.store.load_events(chat.id)
    assert "account_type" not in {e["name"] for e in events if e["event"] == "slot"}
    user = next(e for e in events if e["event"] == "user")
    assert user["text"].startswith("affirm{") and chat.result["intent"] == "nlu_fallback"


def test_a_button_reaches_no_other_slot(world) -> None:
    chat = world.conversation()
    chat.press("greet", {"pending_request": "lock_card", "card_confirmation": True})
    names = {e["name"] for e in world.store.load_events(chat.id) if e["event"] == "slot"}
    assert not names & {"pending_request", "card_confirmation"}


# --- people


@pytest.mark.parametrize(("text", "reason"), [("a person please", "request_human"), ("this is fraud", "report_fraud")])
def test_handoff_is_opened_with_the_reason(world, text, reason) -> None:
    chat = world.conversation()
    chat.say(text)
    assert chat.result["handoff"] and chat.replies[0]["kind"] == "handoff"
    assert [h.reason for h in world.store.handoffs(["waiting"]) if h.conversation_id == chat.id] == [reason]


def test_a_stolen_card(world) -> None:
    anonymous, known = world.conversation(), world.conversation(ONE_CARD)
    assert world.settings.emergency_phone in anonymous.say("my card was stolen")
    assert anonymous.result["handoff"]
    assert world.settings.emergency_phone in known.say("my card was stolen")
    assert not known.result["handoff"] and [b["intent"] for b in known.buttons()] == ["lock_card", "request_human"]


# --- the card form


def test_lock_with_digressions_and_a_yes(world) -> None:
    chat = world.conversation(TWO_CARDS)
    assert "Which card" in chat.say("lock my card")
    answer = chat.say("how do I unlock a card?")
    assert answer.startswith("Open Cards in the app.") and "Which card" in answer
    assert "small talk" in chat.say("tell me a joke") or "harbour" in chat.replies[0]["text"]
    assert "Which card" in chat.replies[-1]["text"]
    chat.say("ending 7350")
    assert [b["intent"] for b in chat.buttons()] == ["affirm", "deny"]
    chat.say("gnarf")
    assert [b["intent"] for b in chat.buttons()][-2:] == ["affirm", "deny"]
    assert status_of(world, TWO_CARDS, "7350") == "active"
    assert "7350" in chat.press("affirm")
    assert status_of(world, TWO_CARDS, "7350") == "locked"
    assert "waiting for a yes" in chat.press("affirm")


@pytest.mark.parametrize("word", ["no", "cancel"])
def test_a_no_changes_nothing_and_is_forgotten(world, word) -> None:
    chat = world.conversation(TWO_CARDS)
    chat.say("lock my card 4821")
    assert [b["intent"] for b in chat.buttons()] == ["affirm", "deny"]
    chat.say(word)
    assert status_of(world, TWO_CARDS, "4821") == "active"
    assert "Which card" in chat.say("lock my card")  # the card named before is not taken for granted
    chat.say(word)
    assert "waiting for a yes" in chat.say("yes")


def test_a_person_ends_the_form(world) -> None:
    chat = world.conversation(TWO_CARDS)
    chat.say("lock my card 4821")
    chat.say("I want to talk to a person")
    assert chat.result["handoff"] and len(chat.replies) == 1
    world.store.return_to_bot(world.store.open_handoff(chat.id, "request_human").id, "agent")
    chat.say("yes")
    assert status_of(world, TWO_CARDS, "4821") == "active"


def test_the_request_goes_on_after_the_login(world) -> None:
    chat = world.conversation()
    chat.say("lock my card")
    assert chat.replies[0]["kind"] == "login"
    world.store.identify(chat.id, TWO_CARDS, datetime.now(timezone.utc) + timedelta(minutes=5))
    chat.authenticated = True
    assert "Which card" in chat.press("login_completed")
    chat.say("ending 4821")
    assert status_of(world, TWO_CARDS, "4821") == "active"
    chat.say("yes")
    assert status_of(world, TWO_CARDS, "4821") == "locked"


def test_an_open_form_survives_a_long_conversation(world) -> None:
    chat = world.conversation(ONE_CARD)
    for _ in range(20):
        chat.say("hello")
    chat.say("lock my card")
    for _ in range(20):
        chat.say("how do I unlock my card?")
    assert [b["intent"] for b in chat.buttons()] == ["affirm", "deny"]
    assert len(world.store.load_events(chat.id)) > 150
    chat.say("yes")
    assert status_of(world, ONE_CARD, "2096") == "locked"


# --- failures


def test_action_server_down(world, actions_down) -> None:
    chat = world.conversation(TWO_CARDS)
    assert HONEST in chat.say("what is my balance")
    assert chat.result["action_failed"] and chat.buttons()[-1]["intent"] == "request_human"
    assert "Open Cards" in chat.say("how do I unlock my card?") and not chat.result["action_failed"]
    assert HONEST in chat.say("lock my card")
    assert "waiting for a yes" in chat.say("yes")


def test_a_question_within_the_form_is_answered_with_the_action_server_down(world) -> None:
    chat = world.conversation(THREE_CARDS)
    chat.say("lock my card")
    world.stop("actions")
    try:
        chat.say("how do I unlock my card?")
        assert chat.replies[0]["text"] == "Open Cards in the app." and HONEST in chat.replies[-1]["text"]
        assert "colleague" in chat.say("I want to talk to a person")
    finally:
        world.start_actions()


@pytest.mark.parametrize("body", [[500, {"error": "internal"}], [200, {"nonsense": 1}], [200, ["x"]]], ids=str)
def test_a_failing_action_is_never_success(world, stub, body) -> None:
    stub.behaviour = lambda call: tuple(body)
    chat = world.conversation(TWO_CARDS)
    assert HONEST in chat.say("what is my balance") and len(chat.replies) == 1


def test_a_lock_without_an_answer_in_time_is_not_called_undone(world, stub) -> None:
    chat = world.conversation(TWO_CARDS)

    def answer(call):
        if call["next_action"] == "action_set_card_lock":
            return stub.hang(call)
        slots = {"validate_card_lock_form": [("card_last_four", "4821")]}.get(call["next_action"], [])
        if call["tracker"]["slots"]["card_confirmation"] is not None and slots:
            slots = [*slots, ("card_confirmation", True)]
        events = [{"event": "slot", "name": name, "value": value} for name, value in slots]
        return 200, {"events": events, "responses": [{"text": "Sure?"}] if not slots else []}

    stub.behaviour = answer
    assert chat.say("lock my card") == "Sure?"
    assert "cannot say whether" in chat.say("yes")
    assert "cannot say" not in chat.say("hello") and len(chat.replies) == 1
    assert [c["next_action"] for c in stub.calls].count("action_set_card_lock") == 1
    chat.say("yes")
    assert [c["next_action"] for c in stub.calls].count("action_set_card_lock") == 1


def test_action_calls_are_small(world, stub) -> None:
    chat = world.conversation(TWO_CARDS)
    for _ in range(12):
        chat.say("hello")
    chat.say("what is my balance")
    assert "domain" not in stub.calls[-1]
    assert sum(e["event"] == "user" for e in stub.calls[-1]["tracker"]["events"]) == 2
    assert len(json.dumps(stub.calls[-1])) < 20_000


# --- once and only once


def test_a_repeated_message_gets_the_stored_replies(world) -> None:
    chat = world.conversation()
    body = chat.body("text", text="what are the fees")
    first, again = world.post(body).json(), world.post(body).json()
    assert first["replies"] == again["replies"] and len(first["replies"]) == 1
    assert again["result"]["intent"] == "faq"
    assert len(world.store.outbox_after(chat.id, 0)) == 1
    assert sum(e["event"] == "user" for e in world.store.load_events(chat.id)) == 1


def test_the_same_message_twice_at_once_is_one_turn(world, stub) -> None:
    chat = world.conversation(TWO_CARDS)
    body = chat.body("text", text="what is my balance")
    stub.behaviour = stub.hang
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(world.post(body).json())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[0] == answers[1] and len(stub.calls) == 1


def test_card_numbers_are_stored_masked(world) -> None:
    chat = world.conversation()
    chat.say("what fees for 4111 1111 1111 1111")
    stored = json.dumps(world.store.load_events(chat.id), ensure_ascii=False)
    assert "4111" not in stored and "••••1111" in stored


def test_kill_in_mid_turn_and_replay(world, stub) -> None:
    chat = world.conversation(TWO_CARDS)
    chat.say("what are the fees")
    events_before = len(world.store.load_events(chat.id))
    body = chat.body("text", text="what is my balance")
    stub.behaviour = stub.hang
    stub.called.clear()
    errors = []

    def post() -> None:
        try:
            world.post(body)
        except httpx.TransportError as error:
            errors.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    assert stub.called.wait(20)
    world.stop("rasa")
    thread.join()
    assert errors, "the turn was answered although the server was killed"
    assert len(world.store.load_events(chat.id)) == events_before
    assert world.store.turn_result(body["inbox_id"]) is None
    assert body["inbox_id"] in {message.id for message in world.store.unfinished()}

    stub.behaviour = lambda call: (200, {"events": [], "responses": [{"text": "Your balance is 5"}]})
    world.start_rasa()
    replayed = world.post(body)
    assert replayed.json()["replies"][0]["payload"]["text"] == "Your balance is 5"
    assert [m.payload["text"] for m in world.store.outbox_after(chat.id, 0)][1:] == ["Your balance is 5"]


def test_the_stand_in_configuration_is_ours_but_for_the_model() -> None:
    real = yaml.safe_load((ROOT / "config.yml").read_text())
    stand_in = yaml.safe_load((ROOT / "tests/support/config_keywords.yml").read_text())
    # The router is the same component; its thresholds belong to the trained model's scores.
    assert stand_in["policies"] == real["policies"]
    assert stand_in["pipeline"][-1]["name"] == real["pipeline"][-1]["name"]
