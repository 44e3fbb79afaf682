"""From a response of the domain to a reply: the variation that fits, its placeholders, its buttons. No Rasa here."""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bot.shared.errors import InvalidInputError

logger = logging.getLogger(__name__)

# What a variation's metadata may ask for, beside the language, with its weight; the rest describes the reply.
CONDITIONS = {"open": 1, "authenticated": 2, "intent": 4}

_PLACEHOLDER = re.compile(r"{(\w+)}")
_PAYLOAD = re.compile(r"/(\w+)\s*(\{.*\})?", re.DOTALL)


def choose(variations: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], turn: int = 0) -> dict[str, Any] | None:
    """A copy of the variation that fits `facts` ({"language", "authenticated", "intent", "open"}).

    The most specific one wins; `turn` makes equally specific ones alternate. Without a variation in the
    language, one of any language is better than silence. None when nothing fits at all.
    """
    fitting = [v for v in variations if _fits(v, facts, "language", *CONDITIONS)]
    fitting = fitting or [v for v in variations if _fits(v, facts, *CONDITIONS)]
    if not fitting:
        return None
    most = max(_specificity(v) for v in fitting)
    best = [v for v in fitting if _specificity(v) == most]
    return copy.deepcopy(dict(best[turn % len(best)]))


def fill(text: str, values: Mapping[str, Any]) -> str:
    """`text` with {name} replaced by its value. One without a value vanishes and is logged: nobody sees braces."""

    def replacement(match: re.Match) -> str:
        value = values.get(match[1])
        if value is None:
            logger.error("response placeholder {%s} has no value", match[1])
        return "" if value is None else str(value)

    return _PLACEHOLDER.sub(replacement, text)


def button(source: Mapping[str, Any]) -> dict[str, Any]:
    """A button in the reply's shape from ours or from Rasa's (`payload: /intent{"slot": value}`).

    Raises InvalidInputError for one that does nothing.
    """
    title = str(source.get("title") or "")
    if "url" in source:
        return {"title": title, "url": source["url"]}
    if "intent" in source:
        return {"title": title, "intent": source["intent"], "slots": dict(source.get("slots") or {})}
    if "text" in source:
        return {"title": title, "text": source["text"]}
    match = _PAYLOAD.fullmatch(str(source.get("payload") or ""))
    if not match:
        raise InvalidInputError(f"button {title!r} does nothing")
    return {"title": title, "intent": match[1], "slots": json.loads(match[2]) if match[2] else {}}


def reply(message: Mapping[str, Any], language: str) -> dict[str, Any] | None:
    """A reply (docs/architecture.md, "A reply") from what Rasa sends: a text with buttons, a `custom` object, or both.

    None when there is nothing to show.
    """
    custom = message.get("custom") if isinstance(message.get("custom"), Mapping) else {}
    metadata = message.get("metadata") if isinstance(message.get("metadata"), Mapping) else {}
    parts = {**metadata, **{key: value for key, value in message.items() if value}, **custom}
    text = parts.get("text")
    if not text:
        return None
    made: dict[str, Any] = {
        "text": text,
        "language": custom.get("language") or message.get("language") or language,
        "kind": parts.get("kind") or "message",
    }
    buttons = [button(source) for source in parts.get("buttons") or parts.get("quick_replies") or []]
    if buttons:
        made["buttons"] = buttons
    if parts.get("source"):
        made["source"] = dict(parts["source"])
    return made


def _fits(variation: Mapping[str, Any], facts: Mapping[str, Any], *names: str) -> bool:
    metadata = variation.get("metadata") or {}
    return all(name not in metadata or metadata[name] == facts.get(name) for name in names)


def _specificity(variation: Mapping[str, Any]) -> int:
    return sum(weight for name, weight in CONDITIONS.items() if name in (variation.get("metadata") or {}))
