"""Building, storing and choosing the vector index of the published FAQ entries."""

from knowledge_base.index.build import IndexBuilder, TextEncoder
from knowledge_base.index.device import Device, choose_device
from knowledge_base.index.snapshot import IndexRow, Manifest, Snapshot, read_manifest, read_snapshot
from knowledge_base.index.vectors import VectorIndex

__all__ = [
    "Device", "IndexBuilder", "IndexRow", "Manifest", "Snapshot", "TextEncoder", "VectorIndex", "choose_device",
    "read_manifest", "read_snapshot",
]
