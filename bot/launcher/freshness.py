"""Whether the trained model still fits what it is trained from: one hash over the bot's data, domain, config and training code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from bot.shared.settings import ROOT

INPUTS = (
    "config.yml",
    "bot/domain/*.yml",
    "bot/data/nlu/*.yml",
    "bot/data/rules/*.yml",
    "bot/data/*.csv",
    "bot/data/*.yml",
    "nlu_models/*.py",
    "nlu_models/rasa_components/*.py",
    "nlu_models/entities/*.py",
    "nlu_models/pretrained/*.json",
    "nlu_models/pretrained/*.safetensors",
    "knowledge_base/rasa_components/*.py",
    "bot/dialogue/router.py",
    "bot/dialogue/routing.py",
)


@dataclass(frozen=True)
class TrainedModel:
    """What the last training left: the Rasa archive, the encoder's hash, and the hash of what it was trained from."""

    archive: Path
    encoder: str
    inputs: str
    seconds: float


def inputs_hash(base_model: str, root: Path = ROOT) -> str:
    """sha256 over the names and contents of everything the trained model depends on."""
    digest = hashlib.sha256(base_model.encode())
    for pattern in INPUTS:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(root)).encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read(var_path: Path) -> TrainedModel | None:
    """The last complete training, or None when there is none or its files are gone."""
    try:
        saved = json.loads((var_path / "models" / "trained.json").read_text(encoding="utf-8"))
        found = TrainedModel(
            var_path / "models" / saved["archive"], saved["encoder"], saved["inputs"], saved["seconds"]
        )
    except (OSError, ValueError, KeyError):
        return None
    complete = found.archive.is_file() and (var_path / "models" / "encoder" / found.encoder / "manifest.json").is_file()
    return found if complete else None


def write(var_path: Path, trained: TrainedModel) -> None:
    """Records a training, as the last step of it, by atomic rename."""
    file = var_path / "models" / "trained.json"
    part = file.with_suffix(".part")
    part.write_text(
        json.dumps(
            {
                "archive": str(trained.archive.relative_to(var_path / "models")),
                "encoder": trained.encoder,
                "inputs": trained.inputs,
                "seconds": round(trained.seconds, 1),
            },
            indent=2,
        )
        + "\n"
    )
    part.replace(file)
