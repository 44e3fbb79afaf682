"""`teller doctor`: what the set-up lacks, and the one line that mends it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.launcher import freshness
from bot.launcher.processes import answers, port_is_busy
from bot.shared.errors import TellerError
from bot.shared.settings import ROOT, Settings

LEAST_FREE_GB = 2.0
# The distribution that provides faiss is one of two, so either will do.
EITHER = {"faiss-cpu": "faiss-gpu-cu12"}


@dataclass(frozen=True)
class Check:
    """One finding. `mend` is what to do when it is not good."""

    name: str
    good: bool
    found: str
    mend: str = ""


def checks(settings: Settings) -> Iterator[Check]:
    """Every check, in the order in which a new user meets the parts."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    yield Check(
        "python",
        version == "3.10",
        version,
        "run it with .venv/bin/teller; `make install` creates .venv with Python 3.10",
    )
    yield _packages()
    yield Check(
        "front-end packages",
        (ROOT / "bot" / "widget" / "node_modules" / "deep-chat").is_dir(),
        "bot/widget/node_modules",
        "make install",
    )
    free = shutil.disk_usage(ROOT).free / 1e9
    yield Check("disk", free >= LEAST_FREE_GB, f"{free:.1f} GB free", f"free at least {LEAST_FREE_GB:.0f} GB")
    yield Check("mode", True, f"{settings.mode}; settings are valid")
    for name in ("conversations_url", "knowledge_url", "bank_url"):
        yield _database(name, getattr(settings, name))
    yield from _model(settings)
    yield _faiss(settings)
    yield from _processes(settings)


def _packages() -> Check:
    lock = (ROOT / "requirements" / "lock-cpu.txt").read_text(encoding="utf-8")
    wanted = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE))
    wrong = []
    for name, version in wanted.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if not (name in EITHER and _installed(EITHER[name])) and not _optional(lock, name):
                wrong.append(f"{name} is missing")
            continue
        if found != version:
            wrong.append(f"{name} is {found}, the lock says {version}")
    return Check(
        "python packages", not wrong, f"{len(wanted)} locked" if not wrong else "; ".join(wrong[:3]), "make install"
    )


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _optional(lock: str, name: str) -> bool:
    """Whether the lock restricts the package to another platform (`name==1 ; sys_platform == ...`)."""
    return re.search(rf"^{re.escape(name)}==[^\s;]+ ;", lock, re.MULTILINE) is not None


def _database(name: str, url: str) -> Check:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from bot.shared.database import open_engine

    shown = make_url(url).render_as_string(hide_password=True)
    if url.startswith("sqlite:///") and not Path(url[len("sqlite:///") :]).is_file():
        return Check(name, False, f"{shown} does not exist yet", "make run creates it")
    try:
        engine = open_engine(url)
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        engine.dispose()
    except (SQLAlchemyError, TellerError) as error:
        return Check(
            name, False, f"{shown}: {str(error).splitlines()[0]}", f"start that database, or set TELLER_{name.upper()}"
        )
    return Check(name, True, shown)


def _model(settings: Settings) -> Iterator[Check]:
    from nlu_models.encoder import read_manifest

    trained = freshness.read(settings.var_path)
    if trained is None:
        yield Check("model", False, "not trained", "make train")
        return
    fresh = trained.inputs == freshness.inputs_hash(settings.base_model)
    yield Check(
        "model",
        fresh,
        trained.archive.name if fresh else f"{trained.archive.name} is older than its data",
        "make train",
    )
    try:
        read_manifest(settings.var_path / "models" / "encoder" / trained.encoder)
    except TellerError as error:
        yield Check("encoder", False, str(error), "teller train --force")
        return
    snapshot = settings.var_path / "index" / trained.encoder
    yield Check(
        "index",
        snapshot.is_dir(),
        f"for encoder {trained.encoder}" if snapshot.is_dir() else "missing",
        "make run builds it",
    )


def _faiss(settings: Settings) -> Check:
    from knowledge_base.index.device import choose_device

    try:
        device = choose_device(settings.faiss_device)
        return Check("faiss", True, f"{device.kind}: {device.reason}")
    except TellerError as error:
        return Check(
            "faiss", False, str(error), "set TELLER_FAISS_DEVICE=auto, or install the GPU build with make run GPU=1"
        )


def _processes(settings: Settings) -> Iterator[Check]:
    urls = {
        "gateway": (settings.port, "/readyz"),
        "rasa": (settings.rasa_port, "/webhooks/teller/ready"),
        "actions": (settings.actions_port, "/healthz"),
        "admin": (settings.admin_port, "/healthz"),
    }
    for name, (port, path) in urls.items():
        busy = port_is_busy(port)
        if not busy:
            yield Check(name, True, f"port {port} is free (not running)")
        elif answers(f"http://127.0.0.1:{port}{path}"):
            yield Check(name, True, f"running on port {port}")
        else:
            yield Check(
                name,
                False,
                f"port {port} is in use and does not answer as {name}",
                f"stop it, or choose another port in .env; the log is var/logs/{name}.out",
            )
