"""Customers, replies and transcripts of the stand-in gateway: a word in a message decides what it brings about."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from fastapi import WebSocket

NAMES = ("Amelia Reed", "Wei Chen", "Tom Hall", "Li Na", "Priya Shah")
CUSTOMERS = {f"demo{number}": name for number, name in enumerate(NAMES, 1)}

HOSTILE = (
    '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> **bold** '
    "[go](javascript:window.hacked=1) [away](https://evil.example/x) [proto](//evil.example) "
    '![pixel](https://evil.example/p.png) ["><img src=x onerror=window.hacked=1>](/faq) [ours](/faq/card)'
)
UNLOCK = {
    "en": "To unlock your card:\n\n1. Log in and open **Cards**\n2. Choose the card\n3. Press **Unlock**\n\n"
    "It works again at once. [More help](/help)",
    "zh": "解锁银行卡：\n\n1. 登录后打开**银行卡**\n2. 选择要解锁的卡\n3. 点击**解锁**\n\n"
    "解锁后立即可用。[更多帮助](/help)",
}


@dataclass
class Conversation:
    """One conversation's transcript, outbox counter and connected sockets."""

    id: str
    customer: str | None = None
    state: str = "bot"
    closed: bool = False
    waiting_for_login: bool = False
    entries: list[dict[str, Any]] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)  # message id -> how often it arrived
    sockets: set[WebSocket] = field(default_factory=set)
    tokens: dict[str, str] = field(default_factory=dict)  # button token -> title

    def answer(self, text: str) -> dict[str, Any] | None:
        """The scripted reply's payload; None keeps quiet (a person is in charge)."""
        chinese = any("\u4e00" <= letter <= "\u9fff" for letter in text)
        language = "zh" if chinese else "en"
        lower = text.lower()

        def reply(en: str, zh: str, **more: Any) -> dict[str, Any]:
            return {"text": zh if chinese else en, "language": language, "kind": "message", **more}

        if self.state == "agent":
            return None
        if any(word in lower for word in ("person", "human", "人工")):
            self.state = "waiting"
            return reply("I have asked a colleague to join.", "已为您转接人工客服。", kind="handoff")
        if "unlock" in lower or "解锁" in text:
            question = "如何解锁银行卡？" if chinese else "How do I unlock my card?"
            source = {"faq_id": "card-unlock", "question": question, "revision": 3, "score": 0.93}
            return reply(UNLOCK["en"], UNLOCK["zh"], source=source)
        if "balance" in lower or "余额" in text:
            if self.customer:
                return self.balance(language)
            self.waiting_for_login = True
            button = {"title": "登录" if chinese else "Log in", "url": "/login"}
            return reply("Please log in first, then I go on.", "请先登录，我再继续。", kind="login", buttons=[button])
        if "lock" in lower or "锁" in text:
            titles = ("是", "否") if chinese else ("Yes, lock it", "No")
            buttons = [{"title": title, "token": self.sign(title)} for title in titles]
            return reply("Lock the card ending 4821?", "要锁定尾号 4821 的卡吗？", buttons=buttons)
        if "hostile" in lower:
            buttons = [
                {"title": "<b>tag</b>", "token": self.sign("tag")},
                {"title": "bad", "url": "javascript:alert(1)"},
            ]
            source = {"faq_id": "x", "question": "<img src=x onerror=window.hacked=1>", "revision": 1, "score": 1.0}
            return reply(HOSTILE, HOSTILE, buttons=buttons, source=source)
        return reply(f"You said: {text}", f"您说的是：{text}")

    def balance(self, language: str) -> dict[str, Any]:
        en, zh = "Your everyday account holds **GBP 1,204.50**.", "您的日常账户余额为 **GBP 1,204.50**。"
        text = zh if language == "zh" else en
        return {"text": text, "language": language, "kind": "message"}

    def sign(self, title: str) -> str:
        token = secrets.token_urlsafe(12)
        self.tokens[token] = title
        return token
