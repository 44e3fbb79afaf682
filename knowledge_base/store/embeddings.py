"""Embeddings that were computed once, by (encoder hash, text hash)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.engine import Engine

from knowledge_base.store.tables import embeddings

_CHUNK = 400  # SQLite takes at most 999 parameters in older builds


def text_hash(text: str) -> str:
    """SHA-256 of the text as UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class EmbeddingCache:
    """Vectors in the knowledge database, so that an edit re-encodes only what it changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(readonly=True)

    def load(self, encoder_hash: str, hashes: Iterable[str]) -> dict[str, np.ndarray]:
        """{text hash: float32 [dimension]} of those that are known."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[str, np.ndarray] = {}
        with self._reader.connect() as connection:
            for start in range(0, len(wanted), _CHUNK):
                query = select(embeddings.c.text_hash, embeddings.c.vector).where(
                    embeddings.c.encoder_hash == encoder_hash,
                    embeddings.c.text_hash.in_(wanted[start:start + _CHUNK]),
                )
                for row in connection.execute(query):
                    found[row.text_hash] = np.frombuffer(row.vector, dtype="<f4")
        return found

    def save(self, encoder_hash: str, vectors: Mapping[str, np.ndarray]) -> None:
        """Adds the vectors that are not there yet."""
        known = self.load(encoder_hash, vectors)
        rows = [
            {
                "encoder_hash": encoder_hash,
                "text_hash": key,
                "vector": np.ascontiguousarray(vector, dtype="<f4").tobytes(),
            }
            for key, vector in vectors.items()
            if key not in known
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(insert(embeddings), rows)
