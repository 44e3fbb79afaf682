"""Rasa graph component at the end of the pipeline: sets the intent that the rules see (`bot.dialogue.routing`).

Reads `intent_ranking`, `nearest`, `entities` and `faq` (hits); the open form comes from the tracker.
Writes `intent`, a shortened `intent_ranking`, and `route`
{"kind", "candidates": [{"intent" | "faq_id", "title", "score"}]}.
"""

from __future__ import annotations

import dataclasses
import time
from functools import cache
from pathlib import Path
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.constants import ENTITIES, INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.utils.io import read_yaml_file

from bot.dialogue.routing import Candidate, Context, Thresholds, decide
from bot.dialogue.turn import current_turn
from bot.shared.text import detect_language

TITLES_FILE = Path(__file__).resolve().parents[1] / "data" / "intent_titles.yml"
# The whole ranking would travel with every event and every action call; nothing reads below the fifth place.
KEPT_INTENTS = 5


@cache
def intent_titles(path: Path = TITLES_FILE) -> dict[str, dict[str, str]]:
    """Button titles: {language: {intent: title}}."""
    return read_yaml_file(path)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class Router(GraphComponent):
    """Not trainable; its thresholds are configuration (`Thresholds`' field names in `config.yml`)."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return dataclasses.asdict(Thresholds())

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> Router:
        """Rasa's constructor; an unknown or impossible threshold is refused here, at start."""
        values = {name: float(config[name]) for name in cls.get_default_config()}
        wrong = [name for name, value in values.items() if not 0.0 <= value <= 1.0]
        if wrong:
            raise ValueError(f"config.yml, Router: {wrong[0]} must lie between 0 and 1")
        return cls(Thresholds(**values))

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds

    def process(self, messages: list[Message], tracker: DialogueStateTracker | None = None) -> list[Message]:
        """Decides each message in place. Rasa passes `tracker` because the parameter has that name."""
        for message in messages:
            self._process_one(message, tracker)
        turn = current_turn.get()
        if turn is not None:
            turn.nlu_done_at = time.perf_counter()
        return messages

    def _process_one(self, message: Message, tracker: DialogueStateTracker | None) -> None:
        ranking = message.get(INTENT_RANKING_KEY) or []
        hits = _best_per_entry((message.get("faq") or {}).get("hits") or [])
        entities = frozenset(entity["entity"] for entity in message.get(ENTITIES) or [])
        decision = decide(
            [(guess["name"], float(guess["confidence"])) for guess in ranking if guess.get("name")],
            [(hit["id"], float(hit["score"])) for hit in hits],
            _context(tracker, entities),
            self._thresholds,
            (message.get("nearest") or {}).get("similarity"),
        )
        titles = {hit["id"]: hit.get("text", "") for hit in hits}
        language = _language(message)
        message.set(INTENT, {"name": decision.intent, "confidence": decision.confidence}, add_to_output=True)
        message.set(INTENT_RANKING_KEY, ranking[:KEPT_INTENTS], add_to_output=True)
        message.set(
            "route",
            {
                "kind": decision.kind,
                "candidates": [_candidate(guess, titles, language) for guess in decision.candidates],
            },
            add_to_output=True,
        )


def _context(tracker: DialogueStateTracker | None, entities: frozenset[str]) -> Context:
    form = tracker.active_loop_name if tracker is not None else None
    if form is None:
        return Context(entities=entities)
    return Context(form, tracker.get_slot("requested_slot"), entities)


def _best_per_entry(hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Several phrasings of one entry count once."""
    best: dict[str, dict[str, Any]] = {}
    for hit in sorted(hits, key=lambda hit: -float(hit["score"])):
        best.setdefault(hit["id"], hit)
    return list(best.values())


def _language(message: Message) -> str:
    given = (message.get("metadata") or {}).get("language")
    return given if given in intent_titles() else detect_language(message.get(TEXT) or "")


def _candidate(guess: Candidate, faq_titles: dict[str, str], language: str) -> dict[str, Any]:
    if guess.faq_id is not None:
        return {"faq_id": guess.faq_id, "title": faq_titles.get(guess.faq_id, ""), "score": guess.score}
    title = intent_titles()[language].get(guess.intent, guess.intent)
    return {"intent": guess.intent, "title": title, "score": guess.score}
