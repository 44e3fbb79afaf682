"""A deterministic stand-in for nlu_models.encoder.Encoder: words hashed into buckets, no weights, microseconds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np


class FakeEncoder:
    """Same interface as Encoder's `hash`, `dimension`, `encode`. Texts that share words lie close to each other.

    `encoded` lists every text it was asked for, so that a test can see what was encoded again.
    """

    def __init__(self, name: str = "fake", dimension: int = 384) -> None:
        self.hash = name
        self.dimension = dimension
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dimension], unit length; one bucket a word, one a Chinese character."""
        self.encoded.extend(texts)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for position, text in enumerate(texts):
            for word in re.findall(r"[a-z0-9]+|[\u4e00-\u9fff]", text.lower()) or ["?"]:
                digest = hashlib.sha256(f"{self.hash} {word}".encode()).digest()
                vectors[position, int.from_bytes(digest[:4], "big") % self.dimension] += 1.0
            vectors[position] /= np.linalg.norm(vectors[position])
        return vectors
