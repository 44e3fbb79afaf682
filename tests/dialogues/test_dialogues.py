"""Every conversation of `dialogues.yml`, live: gateway, Rasa with the trained model, action server, databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

DIALOGUES = yaml.safe_load((Path(__file__).parent / "dialogues.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=[dialogue["name"] for dialogue in DIALOGUES])
def test_dialogue(stack, dialogue: dict[str, Any]) -> None:
    chat = stack.conversation(dialogue.get("user"))
    for step in dialogue["steps"]:
        answer = chat.say(step["say"]) if "say" in step else chat.press(step["press"])
        result = answer["result"]
        shown = f"{step} -> {result} {chat.text!r} {chat.buttons}"
        for key, name in (("intent", "intent"), ("faq", "faq_id"), ("language", "language")):
            if key in step:
                assert result[name] == step[key], shown
        if "handoff" in step:
            assert bool(result["handoff"]) is step["handoff"], shown
        if "state" in step:
            assert answer["state"] == step["state"], shown
        if "says" in step:
            assert any(part in chat.text for part in step["says"].split("|")), shown
        if "never" in step:
            assert step["never"] not in chat.text, shown
        for title in step.get("buttons", []):
            assert title in chat.buttons, shown
        if result.get("faq_id"):
            assert any(reply.get("source", {}).get("faq_id") == result["faq_id"] for reply in answer["replies"]), shown
