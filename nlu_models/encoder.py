"""Serving the classifier: ONNX Runtime and `tokenizers` only, one forward pass a message.

A model folder holds `model.onnx` (inputs input_ids and attention_mask, [batch, tokens] int64; outputs embedding [batch, 384],
intent logits, sentiment logits), `tokenizer.json`, `examples.npz` (the training messages' embeddings) and `manifest.json` with a
sha256 of each file. A folder whose files do not match its manifest is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot.shared.errors import ModelError

MANIFEST = "manifest.json"
MAXIMUM_TOKENS = 128
BATCH = 32


@dataclass(frozen=True)
class Understanding:
    """One message understood.

    `embedding`: [dimension] float32, unit length. `intents`: (name, calibrated probability), best first.
    `sentiment`: label -> probability. `nearest`: the intent and cosine similarity of the closest training message.
    """

    embedding: np.ndarray
    intents: list[tuple[str, float]]
    sentiment: dict[str, float]
    nearest: tuple[str, float]


class Encoder:
    """A loaded model folder. Thread-safe: ONNX Runtime sessions are, and nothing else changes after loading."""

    def __init__(self, session, tokenizer, manifest: dict, examples: np.ndarray, example_intents: np.ndarray) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._examples = examples
        self._example_intents = example_intents
        self.hash: str = manifest["hash"]
        self.dimension: int = manifest["dimension"]
        self.intents: list[str] = manifest["intents"]
        self.sentiments: list[str] = manifest["sentiments"]
        self.temperature: dict[str, float] = manifest["temperature"]

    @classmethod
    def load(cls, folder: Path | str, threads: int = 1) -> Encoder:
        """Loads and verifies `folder`; raises ModelError when a file is missing or does not match the manifest."""
        import onnxruntime
        from tokenizers import Tokenizer

        folder = Path(folder)
        manifest = read_manifest(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            with np.load(folder / "examples.npz") as saved:
                examples, intents = saved["embeddings"].astype(np.float32), saved["intents"]
        except Exception as error:  # onnxruntime and tokenizers raise bare exceptions
            raise ModelError(f"cannot load the model in {folder}: {error}") from error
        tokenizer.enable_truncation(MAXIMUM_TOKENS)
        tokenizer.enable_padding(pad_id=tokenizer.token_to_id("<pad>") or 0, pad_token="<pad>")
        return cls(session, tokenizer, manifest, examples, intents)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """[len(texts), dimension] float32, unit length. Texts of similar length share a batch."""
        result = np.zeros((len(texts), self.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            result[chosen] = self._forward([texts[index] for index in chosen])[0]
        return result

    def run(self, text: str, language: str | None = None) -> Understanding:
        """One pass over one message: embedding, intents, sentiment, nearest training message.

        `language` chooses the calibration ("en" or "zh"); None takes "en" unless the text holds Chinese characters.
        """
        if language not in self.temperature:
            language = "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"
        embedding, intents, sentiments = (output[0] for output in self._forward([text]))
        probabilities = _softmax(intents / self.temperature[language])
        ranking = sorted(zip(self.intents, probabilities.tolist()), key=lambda item: -item[1])
        feelings = dict(zip(self.sentiments, _softmax(sentiments).tolist()))
        similarities = self._examples @ embedding
        closest = int(similarities.argmax())
        nearest = (self.intents[int(self._example_intents[closest])], float(similarities[closest]))
        return Understanding(embedding, ranking, feelings, nearest)

    def _forward(self, texts: list[str]) -> list[np.ndarray]:
        encodings = self._tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        return self._session.run(["embedding", "intent", "sentiment"], {"input_ids": ids, "attention_mask": mask})


def read_manifest(folder: Path) -> dict:
    """The folder's manifest, after checking every file against it. Raises ModelError."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} holds no readable model manifest: {error}") from error
    for name, expected in files.items():
        try:
            actual = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"{folder / name} is missing: {error}") from error
        if actual != expected:
            raise ModelError(f"{folder / name} is damaged: its checksum is not the manifest's")
    return manifest


def write_manifest(folder: Path, **values: object) -> dict:
    """Writes `manifest.json` over the folder's files; `hash` is what an index is paired with (model and tokenizer)."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST
    }
    digest = hashlib.sha256((files["model.onnx"] + files["tokenizer.json"]).encode()).hexdigest()[:16]
    manifest = {"hash": digest, "files": files, **values}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def current_folder(var_path: Path) -> Path:
    """Where the encoder in service lives (a link that training moves)."""
    return var_path / "models" / "encoder" / "current"


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return shifted / shifted.sum()
