"""What the customer reads when a conversation moves between the bot and a person."""

from __future__ import annotations

from typing import Any

_TEXTS = {
    "joined": {
        "en": "A colleague has joined the chat and will answer you from here.",
        "zh": "人工客服已接入，接下来由同事为您解答。",
    },
    "returned": {
        "en": "Our colleague has left the chat. I'm the automated assistant again: what else can I do for you?",
        "zh": "人工客服已结束对话，现在由智能助手继续为您服务。请问还有什么可以帮您？",
    },
    "timed_out": {
        "en": "I'm sorry, none of our colleagues is free at the moment. I'm back to help you as far as I can. "
        "Say “human” to join the queue again.",
        "zh": "很抱歉，目前没有空闲的人工客服。智能助手会继续尽力为您解答；如需再次排队，请发送“人工”。",
    },
}


def notice(name: str, language: str) -> dict[str, Any]:
    """The outbox payload of a system notice: `joined`, `returned` or `timed_out`."""
    texts = _TEXTS[name]
    return {"text": texts.get(language, texts["en"]), "language": language, "kind": "notice"}
