"""What comes in, checked: text, message ids, buttons. All raise InvalidInputError with a code of `texts.ERRORS`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from bot.conversations.records import Conversation
from bot.shared.errors import InvalidInputError, PermissionDenied
from bot.shared.redaction import redact
from bot.shared.text import clean, detect_language, neutralise_commands
from bot.shared.tokens import Signer

BUTTON_KIND = "button"
_MESSAGE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
# Normalisation may lengthen text: what is far too long is refused before any work is done on it.
_RAW_FACTOR = 4


@dataclass(frozen=True)
class Incoming:
    """A message that may be accepted. `text` is clean and redacted; `event` is set for clicks and internal events.

    `message_id` is the client's own, which only has to be unique within its conversation.
    """

    message_id: str
    kind: str  # text, event
    text: str
    language: str
    event: dict[str, Any] | None = field(default=None)

    def message_key(self, conversation_id: str) -> str:
        """The message id of the inbox row, unique in the channel: no client can hit upon another conversation's."""
        return f"{conversation_id}:{self.message_id}"

    @property
    def payload(self) -> dict[str, Any]:
        """What the inbox row keeps beside the text."""
        return {"language": self.language, **({"event": self.event} if self.event else {})}


def client_message_id(inbox_message_id: str | None, conversation_id: str) -> str | None:
    """The client's own id back from an inbox row's."""
    return None if inbox_message_id is None else inbox_message_id.removeprefix(conversation_id + ":")


def read_object(raw: str | bytes) -> dict[str, Any]:
    """A JSON object; code `invalid_json` for anything else, however deep or broken."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError("not JSON", "invalid_json") from error
    if not isinstance(content, dict):
        raise InvalidInputError("not a JSON object", "invalid_json")
    return content


def read_message_id(raw: object) -> str:
    if not isinstance(raw, str) or not _MESSAGE_ID.fullmatch(raw):
        raise InvalidInputError("message id", "invalid_message_id")
    return raw


def read_text(raw: object, max_characters: int) -> str:
    """Clean text that Rasa will not take for a command, with card numbers masked; codes `empty`, `too_long`."""
    if not isinstance(raw, str):
        raise InvalidInputError("text is not a string", "empty")
    if len(raw) > max_characters * _RAW_FACTOR:
        raise InvalidInputError("text is too long", "too_long")
    text = clean(neutralise_commands(clean(raw)))
    if not text:
        raise InvalidInputError("text is empty", "empty")
    if len(text) > max_characters:
        raise InvalidInputError("text is too long", "too_long")
    return redact(text)


def text_message(message_id: object, raw: object, conversation: Conversation, max_characters: int) -> Incoming:
    text = read_text(raw, max_characters)
    return Incoming(read_message_id(message_id), "text", text, detect_language(text, conversation.language))


def button_message(message_id: object, token: object, conversation: Conversation, signer: Signer) -> Incoming:
    """A click on one of this conversation's buttons: what the button says counts, not what the client says it said."""
    try:
        button = signer.read(BUTTON_KIND, token)
    except PermissionDenied as error:
        code = "button_expired" if error.code == "token_expired" else "button_invalid"
        raise InvalidInputError("button", code) from error
    if button["conversation"] != conversation.id:
        raise InvalidInputError("button of another conversation", "button_invalid")
    message_id = read_message_id(message_id)
    if "text" in button:
        text = redact(clean(neutralise_commands(clean(button["text"]))))
        return Incoming(message_id, "text", text, detect_language(text, conversation.language))
    event = {"intent": button["intent"], "slots": button.get("slots") or {}}
    return Incoming(message_id, "event", redact(clean(button["title"])), conversation.language, event)


def login_event(conversation: Conversation, login_id: str) -> Incoming:
    """Tells the dialogue that the customer has logged in; it knows whether a request was waiting for that."""
    event = {"intent": "login_completed", "slots": {}}
    return Incoming(f"login:{login_id}", "event", "", conversation.language, event)
