"""Starts, watches and stops Teller's processes. Knows commands and ports only; imports no other part of Teller but `bot.shared`."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.shared.errors import ServiceUnavailable

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 7.0
RESTART_LIMIT = 5
RESTART_WINDOW_SECONDS = 120.0


@dataclass(frozen=True)
class ProcessSpec:
    """How one process is started: its command line, port, log file and the URL that answers 200 when it is ready."""

    name: str
    command: Sequence[str]
    port: int
    ready_url: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Runs the processes, restarts one that dies, stops them all.

    Each child leads its own process group and asks the kernel to be killed with its parent (Linux): not even a `kill -9` of
    the supervisor leaves one behind to hold its port. Nothing is lost, since what was accepted is in the inbox.
    """

    def __init__(self, specs: Sequence[ProcessSpec], say: Callable[[str], None]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._say = say
        self._running: dict[str, subprocess.Popen] = {}
        self._restarts: dict[str, list[float]] = {spec.name: [] for spec in specs}

    def check_ports(self) -> None:
        """Raises ServiceUnavailable when a port is taken."""
        for spec in self._specs.values():
            if port_is_busy(spec.port):
                raise ServiceUnavailable(
                    f"port {spec.port} ({spec.name}) is in use: stop what listens there, or set "
                    f"TELLER_{_PORT_SETTING[spec.name]} to another port"
                )

    def start(self) -> None:
        """Starts all processes. Raises ServiceUnavailable, before starting any, when a port is taken."""
        self.check_ports()
        for name in self._specs:
            self._launch(name)

    def wait_ready(self, seconds: float, tick: Callable[[str], None] = lambda name: None) -> dict[str, float]:
        """Waits until every process answers; returns seconds by name. Raises ServiceUnavailable with the log's last lines."""
        started = time.monotonic()
        ready: dict[str, float] = {}
        while len(ready) < len(self._specs):
            for name, spec in self._specs.items():
                if name in ready:
                    continue
                code = self._running[name].poll()
                if code is not None:
                    raise ServiceUnavailable(
                        f"{name} stopped while starting (exit {code}); {spec.log}:\n{tail(spec.log)}"
                    )
                if answers(spec.ready_url):
                    ready[name] = time.monotonic() - started
                    tick(name)
            if time.monotonic() - started > seconds:
                late = ", ".join(name for name in self._specs if name not in ready)
                raise ServiceUnavailable(f"{late} did not answer within {seconds:.0f} s; see {spec.log.parent}")
            time.sleep(0.1)
        return ready

    def watch_once(self) -> None:
        """Restarts what has died. Raises ServiceUnavailable when one keeps dying."""
        for name, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            now = time.monotonic()
            recent = [at for at in self._restarts[name] if now - at < RESTART_WINDOW_SECONDS]
            if len(recent) >= RESTART_LIMIT:
                raise ServiceUnavailable(
                    f"{name} keeps stopping (exit {code}); {self._specs[name].log}:\n{tail(self._specs[name].log)}"
                )
            self._restarts[name] = recent + [now]
            self._say(f"{name} stopped (exit {code}); starting it again")
            self._launch(name)

    def stop(self) -> None:
        """Asks all to stop, then kills what has not stopped after a few seconds, with everything it started."""
        for process in self._running.values():
            if process.poll() is None:
                _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.05, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._running.clear()

    def _launch(self, name: str) -> None:
        spec = self._specs[name]
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        with spec.log.open("ab") as log:
            self._running[name] = subprocess.Popen(
                list(spec.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **spec.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )


_PORT_SETTING = {"gateway": "PORT", "rasa": "RASA_PORT", "actions": "ACTIONS_PORT", "admin": "ADMIN_PORT"}


def port_is_busy(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens on, or holds, the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def answers(url: str, seconds: float = 2.0) -> bool:
    """Whether a GET of `url` gives 200 in time."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError, ValueError):
        return False


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"


def _signal_group(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it has just ended


def _die_with_parent() -> None:
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except AttributeError:
        pass  # not Linux: Ctrl-C still stops the group
