"""Rasa graph component: the published FAQ entries nearest to a message. Not trained; it follows the live index."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.training_data.message import Message

from bot.shared.settings import Settings, load_settings
from knowledge_base.retrieval import Retriever

EMBEDDING_KEY = "sentence_embedding"  # set by AlbertClassifier, in memory only
ENCODER_KEY = "encoder_hash"
OUTPUT_KEY = "faq"


# An intent classifier that is not trained takes no part in training; a featurizer would run over all training data.
@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class FaqRetriever(GraphComponent):
    """Reads `sentence_embedding` and `encoder_hash`, sets `faq` = {"hits": [...], "revision": n} in plain Python types.

    Without an embedding, or without an index of that encoder, `hits` is empty. It changes no intent.
    """

    def __init__(self, config: dict[str, Any], settings: Settings) -> None:
        self._k = int(config["k"])
        self._settings = settings
        self._retriever: Retriever | None = None

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """`k`: how many entries to find."""
        return {"k": 5}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> FaqRetriever:
        """Opens nothing: the index is loaded with the first message."""
        return cls({**cls.get_default_config(), **config}, load_settings())

    def process(self, messages: list[Message]) -> list[Message]:
        """Adds `faq` to every message."""
        for message in messages:
            message.set(OUTPUT_KEY, self._faq(message), add_to_output=True)
        return messages

    def _faq(self, message: Message) -> dict[str, Any]:
        embedding, encoder_hash = message.get(EMBEDDING_KEY), message.get(ENCODER_KEY)
        if embedding is None or not encoder_hash:
            return {"hits": [], "revision": 0}
        if self._retriever is None or self._retriever.encoder_hash != encoder_hash:
            self._retriever = Retriever(
                self._settings.var_path / "index", encoder_hash, device=self._settings.faiss_device
            )
        hits, revision = self._retriever.search_with_revision(embedding, self._k)
        found = [
            {"id": hit.entry_id, "score": hit.score, "language": hit.language, "text": hit.text} for hit in hits
        ]
        return {"hits": found, "revision": revision}
