"""Replies on their way out: what a button does becomes an opaque token that only its own conversation may use."""

from __future__ import annotations

from typing import Any

from bot.conversations.records import OutboxMessage
from bot.gateway.intake import BUTTON_KIND, client_message_id
from bot.shared.tokens import Signer

BUTTON_SECONDS = 24 * 3600


def public_payload(payload: dict[str, Any], conversation_id: str, signer: Signer) -> dict[str, Any]:
    """text, language, kind, buttons and source as a client may see them."""
    content: dict[str, Any] = {
        "text": str(payload.get("text", "")),
        "language": payload.get("language", "en"),
        "kind": payload.get("kind", "message"),
    }
    buttons = [_public_button(button, conversation_id, signer) for button in payload.get("buttons") or ()]
    if any(buttons):
        content["buttons"] = [button for button in buttons if button]
    if payload.get("source"):
        content["source"] = payload["source"]
    return content


def public_reply(message: OutboxMessage, signer: Signer) -> dict[str, Any]:
    """One reply as the widget and the API get it."""
    return {
        "id": message.id,
        "from": message.sender,
        **public_payload(message.payload, message.conversation_id, signer),
        "in_reply_to": client_message_id(message.in_reply_to, message.conversation_id),
    }


def _public_button(button: dict[str, Any], conversation_id: str, signer: Signer) -> dict[str, Any] | None:
    title = str(button.get("title", ""))
    url = button.get("url")
    if url is not None:
        # Only our own pages: nothing that a model or an editor wrote can send a customer elsewhere.
        is_ours = isinstance(url, str) and url.startswith("/") and not url.startswith("//") and "\\" not in url
        return {"title": title, "url": url} if is_ours else None
    content: dict[str, Any] = {"conversation": conversation_id, "title": title}
    if "intent" in button:
        content.update(intent=button["intent"], slots=button.get("slots") or {})
    else:
        content["text"] = str(button.get("text", title))
    return {"title": title, "token": signer.sign(BUTTON_KIND, content, BUTTON_SECONDS)}
