"""Writes a fine-tuned model as a serving folder (`nlu_models.encoder`): ONNX fp32, tokenizer, training embeddings, manifest."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from nlu_models import modeling
from nlu_models.encoder import Encoder, write_manifest
from nlu_models.errors import ModelError
from nlu_models.finetuning import SENTIMENTS, MultiTaskModel, Trained

TOLERANCE = 2e-4  # largest difference allowed between ONNX Runtime and torch, on unit embeddings and on logits / 10


def export(
    trained: Trained,
    tokenizer: Tokenizer,
    intent_examples: Sequence[tuple[str, str]],
    sentiment_examples: Sequence[tuple[str, str]],
    folder: Path,
) -> dict:
    """Exports to `folder`, reloads it and compares with torch; returns the manifest. Raises ModelError when they differ.

    The examples' embeddings go with the model: the nearest of them have a say in every decision (`nlu_models.encoder`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = trained.model.cpu().eval()
    # The exporter cannot trace the fused attention kernel's dynamic shapes; the plain one gives the same numbers.
    model.base.config._attn_implementation = "eager"
    ids, mask = modeling.batch(tokenizer, ["how do I unlock my card?", "你好"])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (ids, mask),
            str(folder / "model.onnx"),
            dynamo=False,
            opset_version=17,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding", "intent", "sentiment"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in ("input_ids", "attention_mask")}
            | {name: {0: "batch"} for name in ("embedding", "intent", "sentiment")},
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    saved = {}
    for name, examples, labels in (
        ("intent", intent_examples, trained.intents),
        ("sentiment", sentiment_examples, list(SENTIMENTS)),
    ):
        vectors = modeling.encode(model.base, tokenizer, [text for text, _ in examples])
        saved[f"{name}_embeddings"] = vectors.numpy().astype(np.float16)
        saved[f"{name}_labels"] = np.array([labels.index(label) for _, label in examples], np.int32)
    np.savez(folder / "examples.npz", **saved)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    manifest = write_manifest(
        folder,
        dimension=model.base.config.hidden_size,
        intents=trained.intents,
        sentiments=list(SENTIMENTS),
        temperature=trained.temperature,
        report=trained.report,
    )
    texts = [text for text, _ in intent_examples]
    _compare(model, tokenizer, folder, texts[:: max(1, len(texts) // 40)])
    return manifest


@torch.no_grad()
def _compare(model: MultiTaskModel, tokenizer: Tokenizer, folder: Path, texts: Sequence[str]) -> None:
    encoder = Encoder.load(folder)
    for text in texts:
        ids, mask = modeling.batch(tokenizer, [text])
        expected = model(ids, mask)
        actual = encoder._forward([text])
        for name, ours, theirs, scale in zip(("embedding", "intent", "sentiment"), actual, expected, (1, 10, 10)):
            difference = float(np.abs(ours - theirs.numpy()).max()) / scale
            if difference > TOLERANCE:
                raise ModelError(
                    f"the exported {name} differs from torch by {difference:.1e} (allowed {TOLERANCE:.0e})"
                )
