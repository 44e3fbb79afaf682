"""An exact inner-product index (FAISS IndexFlatIP) over one snapshot's vectors, on the CPU or on the first GPU."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import faiss
import numpy as np

from knowledge_base.index.device import Device


class VectorIndex:
    """Immutable once built; `search` may be called from several threads."""

    def __init__(self, vectors: np.ndarray, device: Device) -> None:
        index = faiss.IndexFlatIP(int(vectors.shape[1]))
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self.size = index.ntotal
        # FAISS allows concurrent searches on the CPU only.
        self._lock = threading.Lock() if device.kind == "gpu" else nullcontext()
        if device.kind == "gpu":
            self._resources = faiss.StandardGpuResources()  # must live as long as the index
            index = faiss.index_cpu_to_gpu(self._resources, 0, index)
        self._index = index

    def search(self, vector: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(scores, row numbers) of the `count` nearest rows, best first. `vector` is float32 [dimension]."""
        count = min(count, self.size)
        if count < 1:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        with self._lock:
            scores, numbers = self._index.search(vector.reshape(1, -1), count)
        return scores[0], numbers[0]
