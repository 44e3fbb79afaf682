"""How an action speaks: one reply in the shape that docs/architecture.md fixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rasa_sdk.executor import CollectingDispatcher


def say(
    dispatcher: CollectingDispatcher,
    text: str,
    *,
    language: str,
    buttons: Sequence[Mapping[str, Any]] | None = None,
    kind: str = "message",
) -> None:
    """Adds a reply. `text` is markdown, `kind` is message, login, handoff or notice.

    A button is `{"title", "intent", "slots"}`, `{"title", "text"}` or `{"title", "url"}`.
    """
    custom: dict[str, Any] = {"kind": kind, "language": language}
    if buttons:
        custom["buttons"] = [dict(button) for button in buttons]
    dispatcher.utter_message(text=text, json_message=custom)
