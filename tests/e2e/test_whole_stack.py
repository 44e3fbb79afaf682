"""The running product in a real browser: ask, log in, balance, handoff with an agent's reply, an edit seen live."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Watch, browser  # noqa: F401
from tests.support.running_stack import RunningStack
from tests.support.widget_page import PHONE, Customer


@pytest.fixture
def customer(browser: Browser, stack: RunningStack) -> Iterator[Customer]:  # noqa: F811
    visitor = Customer(browser, stack)
    yield visitor
    assert visitor.watch.errors == []
    assert visitor.watch.foreign(stack.url) == []
    assert [line for line in visitor.watch.complaints if "Content Security Policy" in line] == []
    visitor.close()


@pytest.fixture
def editor(browser: Browser, stack: RunningStack) -> Iterator[Page]:  # noqa: F811
    """A logged-in admin's page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    page = context.new_page()
    watch = Watch(page)
    page.goto(f"{stack.admin_url}/login")
    page.fill("#username", "admin")
    page.fill("#password", stack.settings.admin_password)
    page.click("form button.primary")
    expect(page.get_by_role("navigation").first).to_be_visible()
    yield page
    assert watch.errors == []
    assert watch.foreign(stack.admin_url) == []
    context.close()


def test_ask_log_in_and_go_on_with_the_balance(customer: Customer) -> None:
    customer.open().ask("How do I unlock my card?", "Cards")
    expect(customer.said_by("bot").last.locator(".source")).to_contain_text("From our help centre")
    customer.ask("what's my balance?", "log in")
    customer.said_by("bot").last.get_by_role("link", name="Log in").click()
    customer.log_in("demo1")
    customer.ready()
    expect(customer.said_by("bot").last).to_contain_text("£")  # the request went on after the login
    customer.page.reload()
    customer.ready()
    expect(customer.said_by("bot").last).to_contain_text("£")


def test_chinese_on_a_phone(browser: Browser, stack: RunningStack) -> None:  # noqa: F811
    visitor = Customer(browser, stack, viewport=PHONE, locale="zh-CN")
    visitor.open().ask("怎么解锁我的银行卡？", "卡片")
    assert visitor.panel.bounding_box()["width"] >= 380
    assert visitor.watch.foreign(stack.url) == []
    visitor.close()


def test_logout_forgets_the_conversation(customer: Customer) -> None:
    customer.page.goto(f"{customer.server.url}/login")
    customer.log_in("demo3")
    customer.open().ask("show me my balance", "£")
    customer.page.get_by_role("button", name="Log out").first.click()
    customer.open()
    assert "£" not in " ".join(customer.transcript())


def test_a_person_takes_over_and_gives_back(customer: Customer, editor: Page, stack: RunningStack) -> None:
    customer.open().say("I want to talk to a human please")
    expect(customer.banner).to_be_visible()
    editor.goto(f"{stack.admin_url}/handoffs")
    editor.get_by_role("link", name="I want to talk to a human please").first.click()
    editor.get_by_role("button", name="Take").first.click()
    editor.get_by_role("textbox").last.fill("Hello, this is Robin from the card team.")
    editor.get_by_role("button", name="Send").click()
    expect(customer.said_by("agent").last).to_contain_text("Robin from the card team")
    customer.say("thanks Robin")
    expect(editor.locator(".transcript")).to_contain_text("thanks Robin")
    assert customer.said_by("bot").filter(has_text="welcome").count() == 0  # the bot stays quiet
    editor.get_by_role("button", name="Return").first.click()
    customer.ask("what can you do?", "lock or unlock")


def test_an_edit_is_live_within_two_seconds(customer: Customer, editor: Page, stack: RunningStack) -> None:
    marker = f"Ask for form {int(time.time())} at any branch."
    editor.goto(f"{stack.admin_url}/faqs/card-unlock")
    editor.fill("#answer_en", marker)
    editor.get_by_role("button", name="publish").first.click()
    expect(editor.get_by_role("status").or_(editor.locator(".notice")).first).to_be_visible()
    customer.page.wait_for_timeout(2000)
    customer.open().ask("How do I unlock my card?", marker)


def test_a_new_entry_is_found_without_a_restart(editor: Page, stack: RunningStack) -> None:
    editor.goto(f"{stack.admin_url}/new-faq")
    editor.fill("#id", "harbour-lounge")
    editor.fill("#category", "branches")
    editor.fill("#question_en", "Where is the airport lounge for cardholders?")
    editor.fill("#answer_en", "The lounge is at gate 40.")
    editor.fill("#question_zh", "持卡人的机场贵宾室在哪里？")
    editor.fill("#answer_zh", "贵宾室在40号登机口。")
    editor.get_by_role("button", name="publish").first.click()
    editor.wait_for_timeout(2000)
    chat = stack.conversation()
    for question, answer in (
        ("where is the airport lounge for cardholders", "gate 40"),
        ("持卡人机场贵宾室在哪里", "40号登机口"),
    ):
        chat.say(question)
        assert answer in chat.text, chat.answer


def test_pages_send_a_strict_policy(stack: RunningStack) -> None:
    for url in (f"{stack.url}/", f"{stack.url}/login", f"{stack.admin_url}/login"):
        policy = httpx.get(url).headers["content-security-policy"]
        assert "default-src 'self'" in policy or "default-src 'none'" in policy
        assert "unsafe-eval" not in policy and "http:" not in policy and "https:" not in policy
