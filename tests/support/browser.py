"""A real headless Chromium for browser tests, and a page that writes down what a customer must never see happen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; without it the test fails under CI=true and is skipped elsewhere, with the command that installs it."""
    if not CHROMIUM.exists():
        reason = "Chromium is missing; as root: apt-get install -y chromium fonts-noto-cjk"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield launched
        launched.close()


class Watch:
    """What happened on a page: `urls` requested, `complaints` of the console, `errors` thrown by scripts."""

    def __init__(self, page: Page) -> None:
        self.urls: list[str] = []
        self.complaints: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.urls.append(request.url))
        page.on("websocket", lambda connected: self.urls.append(connected.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and self.complaints.append(line.text))

    def foreign(self, origin: str) -> list[str]:
        """Requests that left `origin` (http://host:port)."""
        ours = (origin, origin.replace("http", "ws", 1), "data:", "blob:")
        return [url for url in self.urls if not url.startswith(ours)]
