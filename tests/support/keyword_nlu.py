"""Stand-ins for the trained model, so that tests of the dialogue need no training: keywords instead of an encoder.

`KeywordClassifier` sets intent, ranking, sentiment and entities; `KeywordRetriever` sets the FAQ hits.
"""

from __future__ import annotations

import re
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message

# The first pattern that matches wins.
INTENTS = (
    ("chitchat", r"joke|笑话"),
    ("request_human", r"\bperson\b|human|人工"),
    ("complaint", r"complain|投诉"),
    ("report_fraud", r"fraud|scam|诈骗"),
    ("report_lost_stolen_card", r"stolen|lost my card|被盗"),
    ("faq", r"\bhow\b|\bfees?\b|怎么|手续费"),
    ("unlock_card", r"unlock|解锁"),
    ("lock_card", r"\block\b|freeze|锁定"),
    ("check_balance", r"balance|余额"),
    ("list_transactions", r"transactions|交易"),
    ("transfer_money", r"send money|transfer|转账"),
    ("affirm", r"^(yes|sure|是的|好的)"),
    ("deny", r"^(no|不)"),
    ("cancel", r"cancel|never mind|取消"),
    ("greet", r"^(hello|hi)\b|你好"),
    ("inform", r"ending|尾号"),
)
FAQ_WORDS = (("card-unlock", r"unlock|解锁"), ("transfer-fee", r"fees?|手续费"))


class _StandIn(GraphComponent):
    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> _StandIn:
        return cls()


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class KeywordClassifier(_StandIn):
    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            text = str(message.get("text")).lower()
            name = next((intent for intent, pattern in INTENTS if re.search(pattern, text)), "nlu_fallback")
            others = [intent for intent, _ in INTENTS if intent != name][:8]
            ranking = [{"name": name, "confidence": 0.92}, *({"name": o, "confidence": 0.01} for o in others)]
            if "either" in text:  # two close guesses
                ranking = [{"name": n, "confidence": c} for n, c in (("lock_card", 0.4), ("unlock_card", 0.38))]
            negative = 0.97 if "!!!" in text else 0.02
            sentiment = {"label": "negative" if negative > 0.5 else "neutral", "score": 0.97, "negative": negative}
            message.set("intent", ranking[0], add_to_output=True)
            message.set("intent_ranking", ranking, add_to_output=True)
            message.set("sentiment", sentiment, add_to_output=True)
            entities = [
                {"entity": "card_last_four", "value": found[0], "start": found.start(), "end": found.end()}
                for found in re.finditer(r"(?<!\d)\d{4}(?!\d)", text)
            ]
            message.set("entities", entities, add_to_output=True)
        return messages


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class KeywordRetriever(_StandIn):
    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            text = str(message.get("text")).lower()
            hits = [
                {"id": entry, "score": 0.8, "language": "en", "text": entry}
                for entry, pattern in FAQ_WORDS
                if re.search(pattern, text)
            ]
            message.set("faq", {"hits": hits, "revision": 1}, add_to_output=True)
        return messages
