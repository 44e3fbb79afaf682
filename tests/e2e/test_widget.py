"""The widget's conversation in a real browser, against the stand-in gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import browser  # noqa: F401
from tests.support.widget_page import Customer
from tests.support.widget_server import WidgetServer


@pytest.fixture
def server() -> Iterator[WidgetServer]:
    with WidgetServer() as running:
        yield running
        assert running.errors == []


@pytest.fixture
def customer(browser: Browser, server: WidgetServer) -> Iterator[Customer]:  # noqa: F811
    visitor = Customer(browser, server)
    yield visitor
    assert visitor.watch.errors == []
    visitor.close()


def test_it_says_first_that_it_is_automated_and_how_to_reach_a_person(customer: Customer) -> None:
    customer.open()
    first = customer.said_by("bot").first
    expect(first).to_contain_text("automated assistant")
    expect(first).to_contain_text("not a person")
    expect(first.get_by_role("button", name="Talk to a person")).to_be_visible()
    customer.panel.locator(".head").get_by_role("button", name="Talk to a person").click()
    expect(customer.said_by("bot").last).to_contain_text("asked a colleague")


def test_an_answer_has_markdown_and_its_source(customer: Customer) -> None:
    customer.open().ask("How do I unlock my card?", "To unlock your card")
    answer = customer.said_by("bot").last
    assert answer.locator("ol li").all_inner_texts() == ["Log in and open Cards", "Choose the card", "Press Unlock"]
    assert answer.locator("strong").first.inner_text() == "Cards"
    expect(answer.locator(".source")).to_have_text("From our help centre: How do I unlock my card? · rev 3")
    assert answer.get_by_role("link", name="More help").get_attribute("href") == "/help"


def test_typing_is_shown_and_ends_with_the_reply(customer: Customer) -> None:
    customer.open().say("slow question")
    expect(customer.page.locator("deep-chat .deep-chat-loading-message-bubble")).to_be_visible()
    expect(customer.page.locator("#teller-chat .status")).to_have_text("The assistant is writing")
    expect(customer.said_by("bot").last).to_contain_text("You said: slow question")
    expect(customer.page.locator("deep-chat .deep-chat-loading-message-bubble")).to_have_count(0)
    expect(customer.page.locator("#teller-chat .status")).to_have_text("")


def test_a_button_sends_its_token_back_once(customer: Customer, server: WidgetServer) -> None:
    customer.open().ask("please lock my card", "ending 4821")
    yes = customer.page.get_by_role("button", name="Yes, lock it")
    yes.click()
    expect(customer.said_by("bot").last).to_contain_text("Done: Yes, lock it")
    expect(yes).to_be_disabled()
    expect(customer.page.get_by_role("button", name="No", exact=True)).to_be_disabled()
    assert customer.transcript()[-2:] == ["Yes, lock it", "Done: Yes, lock it"]
    assert set(server.conversation.received.values()) == {1}


def test_a_reload_keeps_the_history_and_the_open_panel(customer: Customer) -> None:
    customer.open().ask("first words", "You said: first words")
    customer.ask("How do I unlock my card?", "To unlock your card")
    before = customer.transcript()
    customer.page.reload()
    customer.ready()
    expect(customer.said_by("bot").last).to_contain_text("rev 3")
    assert customer.transcript() == before
    customer.ask("after it", "You said: after it")
    assert len(customer.server.conversations) == 1


def test_a_closed_panel_stays_closed_after_a_reload_and_counts_new_replies(
    customer: Customer, server: WidgetServer
) -> None:
    customer.open()
    customer.page.keyboard.press("Escape")
    expect(customer.panel).to_be_hidden()
    server.say({"text": "one more thing", "language": "en", "kind": "message"})
    expect(customer.page.get_by_role("button", name="Chat with us, 1 new")).to_be_visible()
    customer.page.reload()
    expect(customer.bubble).to_be_visible()
    expect(customer.panel).to_be_hidden()
    customer.open()
    expect(customer.said_by("bot").last).to_contain_text("one more thing")


def test_login_brings_the_customer_back_and_the_request_goes_on(customer: Customer, server: WidgetServer) -> None:
    customer.open().ask("What is my balance?", "Please log in first")
    customer.page.get_by_role("link", name="Log in").last.click()
    customer.page.wait_for_url("**/login?next=%2F")
    expect(customer.page.locator(".login-continue")).to_be_visible()
    customer.log_in()
    customer.page.wait_for_url(server.url + "/")
    expect(customer.page.locator(".hello")).to_contain_text("Amelia Reed")
    expect(customer.said_by("bot").last).to_contain_text("GBP 1,204.50")
    assert customer.transcript()[0] == "What is my balance?"
    assert len(server.conversations) == 1


def test_a_wrong_password_is_said_and_kept_out(customer: Customer, server: WidgetServer) -> None:
    customer.page.goto(server.url + "/login?next=//evil.example/")
    customer.page.fill("#username", "demo1")
    customer.page.fill("#password", "wrong")
    customer.page.click("form .button-primary")
    expect(customer.page.get_by_role("alert")).to_contain_text("password is wrong")
    customer.log_in()
    customer.page.wait_for_url(server.url + "/")


def test_logout_forgets(customer: Customer, server: WidgetServer) -> None:
    customer.page.goto(server.url + "/login")
    customer.log_in()
    customer.page.wait_for_url(server.url + "/")
    customer.open().ask("balance please", "GBP 1,204.50")
    customer.page.get_by_role("button", name="Log out").click()
    expect(customer.page.locator(".js-login")).to_be_visible()
    assert customer.page.evaluate("sessionStorage.getItem('teller.chat')").count('token":null') == 1
    customer.open()
    expect(customer.said_by("bot")).to_have_count(1)
    expect(customer.log).not_to_contain_text("1,204.50")
    assert len(server.conversations) == 2


def test_logout_in_another_tab_empties_this_one(customer: Customer, server: WidgetServer) -> None:
    customer.page.goto(server.url + "/login")
    customer.log_in()
    customer.page.wait_for_url(server.url + "/")
    customer.open().ask("balance please", "GBP 1,204.50")
    other = customer.context.new_page()
    other.goto(server.url)
    other.get_by_role("button", name="Log out").click()
    expect(other.locator(".js-login")).to_be_visible()
    expect(customer.said_by("system").last).to_contain_text("logged out")
    expect(customer.log).not_to_contain_text("1,204.50")


def test_an_idle_chat_is_forgotten(browser: Browser) -> None:  # noqa: F811
    with WidgetServer(idle_seconds=2) as server:
        customer = Customer(browser, server)
        customer.open().ask("private words", "You said: private words")
        expect(customer.said_by("system").last).to_contain_text("this page has forgotten it")
        expect(customer.log).not_to_contain_text("private words")
        customer.ask("hello again", "You said: hello again")
        assert len(server.conversations) == 2
        customer.close()


def test_a_lost_connection_is_said_and_nothing_is_shown_twice(customer: Customer, server: WidgetServer) -> None:
    customer.open().ask("one", "You said: one")
    server.refuse_sockets = 2
    server.drop_connections()
    expect(customer.banner).to_contain_text("connection was lost")
    customer.say("two")
    server.say({"text": "said meanwhile", "language": "en", "kind": "message"})
    expect(customer.said_by("bot").last).to_contain_text("You said: two")
    expect(customer.banner).to_be_hidden()
    server.repeat_last()
    customer.ask("three", "You said: three")
    words = customer.transcript()
    assert sorted(words) == sorted({*words}), f"something is there twice: {words}"
    assert [word for word in words if word.startswith("You said")] == [
        "You said: one",
        "You said: two",
        "You said: three",
    ]
    assert set(server.conversation.received.values()) == {1}


def test_a_message_without_acknowledgement_is_sent_again_by_the_same_id(
    customer: Customer, server: WidgetServer
) -> None:
    customer.open().ask("lost ack", "You said: lost ack")
    customer.wait_for("JSON.parse(sessionStorage.getItem('teller.chat')).pending.length === 0")
    assert list(server.conversation.received.values()) == [2]
    assert customer.transcript() == ["lost ack", "You said: lost ack"]


def test_what_was_not_sent_before_a_reload_is_sent_after_it(customer: Customer, server: WidgetServer) -> None:
    customer.open()
    server.refuse_sockets = 1000
    server.drop_connections()
    customer.say("written offline")
    expect(customer.page.locator("deep-chat .delivery")).to_have_text("Sending…")
    customer.page.reload()
    server.refuse_sockets = 0
    expect(customer.said_by("bot").last).to_contain_text("You said: written offline")
    assert customer.transcript() == ["written offline", "You said: written offline"]


def test_an_expired_token_is_renewed_unseen(customer: Customer, server: WidgetServer) -> None:
    customer.open()
    server.expire_messages = 1
    customer.ask("right after the token ran out", "You said: right after the token ran out")
    assert server.renewals >= 1
    assert len(server.conversations) == 1
    expect(customer.said_by("system")).to_have_count(0)


def test_a_token_is_renewed_before_it_expires(browser: Browser) -> None:  # noqa: F811
    with WidgetServer(token_seconds=3) as server:
        customer = Customer(browser, server)
        customer.open()
        customer.page.wait_for_timeout(4500)
        assert server.renewals >= 1
        customer.ask("still here", "You said: still here")
        assert len(server.conversations) == 1
        customer.close()


def test_a_conversation_that_the_gateway_has_ended_starts_anew(customer: Customer, server: WidgetServer) -> None:
    customer.open().ask("old words", "You said: old words")
    server.conversation.closed = True
    server.drop_connections()
    expect(customer.said_by("system").last).to_contain_text("earlier chat has ended")
    assert "old words" not in " ".join(customer.transcript())
    customer.ask("new words", "You said: new words")


@pytest.mark.parametrize(
    ("words", "notice"),
    [
        ("refuse this", "a lot at once"),
        ("broken thing", "cannot answer right now"),
        ("odd thing", "something went wrong"),
    ],
)
def test_errors_are_said_politely_and_can_be_tried_again(customer: Customer, words: str, notice: str) -> None:
    customer.open().say(words)
    told = customer.said_by("system").last
    expect(told).to_contain_text(notice)
    expect(told.get_by_role("button", name="Send it again")).to_be_visible()
    customer.ask("all well", "You said: all well")


def test_handoff_states(customer: Customer, server: WidgetServer) -> None:
    customer.open().ask("a human please", "asked a colleague")
    expect(customer.banner).to_contain_text("in the queue")
    expect(customer.banner).to_contain_text("Monday to Friday, 09:00–18:00 (London time)")
    server.set_state("agent")
    server.agent_reply("Hello, this is Jo.")
    expect(customer.banner).to_be_hidden()
    expect(customer.panel.locator(".subtitle")).to_have_text("You are talking to a person")
    agent = customer.said_by("agent").last
    expect(agent).to_contain_text("Colleague at Harbour & Lane")
    background = "one => getComputedStyle(one).backgroundColor"
    assert agent.evaluate(background) != customer.said_by("bot").first.evaluate(background)
    customer.page.reload()
    customer.ready()
    expect(customer.said_by("agent").last).to_contain_text("Hello, this is Jo.")
    server.set_state("bot")
    expect(customer.said_by("system").last).to_contain_text("automated assistant is back")
    expect(customer.panel.locator(".subtitle")).to_have_text("Automated assistant")


def test_the_limit_is_shown_and_kept(customer: Customer, server: WidgetServer) -> None:
    customer.open()
    expect(customer.panel.locator(".counter")).to_have_text("0 / 2,000")
    customer.input.click()
    customer.page.keyboard.insert_text("x" * 2100)
    expect(customer.panel.locator(".counter")).to_have_text("2000 / 2,000")
    expect(customer.page.locator("#teller-chat .status")).to_contain_text("2000 characters")
    customer.page.keyboard.press("Enter")
    expect(customer.own.last).to_contain_text(re.compile("x{100}"))
    expect(customer.said_by("bot").last).to_contain_text("You said: xxx")
    assert max(len(entry["text"]) for entry in server.conversation.entries if entry["from"] == "customer") == 2000
    expect(customer.panel.locator(".counter")).to_have_text("0 / 2,000")


def test_a_slow_machine_keeps_the_greeting(customer: Customer) -> None:
    """When the page stalls while deep-chat is being put on it, deep-chat draws itself a second time."""
    customer.page.add_init_script(
        """const append = Element.prototype.append;
           Element.prototype.append = function (...parts) {
             append.apply(this, parts);
             if (!parts.some((part) => part.localName === "deep-chat")) return;
             window.stalled = true;
             for (const until = performance.now() + 80; performance.now() < until; );
           };"""
    )
    customer.page.reload()
    customer.open()
    assert customer.page.evaluate("window.stalled") is True
    expect(customer.log).to_be_visible()
    expect(customer.said_by("bot").first).to_contain_text("automated assistant")
