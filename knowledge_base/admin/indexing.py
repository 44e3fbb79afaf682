"""Keeps the index up with the store, in a thread of the admin process.

It builds when the store's publication count or the encoder changed, whoever changed it: this process, a CSV import on
the command line, or a training. A failed build leaves the old snapshot serving and is retried.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from bot.shared.errors import ModelError, TellerError
from knowledge_base.index import Device, IndexBuilder, Manifest, TextEncoder, read_manifest
from knowledge_base.index.snapshot import encoder_folder
from knowledge_base.retrieval import Hit, Retriever
from knowledge_base.store import FaqStore

POLL_SECONDS = 2.0
RETRY_SECONDS = 10.0

logger = logging.getLogger(__name__)

EncoderSource = Callable[[], TextEncoder]


@dataclass(frozen=True)
class IndexStatus:
    """`state`: starting, building, ready, failed, no_encoder. `manifest`: the live snapshot's. `error`: a code."""

    state: str
    store_revision: int
    manifest: Manifest | None
    encoder_hash: str | None
    device: Device | None
    error: str | None
    error_at: datetime | None

    @property
    def is_current(self) -> bool:
        return self.manifest is not None and self.manifest.revision == self.store_revision


class CurrentEncoder:
    """Loads `var/models/encoder/current`, and loads again after a training pointed it elsewhere."""

    def __init__(self, var_path: Path) -> None:
        self._var_path = var_path
        self._folder: Path | None = None
        self._encoder: TextEncoder | None = None

    def __call__(self) -> TextEncoder:
        """Raises ModelError (`no_encoder`) before the first training."""
        from nlu_models.encoder import Encoder, current_folder  # loads onnxruntime; only a build needs it

        folder = current_folder(self._var_path).resolve()
        if not folder.is_dir():
            raise ModelError("no encoder was trained yet", "no_encoder")
        if self._encoder is None or folder != self._folder:
            self._encoder, self._folder = Encoder.load(folder), folder
        return self._encoder


class IndexWorker:
    """One background thread; `start` and `stop` it with the app."""

    def __init__(self, store: FaqStore, folder: Path, encoder_source: EncoderSource, faiss_device: str) -> None:
        self._store = store
        self._folder = folder
        self._encoder_source = encoder_source
        self._faiss_device = faiss_device
        self._changed = threading.Condition()
        self._asked = 0      # builds asked for
        self._finished = 0   # of these, how many are over, well or badly
        self._stopping = False
        self._state = "starting"
        self._encoder: TextEncoder | None = None
        self._manifest: Manifest | None = None
        self._retriever: Retriever | None = None
        self._error: str | None = None
        self._error_at: datetime | None = None
        self._thread = threading.Thread(target=self._run, name="index-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Lets a running build finish."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=30)

    def request(self, *, wait_seconds: float = 0.0) -> str:
        """Asks for a build and waits a little for it: `done`, `failed`, or `running` when the time is up."""
        with self._changed:
            self._asked += 1
            ticket = self._asked
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._finished >= ticket or self._stopping, timeout=wait_seconds)
            if self._finished < ticket:
                return "running"
            return "failed" if self._error else "done"

    def status(self) -> IndexStatus:
        """Raises StorageError when the store cannot be read."""
        revision = self._store.revision()
        with self._changed:
            encoder_hash = self._encoder.hash if self._encoder else None
            device = self._retriever.device if self._retriever else None
            return IndexStatus(
                self._state, revision, self._manifest, encoder_hash, device, self._error, self._error_at
            )

    def search(self, question: str, k: int) -> list[Hit]:
        """What customers' questions would find now; [] without an index."""
        with self._changed:
            encoder, retriever = self._encoder, self._retriever
        if encoder is None or retriever is None:
            return []
        return retriever.search(encoder.encode([question])[0], k)

    def _run(self) -> None:
        while True:
            with self._changed:
                ticket = self._asked
                forced = ticket > self._finished
            self._work(forced)
            with self._changed:
                self._finished = ticket
                self._changed.notify_all()
                pause = RETRY_SECONDS if self._error and self._state == "failed" else POLL_SECONDS
                self._changed.wait_for(lambda: self._stopping or self._asked > self._finished, timeout=pause)
                if self._stopping:
                    return

    def _work(self, forced: bool) -> None:
        try:
            encoder = self._encoder_source()
            if self._encoder is None or encoder.hash != self._encoder.hash:
                self._follow(encoder)
            manifest = None if forced or self._error else self._known_current(encoder)
            if manifest is None:
                with self._changed:
                    self._state = "building"
                manifest = IndexBuilder(self._store, encoder, self._folder).ensure()
            with self._changed:
                self._manifest, self._state, self._error, self._error_at = manifest, "ready", None, None
        except TellerError as error:
            self._failed(error.code, repeated=error.code == self._error)
        except Exception as error:  # whatever it is, the old snapshot serves and the page must say so
            self._failed(type(error).__name__, repeated=type(error).__name__ == self._error)

    def _follow(self, encoder: TextEncoder) -> None:
        retriever = Retriever(self._folder, encoder.hash, device=self._faiss_device)
        with self._changed:
            self._encoder, self._retriever, self._manifest = encoder, retriever, None

    def _known_current(self, encoder: TextEncoder) -> Manifest | None:
        if self._manifest is None:  # the first look checks every file, in `ensure`
            return None
        manifest = read_manifest(encoder_folder(self._folder, encoder.hash))
        return manifest if manifest is not None and manifest.revision == self._store.revision() else None

    def _failed(self, code: str, *, repeated: bool) -> None:
        if not repeated:  # the log says it once, the page says it until it is mended
            logger.exception("the index could not be built: %s", code)
        with self._changed:
            self._state = "no_encoder" if code == "no_encoder" else "failed"
            self._error, self._error_at = code, datetime.now(timezone.utc)


