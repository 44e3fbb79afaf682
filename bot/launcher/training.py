"""`teller train`: `rasa train` with the right flags, then the encoder is published and its index built before it serves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from bot.launcher import freshness
from bot.launcher.processes import tail
from bot.shared.errors import ModelError
from bot.shared.settings import ROOT, Settings

QUIET = {
    "RASA_TELEMETRY_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "SQLALCHEMY_WARN_20": "",
    "PYTHONWARNINGS": "ignore",
    "TOKENIZERS_PARALLELISM": "false",
}
KEPT_ENCODERS = 2


def rasa_environment(settings: Settings) -> dict[str, str]:
    """What Rasa's own configuration files and libraries read from the environment."""
    return {
        **QUIET,
        "RASA_ACTION_URL": f"http://127.0.0.1:{settings.actions_port}/webhook",
        "RASA_ACTION_TOKEN": settings.internal_token,
        # A conversation's lock must outlive the slowest action, or a second turn could overtake it.
        "TICKET_LOCK_LIFETIME": str(settings.action_timeout_seconds + settings.turn_timeout_seconds),
        "SANIC_REQUEST_MAX_SIZE": "65536",
        "SANIC_GRACEFUL_SHUTDOWN_TIMEOUT": "60",
        # The dialogue manager itself is small; a second thread pool would fight the other processes for two cores.
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


def train(settings: Settings, publish: Callable[[Path], None], *, force: bool = False) -> freshness.TrainedModel:
    """Trains, then calls `publish(encoder folder)` (which builds the matching index), then records the result.

    Shows Rasa's progress. Raises ModelError with the log's last lines when training fails; the old model stays in service then.
    """
    models = settings.var_path / "models"
    models.mkdir(parents=True, exist_ok=True)
    log = settings.var_path / "logs" / "train.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    inputs = freshness.inputs_hash(settings.base_model)
    name = f"teller-{time.strftime('%Y%m%d-%H%M%S')}"
    command = [
        sys.executable,
        "-m",
        "rasa",
        "train",
        "--config",
        str(ROOT / "config.yml"),
        "--domain",
        str(ROOT / "bot" / "domain"),
        "--data",
        str(ROOT / "bot" / "data" / "nlu"),
        str(ROOT / "bot" / "data" / "rules"),
        "--out",
        str(models / "rasa"),
        "--fixed-model-name",
        name,
    ]
    if force:
        command.append("--force")
    started = time.monotonic()
    environment = {**os.environ, **rasa_environment(settings), "OMP_NUM_THREADS": str(os.cpu_count() or 1)}
    with log.open("wb") as file:
        # stderr (progress bars) goes to the terminal, Rasa's log to the file.
        result = subprocess.run(command, cwd=models, env=environment, stdout=file, check=False)
    archive = models / "rasa" / f"{name}.tar.gz"
    if result.returncode != 0 or not archive.is_file():
        raise ModelError(f"training failed (exit {result.returncode}); the last lines of {log}:\n{tail(log)}")
    encoder = _extract_encoder(archive, models / "encoder")
    publish(models / "encoder" / encoder)
    point_current(models / "encoder", encoder)
    trained = freshness.TrainedModel(archive, encoder, inputs, time.monotonic() - started)
    freshness.write(settings.var_path, trained)
    _tidy(models, archive, encoder)
    return trained


def point_current(folder: Path, encoder: str) -> None:
    """Moves the link `current` to `encoder` in one step."""
    link = folder / "current.part"
    link.unlink(missing_ok=True)
    link.symlink_to(encoder)
    os.replace(link, folder / "current")


def _extract_encoder(archive: Path, folder: Path) -> str:
    """Unpacks AlbertClassifier's files from Rasa's archive to `folder/<hash>`; returns the hash."""
    from nlu_models.encoder import read_manifest

    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "unpack.part"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            parts = Path(member.name).parts
            if member.isfile() and "components" in parts and any("AlbertClassifier" in part for part in parts):
                with tar.extractfile(member) as source, (scratch / parts[-1]).open("wb") as target:
                    shutil.copyfileobj(source, target)
    manifest = read_manifest(scratch)
    final = folder / manifest["hash"]
    # The hash names the embedding; the examples beside it may be newer. Who serves has the old files in memory.
    shutil.rmtree(final, ignore_errors=True)
    scratch.rename(final)
    return manifest["hash"]


def _tidy(models: Path, archive: Path, encoder: str) -> None:
    """Keeps the newest archives and encoders: the one in service and the one before."""
    archives = sorted((models / "rasa").glob("teller-*.tar.gz"))
    for old in archives[:-2]:
        if old != archive:
            old.unlink()
    folders = [p for p in (models / "encoder").iterdir() if p.is_dir() and not p.is_symlink() and p.name != encoder]
    for old in sorted(folders, key=lambda p: p.stat().st_mtime)[: -(KEPT_ENCODERS - 1) or None]:
        shutil.rmtree(old)
