"""Rasa graph component: the rule-based entities of `nlu_models.entities`, in Rasa's format."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import (
    ENTITIES,
    ENTITY_ATTRIBUTE_END,
    ENTITY_ATTRIBUTE_START,
    ENTITY_ATTRIBUTE_TYPE,
    ENTITY_ATTRIBUTE_VALUE,
    EXTRACTOR,
    TEXT,
)
from rasa.shared.nlu.training_data.message import Message

from bot.shared.settings import load_settings
from nlu_models.entities import extract


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class EntityExtractor(GraphComponent):
    """Adds amount, currency, account_type, card_last_four and date_range to a message's entities.

    Each entity has Rasa's keys (`entity`, `value`, `start`, `end`, `extractor`) and `raw`, the customer's own words.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """`timezone`: where "today" is; None takes TELLER_TIMEZONE."""
        return {"timezone": None}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> EntityExtractor:
        """Called by Rasa's graph; nothing is stored in the model."""
        return cls({**cls.get_default_config(), **config})

    def __init__(self, config: dict[str, Any]) -> None:
        self._timezone = ZoneInfo(config["timezone"] or load_settings().timezone)

    def process(self, messages: list[Message]) -> list[Message]:
        """Appends the entities of every message that has text."""
        today = datetime.now(self._timezone).date()
        for message in messages:
            found = [
                {
                    ENTITY_ATTRIBUTE_TYPE: entity.type,
                    ENTITY_ATTRIBUTE_START: entity.start,
                    ENTITY_ATTRIBUTE_END: entity.end,
                    ENTITY_ATTRIBUTE_VALUE: entity.value,
                    EXTRACTOR: type(self).__name__,
                    "raw": entity.raw,
                }
                for entity in extract(message.get(TEXT) or "", today)
            ]
            message.set(ENTITIES, message.get(ENTITIES, []) + found, add_to_output=True)
        return messages
