"""Index snapshots on disk: written beside the old one, swapped by an atomic rename, refused when damaged.

    <folder>/<encoder hash>/CURRENT                one line: snapshot name, SHA-256 of its manifest
    <folder>/<encoder hash>/<revision>-<n>/        vectors.npy (float32 [rows, dimension]), rows.json, manifest.json
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.shared.errors import ModelError

CURRENT = "CURRENT"
KEPT_SNAPSHOTS = 2  # the live one, and the one a reader may be loading at this moment
FORMAT = 1

_NAME = re.compile(r"(\d+)-(\d+)\Z")
_HASH = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


@dataclass(frozen=True)
class IndexRow:
    """One indexed text: an entry's question or one of its phrasings, in one language."""

    entry_id: str
    language: str
    text: str


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds. `revision` is the store's publication count; `files` maps names to their SHA-256."""

    format: int
    name: str
    encoder_hash: str
    dimension: int
    revision: int
    entries: int
    rows: int
    rows_by_language: dict[str, int]
    built_at: str  # ISO 8601, UTC
    files: dict[str, str]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was read whole and checked. `vectors` is float32 [rows, dimension]."""

    manifest: Manifest
    vectors: np.ndarray
    rows: list[IndexRow]


def encoder_folder(folder: Path, encoder_hash: str) -> Path:
    """Where that encoder's snapshots lie. Raises ModelError for a hash that is no plain name."""
    if not _HASH.match(encoder_hash) or encoder_hash.startswith("."):
        raise ModelError(f"encoder hash {encoder_hash!r} cannot name a folder", "bad_encoder_hash")
    return Path(folder) / encoder_hash


@contextmanager
def build_lock(home: Path) -> Iterator[None]:
    """One builder at a time for an encoder's folder, across processes; a killed builder frees the lock."""
    home.mkdir(parents=True, exist_ok=True)
    with open(home / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_snapshot(
    home: Path, *, encoder_hash: str, revision: int, vectors: np.ndarray, rows: list[IndexRow], built_at: str
) -> Manifest:
    """Writes a snapshot, then makes it CURRENT, then drops old ones. Call inside `build_lock`."""
    name = f"{revision}-{_next_number(home)}"
    building = home / f".building-{name}"
    if building.exists():  # left by a builder that was killed
        shutil.rmtree(building)
    building.mkdir()
    np.save(building / "vectors.npy", np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)
    (building / "rows.json").write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False), encoding="utf-8")
    languages = sorted({row.language for row in rows})
    manifest = Manifest(
        format=FORMAT, name=name, encoder_hash=encoder_hash, dimension=int(vectors.shape[1]), revision=revision,
        entries=len({row.entry_id for row in rows}), rows=len(rows),
        rows_by_language={language: sum(row.language == language for row in rows) for language in languages},
        built_at=built_at, files={file: _sha256(building / file) for file in ("vectors.npy", "rows.json")},
    )
    data = json.dumps(asdict(manifest), indent=1).encode()
    (building / "manifest.json").write_bytes(data)
    for file in building.iterdir():
        _flush(file)
    os.rename(building, home / name)
    _flush(home)
    pointer = home / f".{CURRENT}-{name}"
    pointer.write_text(f"{name} {hashlib.sha256(data).hexdigest()}\n", encoding="ascii")
    _flush(pointer)
    os.replace(pointer, home / CURRENT)
    _flush(home)
    _drop_old(home)
    return manifest


def read_manifest(home: Path) -> Manifest | None:
    """The current snapshot's manifest, checked against CURRENT; None without one. Raises ModelError if damaged."""
    try:
        pointer = (home / CURRENT).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{CURRENT} cannot be read: {error}", "snapshot_damaged") from error
    if len(pointer) != 2 or not _NAME.match(pointer[0]):
        raise ModelError(f"{CURRENT} is not a pointer to a snapshot", "snapshot_damaged")
    name, expected = pointer
    try:
        data = (home / name / "manifest.json").read_bytes()
    except OSError as error:
        raise ModelError(f"snapshot {name} has no readable manifest", "snapshot_damaged") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise ModelError(f"snapshot {name}: manifest.json is not the one that was written", "snapshot_damaged")
    content: dict[str, Any] = json.loads(data)
    if content["format"] != FORMAT:
        raise ModelError(f"snapshot {name} has format {content['format']}, not {FORMAT}", "snapshot_format")
    return Manifest(**content)


def read_snapshot(home: Path) -> Snapshot | None:
    """The current snapshot, every file checked against its hash; None without one.

    Raises ModelError when a file is missing or differs, or when the snapshot was built with another encoder.
    """
    manifest = read_manifest(home)
    if manifest is None:
        return None
    if manifest.encoder_hash != home.name:
        raise ModelError(f"snapshot {manifest.name} belongs to encoder {manifest.encoder_hash}", "snapshot_encoder")
    where = home / manifest.name
    for file, expected in manifest.files.items():
        try:
            actual = _sha256(where / file)
        except OSError as error:
            raise ModelError(f"snapshot {manifest.name}: {file} cannot be read", "snapshot_damaged") from error
        if actual != expected:
            raise ModelError(f"snapshot {manifest.name}: {file} is not the one that was written", "snapshot_damaged")
    vectors = np.load(where / "vectors.npy", allow_pickle=False)
    rows = [IndexRow(**row) for row in json.loads((where / "rows.json").read_text(encoding="utf-8"))]
    if vectors.shape != (len(rows), manifest.dimension):
        raise ModelError(f"snapshot {manifest.name}: {vectors.shape} vectors for {len(rows)} rows", "snapshot_damaged")
    return Snapshot(manifest, vectors, rows)


def _next_number(home: Path) -> int:
    numbers = [int(match.group(2)) for match in (_NAME.match(path.name) for path in home.iterdir()) if match]
    return max(numbers, default=0) + 1


def _drop_old(home: Path) -> None:
    snapshots = [(int(match.group(2)), path) for path in home.iterdir() if (match := _NAME.match(path.name))]
    for _, path in sorted(snapshots)[:-KEPT_SNAPSHOTS]:
        shutil.rmtree(path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
