"""What a customer does with the widget, as verbs for tests."""

from __future__ import annotations

import time

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.browser import Watch
from tests.support.widget_server import WidgetServer

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=15_000)  # the machine may be busy with other tests


class Customer:
    """One customer's browser window on the bank's page."""

    def __init__(
        self, browser: Browser, server: WidgetServer, *, viewport: dict[str, int] = DESKTOP, locale: str = "en-GB"
    ) -> None:
        self.server = server
        self.context: BrowserContext = browser.new_context(viewport=viewport, locale=locale, reduced_motion="reduce")
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.watch = Watch(self.page)
        self.visit()

    def visit(self) -> None:
        self.page.goto(self.server.url)
        expect(self.page.locator("#teller-chat section.panel")).to_be_attached()

    def open(self) -> Customer:
        self.bubble.click()
        return self.ready()

    def ready(self) -> Customer:
        """The chat is drawn and its socket has said hello."""
        expect(self.input).to_be_visible()
        self.wait_for("JSON.parse(sessionStorage.getItem('teller.chat')).active > 0")
        return self

    def wait_for(self, expression: str, seconds: float = 15.0) -> None:
        """Until the expression is true. Playwright's own wait evaluates a string, which the page's policy forbids."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            self.page.wait_for_timeout(50)

    def say(self, text: str) -> None:
        self.input.click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def ask(self, text: str, answer: str) -> None:
        self.say(text)
        expect(self.said_by("bot").filter(has_text=answer).last).to_be_visible()

    def log_in(self, user: str = "demo1") -> None:
        """On the login page."""
        self.page.fill("#username", user)
        self.page.fill("#password", f"{user}-pass")
        self.page.click("form .button-primary")

    @property
    def bubble(self) -> Locator:
        return self.page.locator("#teller-chat button.bubble")

    @property
    def panel(self) -> Locator:
        return self.page.locator("#teller-chat section.panel")

    @property
    def banner(self) -> Locator:
        return self.page.locator("#teller-chat .banner")

    @property
    def input(self) -> Locator:
        return self.page.locator("deep-chat #text-input")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def own(self) -> Locator:
        """What the customer said."""
        return self.page.locator("deep-chat .user-message-text")

    def said_by(self, sender: str) -> Locator:
        """Bubbles of bot, agent or system."""
        return self.page.locator(f"deep-chat .from-{sender}")

    def transcript(self) -> list[str]:
        """The visible words of every bubble after the greeting, in order."""
        bubbles = self.page.locator("deep-chat .outer-message-container:not([data-intro]) .message-bubble")
        return bubbles.evaluate_all("""all => all.map((one) => {
          const copy = one.cloneNode(true);
          for (const extra of copy.querySelectorAll(".visually-hidden, .author, .buttons, .source")) extra.remove();
          return copy.textContent.trim();
        })""")

    def close(self) -> None:
        self.context.close()
