"""What the widget does to a page and its reader: safety, keyboard, phone width, Chinese, names for screen readers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import browser  # noqa: F401
from tests.support.widget_page import DESKTOP, PHONE, Customer
from tests.support.widget_server import WIDGET, WidgetServer


@pytest.fixture(scope="module")
def server() -> Iterator[WidgetServer]:
    with WidgetServer() as running:
        yield running


@pytest.fixture
def customer(browser: Browser, server: WidgetServer) -> Iterator[Customer]:  # noqa: F811
    visitor = Customer(browser, server)
    yield visitor
    assert visitor.watch.errors == []
    visitor.close()


def test_hostile_replies_and_messages_are_plain_text(customer: Customer, server: WidgetServer) -> None:
    customer.open().ask("hostile", "bold")
    answer = customer.said_by("bot").last
    assert answer.locator("strong").all_inner_texts() == ["bold"]
    assert answer.locator("img, script, iframe, style, svg").count() == 0
    hrefs = answer.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert hrefs == ["/faq", "/faq/card"]
    assert customer.page.get_by_role("button", name="<b>tag</b>").count() == 1
    assert customer.page.get_by_text("bad", exact=True).count() == 0
    expect(answer.locator(".source")).to_contain_text("<img src=x")
    typed = "<img src=x onerror=window.hacked=1> ![p](https://evil.example/p.png) **b** [r]: https://evil.example"
    customer.say(typed)
    expect(customer.own.last).to_contain_text(typed)
    assert customer.own.last.locator("img, a, strong").count() == 0
    customer.page.reload()
    customer.ready()
    expect(customer.own.last).to_contain_text(typed)
    assert customer.page.evaluate("window.hacked") is None
    assert customer.watch.foreign(server.url) == []


def test_the_links_in_a_reply_stay_on_our_site(customer: Customer) -> None:
    customer.open()
    cases = {
        "/login": "/login",
        "/a?b=c#d": "/a?b=c#d",
        "javascript:alert(1)": None,
        "JaVaScRiPt:alert(1)": None,
        "//evil.example": None,
        "https://evil.example/": None,
        "/\\evil.example": None,
        "data:text/html,x": None,
        "\tjavascript:alert(1)": None,
        "": None,
        "http://user@" + customer.server.url.removeprefix("http://") + "/x": None,
        customer.server.url + "/own": "/own",
    }
    found = customer.page.evaluate(
        "async (links) => { const {ownPath} = await import('/static/js/render.js'); return links.map(ownPath); }",
        list(cases),
    )
    assert dict(zip(cases, found, strict=True)) == cases


def test_no_third_party_request_and_no_policy_violation(customer: Customer, server: WidgetServer) -> None:
    assert "unsafe" not in server.policy
    customer.open().ask("How do I unlock my card?", "To unlock")
    customer.say("slow")
    customer.page.get_by_role("button", name="中文").click()
    expect(customer.said_by("bot").last).to_contain_text("You said: slow")
    customer.page.goto(server.url + "/login")
    customer.log_in()
    customer.page.wait_for_url(server.url + "/")
    assert customer.watch.foreign(server.url) == []
    assert any(url.startswith("ws://") for url in customer.watch.urls)
    assert customer.watch.complaints == []


def test_the_chat_is_fetched_only_when_it_is_opened(customer: Customer) -> None:
    customer.page.wait_for_load_state("networkidle")
    assert [url for url in customer.watch.urls if "/vendor/" in url] == []
    customer.open()
    assert {url.rsplit("/", 1)[1] for url in customer.watch.urls if "/vendor/" in url} == {
        "deepChat.bundle.js",
        "purify.es.mjs",
    }


def test_by_keyboard_alone(customer: Customer) -> None:
    page = customer.page
    focused = """() => { let one = document.activeElement;
                         while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
                         return one.getAttribute('aria-label') || one.innerText; }"""

    def tab_to(name: str, key: str = "Tab") -> None:
        for _ in range(30):
            if name in (page.evaluate(focused) or ""):
                return
            page.keyboard.press(key)
        raise AssertionError(f"{name!r} was not reached; at {page.evaluate(focused)!r}")

    tab_to("Chat with us")
    page.keyboard.press("Enter")
    customer.ready()
    expect(customer.input).to_be_focused()
    page.keyboard.type("please lock my card")
    page.keyboard.press("Enter")
    expect(customer.said_by("bot").last).to_contain_text("ending 4821")
    tab_to("Yes, lock it", "Shift+Tab")
    outline = """() => { let one = document.activeElement;
                         while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
                         return getComputedStyle(one).outlineStyle; }"""
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    expect(customer.said_by("bot").last).to_contain_text("Done: Yes, lock it")
    expect(customer.input).to_be_focused()
    page.keyboard.type("sent with space")
    tab_to("Send")
    page.keyboard.press(" ")
    expect(customer.said_by("bot").last).to_contain_text("You said: sent with space")
    tab_to("Skip to the content")  # on a desktop nothing traps the focus
    tab_to("Close the chat", "Shift+Tab")
    page.keyboard.press("Escape")
    expect(customer.panel).to_be_hidden()
    expect(customer.bubble).to_be_focused()


def test_a_chinese_input_method_may_use_enter(customer: Customer, server: WidgetServer) -> None:
    customer.open()
    customer.input.click()
    devices = customer.context.new_cdp_session(customer.page)
    devices.send("Input.imeSetComposition", {"text": "yu'e", "selectionStart": 4, "selectionEnd": 4})
    customer.input.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True, "composed": True})
    devices.send("Input.insertText", {"text": "你好"})
    expect(customer.input).to_have_text("你好")
    assert customer.transcript() == []
    customer.page.keyboard.press("Enter")
    expect(customer.said_by("bot").last).to_contain_text("您说的是：你好")


def test_names_for_screen_readers(customer: Customer) -> None:
    expect(customer.page.get_by_role("button", name="Chat with us")).to_have_attribute("aria-expanded", "false")
    customer.open().ask("hello", "You said: hello")
    page = customer.page
    expect(page.get_by_role("dialog", name="Chat with Harbour & Lane")).to_be_visible()
    expect(page.get_by_role("log", name="Conversation")).to_have_attribute("aria-live", "polite")
    expect(page.get_by_role("textbox", name="Write your question")).to_be_visible()
    expect(page.locator("deep-chat").get_by_role("button", name="Send")).to_be_visible()
    expect(page.get_by_role("button", name="Close the chat")).to_be_visible()
    expect(customer.own.last).to_have_text(re.compile("^You:hello"))
    expect(customer.said_by("bot").last).to_have_text(re.compile("^Assistant"))
    expect(customer.said_by("bot").last.locator(".body")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_on_a_phone_the_panel_fills_the_screen(browser: Browser, server: WidgetServer, locale: str) -> None:  # noqa: F811
    customer = Customer(browser, server, viewport=PHONE, locale=locale)
    page = customer.page
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    customer.open().ask("解锁" if locale == "zh-CN" else "unlock", "")
    assert customer.panel.bounding_box() == {"x": 0, "y": 0, **PHONE}
    for part in (
        customer.input,
        page.locator("deep-chat .input-button"),
        customer.panel.locator(".close"),
        customer.panel.locator(".person"),
    ):
        box = part.bounding_box()
        assert (
            box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] and box["y"] + box["height"] <= PHONE["height"]
        )
    wide = "all => all.filter(one => one.getBoundingClientRect().right > innerWidth).length"
    assert page.locator("deep-chat .message-bubble").evaluate_all(wide) == 0
    assert page.locator("main").evaluate("one => one.inert") is True
    page.set_viewport_size(DESKTOP)
    customer.wait_for("!document.querySelector('main').inert")
    customer.panel.locator(".close").click()
    expect(customer.panel).to_be_hidden()
    assert customer.watch.errors == []
    customer.close()


def test_chinese_from_the_browser_and_by_the_switch(browser: Browser, server: WidgetServer) -> None:  # noqa: F811
    customer = Customer(browser, server, locale="zh-CN")
    page = customer.page
    expect(page.get_by_role("heading", level=1)).to_have_text("风浪再大，账户也稳。")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    customer.open()
    expect(customer.said_by("bot").first).to_contain_text("智能助理，不是真人")
    customer.ask("怎么解锁银行卡？", "解锁后立即可用")
    expect(customer.said_by("bot").last.locator(".source")).to_have_text("来自帮助中心：如何解锁银行卡？ · 第 3 版")
    customer.ask("转人工", "已为您转接人工客服")
    expect(customer.banner).to_contain_text("周一至周五 09:00–18:00（伦敦时间）")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Banking that keeps an even keel.")
    expect(customer.banner).to_contain_text("Monday to Friday")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Banking that keeps an even keel.")
    customer.ready()
    expect(page.get_by_role("log", name="Conversation")).to_be_visible()
    customer.close()


def test_every_text_exists_in_both_languages() -> None:
    texts = {
        name: json.loads((WIDGET / "static" / "i18n" / f"chat.{name}.json").read_text("utf-8")) for name in ("en", "zh")
    }
    assert texts["en"].keys() == texts["zh"].keys()
    slots = {
        name: {key: set(re.findall(r"{\w+}", text)) for key, text in table.items() if isinstance(text, str)}
        for name, table in texts.items()
    }
    assert slots["en"] == slots["zh"]
    pages = "".join((WIDGET / "templates" / name).read_text("utf-8") for name in ("index.html", "login.html"))
    marked = set(re.findall(r'data-i18n(?:-label|-alt)?="([^"{]+)"', pages)) | {
        f"login.error.{code}" for code in ("invalid", "expired", "limited")
    }
    chinese = json.loads((WIDGET / "static" / "i18n" / "site.zh.json").read_text("utf-8"))
    assert marked == set(chinese)


def test_production_shows_no_demo_logins(browser: Browser) -> None:  # noqa: F811
    for mode, count in (("demo", 1), ("production", 0)):
        with WidgetServer(mode=mode) as server:
            customer = Customer(browser, server)
            customer.page.goto(server.url + "/login")
            expect(customer.page.locator("#username")).to_be_visible()
            assert customer.page.get_by_text("demo5-pass").count() == count
            customer.close()


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((WIDGET / "package-lock.json").read_text("utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
