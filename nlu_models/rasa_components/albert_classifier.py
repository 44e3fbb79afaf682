"""Rasa graph component: ALBERT fine-tuned inside `rasa train`, served through ONNX Runtime.

One forward pass a message gives the intent ranking, the sentiment and the sentence embedding that FAQ retrieval searches with.
torch and transformers are imported while training only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import INTENT, INTENT_RANKING_KEY, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.shared.errors import SettingsError
from bot.shared.settings import ROOT, load_settings
from nlu_models.encoder import Encoder

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parents[1]
# What decides the trained model besides its training data and options.
SOURCES = ("finetuning.py", "modeling.py", "augmentation.py", "export.py", "encoder.py", "own_data.py", "tokenizer.py")
# Their examples carry no feeling and teach what neutral is, off-topic questions above all: without them "what's the weather" is
# taken for anger, being like nothing in the sentiment data.
NEUTRAL_INTENTS = frozenset({"nlu_fallback", "check_balance", "exchange_rate", "transfer_money"})
EMBEDDING_KEY = "sentence_embedding"
_TRAINING_OPTIONS = (
    "epochs",
    "batch_size",
    "learning_rate",
    "head_learning_rate",
    "weight_decay",
    "label_smoothing",
    "sentiment_weight",
    "preserve_weight",
    "dropout",
    "augment",
    "held_back",
    "patience",
    "seed",
)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class AlbertClassifier(GraphComponent):
    """Options: `base_model` (a path below the project, any path, or a hub name; None: TELLER_BASE_MODEL), `faq_data` and
    `sentiment_data` (CSV files), and the training arguments of `nlu_models.finetuning.FineTuningOptions` (None: its default)."""

    def __init__(
        self, config: dict[str, Any], storage: ModelStorage, resource: Resource, encoder: Encoder | None = None
    ) -> None:
        self._config = config
        self._storage = storage
        self._resource = resource
        self._encoder = encoder

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        files = {
            "base_model": None,
            "faq_data": "bot/data/faq.csv",
            "sentiment_data": "bot/data/sentiment.csv",
        }
        return {**files, **{name: None for name in _TRAINING_OPTIONS}}

    @staticmethod
    def required_packages() -> list[str]:
        return ["onnxruntime", "tokenizers"]

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str | None:
        """Rasa's own fingerprint sees this class only: add the package's sources, the base's weights and our data files."""
        digest = hashlib.sha256()
        for name in SOURCES:
            digest.update((PACKAGE / name).read_bytes())
        merged = {**cls.get_default_config(), **config}
        for name in (_base_model(merged), merged["faq_data"], merged["sentiment_data"]):
            path = _resolve(name)
            files = sorted([*path.glob("*.json"), *path.glob("*.safetensors")]) if path.is_dir() else [path]
            for file in files:
                if file.is_file():
                    digest.update(file.name.encode())
                    digest.update(file.read_bytes())
        return digest.hexdigest()

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> AlbertClassifier:
        """Rasa's constructor for training; an unknown option is refused here."""
        unknown = sorted(set(config) - set(cls.get_default_config()))
        if unknown:
            raise SettingsError(f"config.yml, AlbertClassifier: unknown option {unknown[0]!r}")
        return cls(config, model_storage, resource)

    def train(self, training_data: TrainingData) -> Resource:
        """Fine-tunes, exports and persists; returns the resource. Prints what the held-back split measured."""
        from nlu_models import export, finetuning, modeling, own_data

        started = time.perf_counter()
        given = {name: self._config[name] for name in _TRAINING_OPTIONS if self._config.get(name) is not None}
        options = dataclasses.replace(finetuning.FineTuningOptions(), **given)
        examples = [(message.get(TEXT), message.get(INTENT)) for message in training_data.intent_examples]
        examples += own_data.faq_examples(_resolve(self._config["faq_data"]))
        feelings = own_data.sentiment_examples(_resolve(self._config["sentiment_data"]))
        known = {text for text, _ in feelings}
        feelings += [(text, "neutral") for text, intent in examples if intent in NEUTRAL_INTENTS and text not in known]
        name = _base_model(self._config)
        base, tokenizer = modeling.load_base(_resolve(name) if _resolve(name).exists() else name)
        trained = finetuning.fine_tune(base, tokenizer, examples, feelings, options)
        # Exported beside the archive first, so that a failed export leaves no half-written model behind.
        with tempfile.TemporaryDirectory() as scratch:
            export.export(trained, tokenizer, examples, feelings, Path(scratch))
            with self._storage.write_to(self._resource) as folder:
                shutil.copytree(scratch, folder, dirs_exist_ok=True)
        report = ", ".join(f"{name} {value:.3f}" for name, value in trained.report.items())
        logger.info("ALBERT fine-tuned in %.0f s: %s", time.perf_counter() - started, report)
        return self._resource

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """No later component learns from this one's output."""
        return training_data

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> AlbertClassifier:
        """Loads the encoder persisted by `train`. Raises ModelError when its files are damaged."""
        with model_storage.read_from(resource) as folder:
            return cls(config, model_storage, resource, Encoder.load(folder))

    def process(self, messages: list[Message]) -> list[Message]:
        """Adds intent, intent_ranking, sentiment and nearest to the output, and the embedding in memory only."""
        for message in messages:
            text = message.get(TEXT)
            if text:
                self._process_one(message, text)
        return messages

    def _process_one(self, message: Message, text: str) -> None:
        language = (message.get("metadata") or {}).get("language")
        understood = self._encoder.run(text, language)
        ranking = [{"name": name, "confidence": probability} for name, probability in understood.intents]
        label, score = max(understood.sentiment.items(), key=lambda item: item[1])
        message.set(INTENT, dict(ranking[0]), add_to_output=True)
        message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        message.set(
            "sentiment",
            {"label": label, "score": score, "negative": understood.sentiment["negative"]},
            add_to_output=True,
        )
        message.set(
            "nearest", {"intent": understood.nearest[0], "similarity": understood.nearest[1]}, add_to_output=True
        )
        # Not part of the output: a numpy array in there breaks the tracker.
        message.set(EMBEDDING_KEY, understood.embedding)
        message.set("encoder_hash", self._encoder.hash)


def _base_model(config: dict[str, Any]) -> str:
    return config["base_model"] or load_settings().base_model


def _resolve(name: str) -> Path:
    path = Path(name)
    return path if path.is_absolute() else ROOT / path
