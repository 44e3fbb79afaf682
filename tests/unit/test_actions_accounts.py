"""Balances, transactions and the request that waits for a login, over a seeded bank in SQLite."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from actions.check_balance import CheckBalance
from actions.list_transactions import ListTransactions
from actions.resume_request import ResumeRequest
from tests.support.account_world import AccountWorld, set_slots

LOGIN = [{"title": "Log in", "url": "/login"}]


@pytest.fixture
def world(tmp_path) -> AccountWorld:
    return AccountWorld(tmp_path)


# --- who is asking ---


@pytest.mark.parametrize("action", [CheckBalance, ListTransactions, ResumeRequest])
def test_an_anonymous_customer_is_asked_to_log_in(world, action):
    _, replies = world.run(action, world.conversation())
    assert [(reply["kind"], reply["buttons"]) for reply in replies] == [("login", LOGIN)]


@pytest.mark.parametrize("minutes", [-1, 0])
def test_an_expired_login_is_none(world, minutes):
    _, replies = world.run(CheckBalance, world.conversation("C100001", minutes))
    assert replies[0]["kind"] == "login"


def test_identity_is_read_from_nothing_but_the_store(world):
    claims = {"customer_id": "C100001", "authenticated_until": "2099-01-01T00:00:00Z", "user": "demo1"}
    _, replies = world.run(CheckBalance, world.conversation(), slots=claims, entities=claims)
    assert replies[0]["kind"] == "login"
    _, replies = world.run(CheckBalance, "c_never-made")
    assert replies[0]["kind"] == "login"


def test_the_login_question_ends_an_active_form(world):
    events, _ = world.run(CheckBalance, world.conversation(), in_form=True)
    assert {"event": "active_loop", "name": None, "timestamp": None} in events
    assert set_slots(events)["requested_slot"] is None


# --- balances ---


def test_balances_of_all_accounts(world):
    _, (reply,) = world.run(CheckBalance, world.conversation("C100001"))
    assert reply["kind"] == "message"
    balances = world.services.bank.balances("C100001")
    assert reply["text"].count("\n- ") == len(balances) == 3
    assert f"Everyday Account: **£{balances[0].amount:,.2f}**" in reply["text"]
    assert "available)" in reply["text"]


def test_balances_in_chinese(world):
    _, (reply,) = world.run(CheckBalance, world.conversation("C100004"), language="zh")
    assert reply["language"] == "zh"
    for word in ("日常账户 CNY", "日常账户 GBP", "英镑", "港元", "元**"):
        assert word in reply["text"]


def test_balance_of_the_account_that_was_named(world):
    conversation = world.conversation("C100001")
    events, (reply,) = world.run(CheckBalance, conversation, entities={"account_type": "savings"})
    assert "Harbour Savings" in reply["text"]
    assert "Everyday" not in reply["text"]
    assert set_slots(events) == {"account_type": "savings"}
    # the slot alone is an older wish
    _, (reply,) = world.run(CheckBalance, conversation, slots={"account_type": "savings"})
    assert "Everyday" in reply["text"]


def test_an_account_the_customer_does_not_have(world):
    _, (reply,) = world.run(CheckBalance, world.conversation("C100001"), entities={"account_type": "loan"})
    assert reply["text"].startswith("You have no loan with us.")
    assert "Everyday Account" in reply["text"]


def test_debt_is_called_debt(world):
    _, (reply,) = world.run(CheckBalance, world.conversation("C100003"), entities={"account_type": "loan"})
    assert "you owe **£" in reply["text"]


# --- transactions ---


def test_the_last_ten_and_then_more(world):
    conversation = world.conversation("C100001")
    events, (reply,) = world.run(ListTransactions, conversation, intent="list_transactions")
    assert reply["text"].count("\n- ") == 10
    assert "(1–10 of " in reply["text"]
    assert "Spent in the transactions shown: **£" in reply["text"]
    assert reply["buttons"] == [
        {"title": "Show more", "intent": "list_transactions", "slots": {"transactions_offset": 10.0}}
    ]
    _, (more,) = world.run(
        ListTransactions, conversation, intent="list_transactions", slots=reply["buttons"][0]["slots"]
    )
    assert "(11–20 of " in more["text"]
    assert set_slots(events)["transactions_offset"] is None


def test_the_more_button_keeps_account_and_days(world):
    conversation = world.conversation("C100001")
    entities = {"account_type": "credit_card", "date_range": "2026-10-01/2026-10-31"}
    _, (reply,) = world.run(ListTransactions, conversation, intent="list_transactions", entities=entities)
    assert "from 1 Oct 2026 to 31 Oct 2026" in reply["text"]
    assert "Spent in this period" in reply["text"]
    assert "Lane Credit Card" not in reply["text"]  # one account: its name on each line says nothing
    slots = reply["buttons"][0]["slots"]
    assert slots == {**entities, "transactions_offset": 10.0}
    for sent_as in ("slots", "entities"):
        _, (more,) = world.run(ListTransactions, conversation, intent="list_transactions", **{sent_as: slots})
        assert "from 1 Oct 2026 to 31 Oct 2026 (11–" in more["text"]


def test_a_new_request_forgets_the_old_filter_but_a_detail_refines_it(world):
    conversation = world.conversation("C100001")
    old = {"account_type": "credit_card", "date_range": "2026-10-01/2026-10-31"}
    events, (fresh,) = world.run(ListTransactions, conversation, intent="list_transactions", slots=old)
    assert fresh["text"].startswith("Your latest transactions")
    assert set_slots(events) == {"account_type": None, "date_range": None, "transactions_offset": None}
    events, _ = world.run(
        ListTransactions, conversation, intent="inform", slots=old, entities={"account_type": "current"}
    )
    assert set_slots(events)["account_type"] == "current"
    assert set_slots(events)["date_range"] == old["date_range"]


@pytest.mark.parametrize("offset", ["x", -5, None, "nan", float("inf"), [], 0])
def test_a_strange_offset_is_none(world, offset):
    _, (reply,) = world.run(ListTransactions, world.conversation("C100001"), slots={"transactions_offset": offset})
    assert "(1–10 of " in reply["text"]


def test_past_the_end(world):
    _, (reply,) = world.run(ListTransactions, world.conversation("C100001"), slots={"transactions_offset": 5000.0})
    assert reply["text"] == "There are no earlier transactions."


def test_days_without_transactions(world):
    _, (reply,) = world.run(
        ListTransactions, world.conversation("C100001"), language="zh", entities={"date_range": "2020-01-01/2020-01-31"}
    )
    assert reply["text"] == "2020年1月1日 至 2020年1月31日 没有交易。"


@pytest.mark.parametrize("entities", [{"date_range": "last year"}, {"account_type": "gold"}])
def test_a_detail_that_was_not_understood_restricts_nothing(world, entities):
    _, (reply,) = world.run(ListTransactions, world.conversation("C100001"), entities=entities)
    assert reply["text"].startswith("Your latest transactions")


def test_an_account_without_any(world):
    _, (reply,) = world.run(ListTransactions, world.conversation("C100005"), entities={"account_type": "loan"})
    assert reply["text"] == "You have no loan with us."


# --- the request that waits for the login ---


def test_a_balance_asked_for_before_the_login(world):
    conversation = world.conversation()
    events, _ = world.run(CheckBalance, conversation, intent="check_balance", entities={"account_type": "savings"})
    waiting = set_slots(events)
    assert waiting["pending_request"] == "check_balance"
    _login(world, conversation, "C100001")
    events, (reply,) = world.run(ResumeRequest, conversation, intent="login_completed", slots=waiting)
    assert "Harbour Savings" in reply["text"]
    assert "Everyday" not in reply["text"]
    assert set_slots(events)["pending_request"] is None


def test_transactions_asked_for_before_the_login(world):
    conversation = world.conversation()
    entities = {"date_range": "2026-10-01/2026-10-31"}
    events, _ = world.run(ListTransactions, conversation, intent="list_transactions", entities=entities)
    waiting = set_slots(events)
    assert waiting["pending_request"] == "list_transactions"
    _login(world, conversation, "C100001")
    _, (reply,) = world.run(ResumeRequest, conversation, intent="login_completed", slots=waiting, language="zh")
    assert "2026年10月1日 至 2026年10月31日" in reply["text"]


@pytest.mark.parametrize("operation", ["lock", "unlock"])
def test_a_card_request_goes_back_to_its_form(world, operation):
    events, replies = world.run(
        ResumeRequest, world.conversation("C100001"), slots={"pending_request": f"{operation}_card"}
    )
    assert replies == []
    assert set_slots(events) == {"card_operation": operation, "pending_request": None}
    assert [event["name"] for event in events if event["event"] == "followup"] == ["card_lock_form"]


@pytest.mark.parametrize("pending", [None, "something else"])
def test_a_login_without_a_request(world, pending):
    _, (reply,) = world.run(ResumeRequest, world.conversation("C100001"), slots={"pending_request": pending})
    assert reply["text"].startswith("You are logged in.")


def test_a_login_that_did_not_happen_keeps_the_request(world):
    events, (reply,) = world.run(ResumeRequest, world.conversation(), slots={"pending_request": "check_balance"})
    assert reply["kind"] == "login"
    assert "pending_request" not in set_slots(events)


# --- failure ---


@pytest.mark.parametrize("action", [CheckBalance, ListTransactions])
@pytest.mark.parametrize("broken", ["bank", "conversations"])
def test_a_broken_database_is_admitted(world, action, broken):
    conversation = world.conversation("C100001")
    engine = world.services.engines[0 if broken == "bank" else 1]
    table = "accounts" if broken == "bank" else "conversations"
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO lost"))
    events, (reply,) = world.run(action, conversation)
    assert reply["kind"] == "notice"
    assert "nothing was done" in reply["text"]
    assert events == []


def _login(world: AccountWorld, conversation: str, customer_id: str) -> None:
    until = datetime.now(timezone.utc) + timedelta(minutes=5)
    world.services.conversations.identify(conversation, customer_id, until)
