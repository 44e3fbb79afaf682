"""Nearest published entries for a sentence embedding, from the newest snapshot of one encoder."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot.shared.errors import InvalidInputError, ModelError
from knowledge_base.index.device import choose_device
from knowledge_base.index.snapshot import CURRENT, IndexRow, Manifest, Snapshot, encoder_folder, read_snapshot
from knowledge_base.index.vectors import VectorIndex

CHECK_SECONDS = 0.2  # how often CURRENT is looked at; an edit is live this soon after its index is

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hit:
    """An entry, its best row's cosine similarity (-1 to 1), and that row's language and text."""

    entry_id: str
    score: float
    language: str
    text: str


@dataclass(frozen=True)
class _Part:
    """The rows of one language. `most` is the largest number of rows any one entry has here."""

    index: VectorIndex
    rows: list[IndexRow]
    most: int


@dataclass(frozen=True)
class _Loaded:
    manifest: Manifest
    parts: dict[str, _Part]


class Retriever:
    """Follows `folder/<encoder_hash>/CURRENT` and swaps to a newer snapshot between two searches.

    Opens nothing until the first search. A loaded snapshot is never changed, so searches may run in several threads.
    A damaged snapshot is refused: what was loaded before goes on serving and `last_error` says what happened.
    Raises SettingsError when `device` is gpu and there is none.
    """

    def __init__(
        self, folder: Path, encoder_hash: str, *, device: str = "auto", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.encoder_hash = encoder_hash
        self.device = choose_device(device)
        self.last_error: str | None = None
        self._home = encoder_folder(folder, encoder_hash)
        self._clock = clock
        self._next_check = float("-inf")
        self._seen: tuple[int, ...] | None = None
        self._loaded: _Loaded | None = None
        self._loading = threading.Lock()
        logger.info("FAQ search on %s: %s", self.device.kind, self.device.reason)

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of the snapshot that answers now, or None."""
        loaded = self._current()
        return loaded.manifest if loaded else None

    def search(self, embedding: np.ndarray, k: int, language: str | None = None) -> list[Hit]:
        """The `k` best entries, best first, each once. `embedding` is float32 [dimension], of unit length.

        Without `language` a question may find an entry through its other language. No snapshot, no hits.
        Raises InvalidInputError for an embedding of another dimension.
        """
        return self.search_with_revision(embedding, k, language)[0]

    def search_with_revision(
        self, embedding: np.ndarray, k: int, language: str | None = None
    ) -> tuple[list[Hit], int]:
        """Like `search`, with the publication count of the snapshot that answered (0 without one)."""
        loaded = self._current()
        if loaded is None:
            return [], 0
        vector = np.ascontiguousarray(embedding, dtype=np.float32).reshape(-1)
        if vector.shape[0] != loaded.manifest.dimension:
            raise InvalidInputError(
                f"{vector.shape[0]} numbers for an index of dimension {loaded.manifest.dimension}", "bad_embedding"
            )
        parts = [part for name, part in loaded.parts.items() if language in (None, name)]
        best: dict[str, Hit] = {}
        for part in parts:
            # This many rows hold at least k different entries, whatever share one of them has.
            scores, numbers = part.index.search(vector, max(k - 1, 0) * part.most + 1)
            for score, number in zip(scores.tolist(), numbers.tolist(), strict=True):
                row = part.rows[number]
                if row.entry_id not in best or score > best[row.entry_id].score:
                    best[row.entry_id] = Hit(row.entry_id, score, row.language, row.text)
        ranked = sorted(best.values(), key=lambda hit: (-hit.score, hit.entry_id))
        return ranked[:max(k, 0)], loaded.manifest.revision

    def _current(self) -> _Loaded | None:
        if self._clock() >= self._next_check and self._loading.acquire(blocking=self._loaded is None):
            # Only the very first searches wait for a load; later ones use the old snapshot while one thread loads.
            try:
                if self._clock() >= self._next_check:
                    self._follow()
                    self._next_check = self._clock() + CHECK_SECONDS
            finally:
                self._loading.release()
        return self._loaded

    def _follow(self) -> None:
        try:
            found = (self._home / CURRENT).stat()
        except FileNotFoundError:
            self._seen = None  # keep what is loaded: someone may be moving folders about
            return
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            snapshot = read_snapshot(self._home)
        except (ModelError, OSError) as error:
            self.last_error = str(error)
            logger.error("index snapshot refused: %s", error)
            return
        self.last_error = None
        if snapshot is not None:
            self._loaded = self._load(snapshot)
            logger.info("index revision %d loaded, %d rows", snapshot.manifest.revision, snapshot.manifest.rows)

    def _load(self, snapshot: Snapshot) -> _Loaded:
        parts = {}
        for language in snapshot.manifest.rows_by_language:
            numbers = [number for number, row in enumerate(snapshot.rows) if row.language == language]
            rows = [snapshot.rows[number] for number in numbers]
            share: dict[str, int] = {}
            for row in rows:
                share[row.entry_id] = share.get(row.entry_id, 0) + 1
            parts[language] = _Part(VectorIndex(snapshot.vectors[numbers], self.device), rows, max(share.values()))
        return _Loaded(snapshot.manifest, parts)
