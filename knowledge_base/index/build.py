"""Builds the index of the published entries for one encoder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import numpy as np

from bot.shared.errors import ModelError
from knowledge_base.index.snapshot import (
    IndexRow,
    Manifest,
    build_lock,
    encoder_folder,
    read_snapshot,
    write_snapshot,
)
from knowledge_base.store.content import FaqEntry
from knowledge_base.store.embeddings import EmbeddingCache, text_hash
from knowledge_base.store.faq_store import FaqStore

BATCH = 64

logger = logging.getLogger(__name__)


class TextEncoder(Protocol):
    """What the index needs of `nlu_models.encoder.Encoder`."""

    hash: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, dimension], each row of unit length."""


class IndexBuilder:
    """Writes snapshots under `folder/<encoder hash>/`. Each text is encoded once for each encoder, ever.

    `on_progress(done, total)` is called while texts are being encoded.
    """

    def __init__(
        self,
        store: FaqStore,
        encoder: TextEncoder,
        folder: Path,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._home = encoder_folder(folder, encoder.hash)
        self._cache = EmbeddingCache(store.engine)
        self._on_progress = on_progress

    def build(self) -> Manifest:
        """Writes a snapshot of what is published now and makes it the current one; returns its manifest.

        Raises ModelError when the encoder gives something that is no embedding, StorageError when the database fails;
        the current snapshot then stays as it was.
        """
        with build_lock(self._home):
            return self._build()

    def ensure(self) -> Manifest:
        """Builds only when there is no sound snapshot of the store's current revision."""
        with build_lock(self._home):
            try:
                snapshot = read_snapshot(self._home)
            except ModelError as error:
                logger.warning("rebuilding the index: %s", error)
                snapshot = None
            if snapshot is not None and snapshot.manifest.revision == self._store.revision():
                return snapshot.manifest
            return self._build()

    def _build(self) -> Manifest:
        # Read before the entries: an edit in between leaves the manifest behind the store, and so gets another build.
        revision = self._store.revision()
        rows = index_rows(self._store.published())
        vectors = self._embed([row.text for row in rows])
        manifest = write_snapshot(
            self._home,
            encoder_hash=self._encoder.hash,
            revision=revision,
            vectors=vectors,
            rows=rows,
            built_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        logger.info("index built: revision %d, %d entries, %d rows", revision, manifest.entries, manifest.rows)
        return manifest

    def _embed(self, texts: list[str]) -> np.ndarray:
        hashes = [text_hash(text) for text in texts]
        known = self._cache.load(self._encoder.hash, hashes)
        missing = {key: text for key, text in zip(hashes, texts, strict=True) if key not in known}
        keys = list(missing)
        for start in range(0, len(keys), BATCH):
            batch = keys[start:start + BATCH]
            fresh = dict(zip(batch, self._encode([missing[key] for key in batch]), strict=True))
            self._cache.save(self._encoder.hash, fresh)
            known.update(fresh)
            if self._on_progress:
                self._on_progress(min(start + BATCH, len(keys)), len(keys))
        vectors = np.zeros((len(texts), self._encoder.dimension), dtype=np.float32)
        for position, key in enumerate(hashes):
            vectors[position] = known[key]
        return vectors

    def _encode(self, texts: list[str]) -> np.ndarray:
        vectors = np.asarray(self._encoder.encode(texts), dtype=np.float32)
        if vectors.shape != (len(texts), self._encoder.dimension):
            raise ModelError(f"the encoder gave {vectors.shape} for {len(texts)} texts", "bad_embedding")
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.allclose(lengths, 1.0, atol=1e-3):  # also catches NaN
            raise ModelError("the encoder gave vectors that are not of unit length", "bad_embedding")
        return vectors


def index_rows(entries: Sequence[FaqEntry]) -> list[IndexRow]:
    """Every question and phrasing of every entry, each a row, in the order of the entries."""
    return [
        IndexRow(entry.id, language, text)
        for entry in entries
        for language, translation in entry.translations.items()
        for text in (translation.question, *translation.phrasings)
    ]
