"""The card form's checks and questions, and the only action that changes a card, over a seeded bank in SQLite."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from actions.bank.service import OUTCOME_UNKNOWN
from actions.card_lock import AskCard, AskConfirmation, SetCardLock, ValidateCardLockForm
from bot.shared.errors import StorageError
from tests.support.account_world import AccountWorld, set_slots

TWO_CARDS, ONE_CARD, ONE_LOCKED, THREE_CARDS, NO_CARD = (f"C10000{number}" for number in range(1, 6))
ENDED = {"card_last_four": None, "card_confirmation": None, "requested_slot": None}
FORGOTTEN = {"card_last_four": None, "card_confirmation": None, "card_operation": None}


@pytest.fixture
def world(tmp_path) -> AccountWorld:
    return AccountWorld(tmp_path)


def validate(world: AccountWorld, customer_id: str | None, operation: str = "lock", **state):
    slots = {"card_operation": operation, **state.pop("slots", {})}
    return world.run(ValidateCardLockForm, world.conversation(customer_id), in_form=True, slots=slots, **state)


# --- which card ---


def test_the_only_card_is_not_asked_for(world):
    events, replies = validate(world, ONE_CARD)
    assert set_slots(events) == {"card_last_four": "2096", "card_confirmation": None}
    assert replies == []


def test_with_more_than_one_card_it_is_asked_for(world):
    events, replies = validate(world, TWO_CARDS)
    assert set_slots(events) == {"card_last_four": None, "card_confirmation": None}
    assert replies == []
    _, (question,) = world.run(AskCard, world.conversation(TWO_CARDS), in_form=True, slots={"card_operation": "lock"})
    assert question["text"] == "Which card should I lock?"
    assert question["buttons"] == [
        {"title": "Everyday Account debit card ••4821", "intent": "inform", "slots": {"card_last_four": "4821"}},
        {"title": "Lane Credit Card ••7350", "intent": "inform", "slots": {"card_last_four": "7350"}},
    ]


def test_an_unknown_card_is_said_and_asked_for_again(world):
    events, (reply,) = validate(world, TWO_CARDS, candidates={"card_last_four": "9999"})
    assert reply["text"] == "I can't find a card ending 9999 among yours."
    assert set_slots(events) == {"card_last_four": None, "card_confirmation": None}


def test_another_customers_card_is_unknown(world):
    _, (reply,) = validate(world, TWO_CARDS, candidates={"card_last_four": "2096"})
    assert reply["text"] == "I can't find a card ending 2096 among yours."


@pytest.mark.parametrize("strange", ["12", "<b>9</b>", 4821, ["4821"]])
def test_what_is_no_card_number_is_not_repeated(world, strange):
    events, replies = validate(world, TWO_CARDS, candidates={"card_last_four": strange})
    assert set_slots(events)["card_last_four"] is None
    assert all("<" not in reply["text"] for reply in replies)


def test_to_unlock_the_only_locked_card_is_meant(world):
    world.services.bank.lock_card(TWO_CARDS, "7350")
    events, replies = validate(world, TWO_CARDS, "unlock")
    assert set_slots(events)["card_last_four"] == "7350"
    assert replies == []


# --- nothing to do ---


@pytest.mark.parametrize(
    ("customer_id", "operation", "said"),
    [
        (ONE_LOCKED, "lock", "Your debit card ending **6614** is locked already"),
        (ONE_CARD, "unlock", "Your debit card ending **2096** is not locked"),
        (TWO_CARDS, "unlock", "None of your cards is locked."),
        (NO_CARD, "lock", "There is no card in your name."),
    ],
)
def test_when_nothing_can_change_the_form_ends(world, customer_id, operation, said):
    events, (reply,) = validate(world, customer_id, operation)
    assert reply["text"].startswith(said)
    assert set_slots(events) == ENDED


# --- confirmation ---


@pytest.mark.parametrize(("operation", "card"), [("lock", "4821"), ("unlock", "7350")])
@pytest.mark.parametrize(("language", "titles"), [("en", ["Yes", "No"]), ("zh", ["是", "否"])])
def test_the_confirmation_names_the_card_and_has_buttons(world, operation, card, language, titles):
    world.services.bank.lock_card(TWO_CARDS, "7350")
    _, (question,) = world.run(
        AskConfirmation,
        world.conversation(TWO_CARDS),
        in_form=True,
        slots={"card_operation": operation, "card_last_four": card},
        language=language,
    )
    assert card in question["text"]
    assert [(button["title"], button["intent"]) for button in question["buttons"]] == list(
        zip(titles, ["affirm", "deny"], strict=True)
    )


@pytest.mark.parametrize("answer", [True, False])
def test_an_answer_is_taken(world, answer):
    events, replies = validate(
        world,
        TWO_CARDS,
        slots_before={"card_last_four": "4821", "requested_slot": "card_confirmation"},
        candidates={"card_confirmation": answer},
    )
    assert set_slots(events) == {"card_last_four": "4821", "card_confirmation": answer}
    assert replies == []


def test_a_yes_for_another_card_is_asked_again(world):
    events, _ = validate(
        world,
        TWO_CARDS,
        slots_before={"card_last_four": "4821", "requested_slot": "card_confirmation"},
        candidates={"card_last_four": "7350", "card_confirmation": True},
    )
    assert set_slots(events) == {"card_last_four": "7350", "card_confirmation": None}


def test_a_yes_that_names_the_same_card_counts(world):
    events, _ = validate(
        world,
        TWO_CARDS,
        slots_before={"card_last_four": "4821", "requested_slot": "card_confirmation"},
        candidates={"card_last_four": "4821", "card_confirmation": True},
    )
    assert set_slots(events)["card_confirmation"] is True


def test_a_left_over_yes_does_not_count(world):
    left_over = {"card_last_four": "4821", "card_confirmation": True}
    events, _ = validate(world, TWO_CARDS, candidates=left_over, slots={"requested_slot": None})
    assert set_slots(events) == {"card_last_four": "4821", "card_confirmation": None}


def test_a_message_about_something_else_sets_nothing(world):
    """Only then can Rasa let the rule of that message answer."""
    events, replies = validate(
        world, TWO_CARDS, slots_before={"card_last_four": "4821", "requested_slot": "card_confirmation"}
    )
    assert (events, replies) == ([], [])


def test_unlock_instead_is_asked_anew(world):
    world.services.bank.lock_card(TWO_CARDS, "7350")
    before = {"card_last_four": "7350", "requested_slot": "card_confirmation"}
    events, replies = validate(world, TWO_CARDS, "unlock", intent="unlock_card", slots_before=before)
    assert set_slots(events) == {"card_last_four": "7350", "card_confirmation": None}
    assert replies == []


# --- doing it ---


def set_lock(world: AccountWorld, customer_id: str | None, **slots):
    return world.run(SetCardLock, world.conversation(customer_id), slots=slots)


def status_of(world: AccountWorld, customer_id: str, last_four: str) -> str:
    return next(card.status for card in world.services.bank.cards(customer_id) if card.last_four == last_four)


def test_lock_then_unlock(world):
    events, (reply,) = set_lock(
        world, TWO_CARDS, card_operation="lock", card_last_four="4821", card_confirmation=True
    )
    assert reply["text"].startswith("Done: your debit card ending **4821** is locked.")
    assert set_slots(events) == FORGOTTEN
    assert status_of(world, TWO_CARDS, "4821") == "locked"
    assert status_of(world, TWO_CARDS, "7350") == "active"
    _, (reply,) = set_lock(world, TWO_CARDS, card_operation="unlock", card_last_four="4821", card_confirmation=True)
    assert reply["text"].startswith("Done: your debit card ending **4821** is unlocked")
    assert status_of(world, TWO_CARDS, "4821") == "active"


def test_somebody_was_faster(world):
    _, (reply,) = set_lock(world, ONE_LOCKED, card_operation="lock", card_last_four="6614", card_confirmation=True)
    assert "locked already" in reply["text"]


def test_the_conversation_is_in_the_record(world):
    conversation = world.conversation(TWO_CARDS)
    slots = {"card_operation": "lock", "card_last_four": "4821", "card_confirmation": True}
    world.run(SetCardLock, conversation, slots=slots)
    with world.services.engines[0].connect() as connection:
        recorded = connection.execute(text("SELECT conversation_id, status_after FROM card_events")).all()
    assert recorded == [(conversation, "locked")]


def test_no_means_no(world):
    events, (reply,) = set_lock(
        world, TWO_CARDS, card_operation="lock", card_last_four="4821", card_confirmation=False
    )
    assert reply["text"] == "All right, I did not lock it. Nothing has changed."
    assert set_slots(events) == FORGOTTEN
    assert status_of(world, TWO_CARDS, "4821") == "active"


@pytest.mark.parametrize("confirmation", [None, "true", 1])
def test_without_a_yes_nothing_happens(world, confirmation):
    _, replies = set_lock(
        world, TWO_CARDS, card_operation="lock", card_last_four="4821", card_confirmation=confirmation
    )
    assert replies == []
    assert status_of(world, TWO_CARDS, "4821") == "active"


def test_another_customers_card_is_never_touched(world):
    _, (reply,) = set_lock(world, ONE_CARD, card_operation="lock", card_last_four="4821", card_confirmation=True)
    assert reply["text"] == "I can't find a card ending 4821 among yours."
    assert status_of(world, TWO_CARDS, "4821") == "active"


# --- not logged in ---


def test_the_form_ends_with_a_login_and_keeps_the_request(world):
    events, (reply,) = validate(world, None, "unlock", candidates={"card_last_four": "4821"})
    assert reply["kind"] == "login"
    assert set_slots(events) == {
        "requested_slot": None,
        "pending_request": "unlock_card",
        "card_operation": "unlock",
        "card_last_four": "4821",
        "card_confirmation": None,
    }
    assert any(event["event"] == "active_loop" and event["name"] is None for event in events)
    # the form's last action follows it and must not throw the request away
    after, replies = world.run(SetCardLock, world.conversation(), slots=set_slots(events))
    assert (set_slots(after), replies) == ({"card_confirmation": None}, [])


def test_a_login_that_ran_out_before_the_yes(world):
    events, (reply,) = set_lock(world, None, card_operation="lock", card_last_four="4821", card_confirmation=True)
    assert reply["kind"] == "login"
    assert set_slots(events)["pending_request"] == "lock_card"
    assert set_slots(events)["card_confirmation"] is None


# --- failure ---


@pytest.mark.parametrize("action", [ValidateCardLockForm, AskCard, AskConfirmation])
def test_the_form_ends_when_the_bank_is_away(world, action):
    with world.services.engines[0].begin() as connection:
        connection.execute(text("ALTER TABLE cards RENAME TO lost"))
    slots = {"card_operation": "lock", "card_last_four": "4821"}
    events, (reply,) = world.run(action, world.conversation(TWO_CARDS), in_form=True, slots=slots)
    assert reply["kind"] == "notice"
    assert set_slots(events)["requested_slot"] is None


def test_a_failed_commit_is_never_done(world):
    with world.services.engines[0].begin() as connection:
        connection.execute(text("ALTER TABLE card_events RENAME TO lost"))
    events, (reply,) = set_lock(
        world, TWO_CARDS, card_operation="lock", card_last_four="4821", card_confirmation=True
    )
    assert reply["kind"] == "notice"
    assert "nothing was done" in reply["text"]
    assert set_slots(events) == FORGOTTEN
    assert status_of(world, TWO_CARDS, "4821") == "active"


def test_a_change_that_takes_too_long_is_unsure_and_still_happens(world):
    """Another process holds the database for longer than the customer waits."""
    impatient = dataclasses.replace(world.services, seconds=0.3)
    world.services = impatient
    other = sqlite3.connect(world.settings.bank_url.removeprefix("sqlite:///"), isolation_level=None)
    conversation = world.conversation(TWO_CARDS)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, lambda: None)
    release.start()
    slots = {"card_operation": "lock", "card_last_four": "4821", "card_confirmation": True}
    worker = threading.Thread(target=lambda: replies.extend(world.run(SetCardLock, conversation, slots=slots)[1]))
    replies: list[dict] = []
    worker.start()
    release.join()
    other.execute("COMMIT")
    worker.join()
    assert [reply["kind"] for reply in replies] == ["notice"]
    assert "could not confirm" in replies[0]["text"]
    assert world.settings.emergency_phone in replies[0]["text"]
    _wait_for(lambda: status_of(world, TWO_CARDS, "4821") == "locked")


def test_a_write_outlives_the_caller_even_while_it_waits_for_a_thread(world):
    finished = []

    async def hang_up() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        running = asyncio.ensure_future(world.services.write(lambda: time.sleep(0.2) or finished.append("running")))
        waiting = asyncio.ensure_future(world.services.write(finished.append, "waiting"))
        await asyncio.sleep(0.05)
        for call in (running, waiting):
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert finished == []
        await asyncio.sleep(0.3)

    asyncio.run(hang_up())
    assert finished == ["running", "waiting"]


def test_a_slow_read_and_a_slow_write_differ(world):
    impatient = dataclasses.replace(world.services, seconds=0.05)
    with pytest.raises(StorageError) as read:
        asyncio.run(impatient.read(time.sleep, 0.2))
    with pytest.raises(StorageError) as write:
        asyncio.run(impatient.write(time.sleep, 0.2))
    assert read.value.code != OUTCOME_UNKNOWN
    assert write.value.code == OUTCOME_UNKNOWN


def _wait_for(condition) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
