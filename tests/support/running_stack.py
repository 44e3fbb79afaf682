"""The whole of Teller, as `teller run` starts it, on free ports and in a folder of its own; trained once, then kept.

The model is trained by the same command a user runs. Its folder survives the test run (`var/test`), so that the next run trains
only when the bot's data or code changed; databases and the index are made anew each time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bot.shared.settings import ROOT, Settings, load_settings

START_SECONDS = 900
FOLDER = ROOT / "var" / "test"
PROCESSES = ("gateway", "rasa", "actions", "admin")


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@dataclass
class RunningStack:
    """A started stack: its settings, the `teller run` process and a client of its JSON API."""

    settings: Settings
    environment: dict[str, str]
    process: subprocess.Popen
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.admin_port}"

    def conversation(self, user: str | None = None) -> Chat:
        """A new conversation over the JSON API, as an anonymous customer or as `user`."""
        return Chat(self, user)

    def api(self, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.settings.api_token}"}
        return httpx.post(self.url + path, json=body, headers=headers, timeout=60)

    def pids(self) -> dict[str, int]:
        """Process ids of the four processes, by name."""
        ports = {
            "gateway": self.settings.port,
            "rasa": self.settings.rasa_port,
            "actions": self.settings.actions_port,
            "admin": self.settings.admin_port,
        }
        found = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                listening = {c.laddr.port for c in child.connections("tcp") if c.status == psutil.CONN_LISTEN}
                found.update({name: child.pid for name, port in ports.items() if port in listening})
        return found

    def kill(self, name: str) -> None:
        """kill -9 of one process; returns when it is gone."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(10)

    def wait_ready(self, seconds: float = 120) -> None:
        """Returns when the gateway says that a turn can be served and the action server and admin answer."""
        deadline = time.monotonic() + seconds
        urls = [
            f"{self.url}/readyz",
            f"{self.admin_url}/healthz",
            f"http://127.0.0.1:{self.settings.actions_port}/healthz",
        ]
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if all(httpx.get(url, timeout=5).status_code == 200 for url in urls):
                    return
            time.sleep(0.2)
        raise AssertionError(f"the stack is not ready after {seconds} s:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> float:
        """Ctrl-C; returns how many seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - started


class Chat:
    """One conversation over the JSON API; remembers the last answer."""

    def __init__(self, stack: RunningStack, user: str | None = None) -> None:
        self._stack = stack
        response = stack.api("/api/v1/conversations", {"user": user} if user else {})
        response.raise_for_status()
        self.id: str = response.json()["conversation_id"]
        self.answer: dict[str, Any] = {}

    def say(self, text: str, message_id: str | None = None) -> dict[str, Any]:
        """Sends a message and returns {"replies", "result", "state"}."""
        return self._send({"text": text}, message_id)

    def press(self, title: str) -> dict[str, Any]:
        """Presses the button with this title among the last answer's."""
        buttons = {b["title"]: b for reply in self.answer["replies"] for b in reply.get("buttons", [])}
        assert title in buttons, f"no button {title!r} among {sorted(buttons)}"
        return self._send({"button": buttons[title]["token"]}, None)

    @property
    def text(self) -> str:
        return "\n".join(reply["text"] for reply in self.answer["replies"])

    @property
    def buttons(self) -> list[str]:
        return [b["title"] for reply in self.answer["replies"] for b in reply.get("buttons", [])]

    def _send(self, content: dict[str, Any], message_id: str | None) -> dict[str, Any]:
        body = {"conversation_id": self.id, "message_id": message_id or uuid.uuid4().hex, **content}
        response = self._stack.api("/api/v1/messages", body)
        assert response.status_code == 200, response.text
        self.answer = response.json()
        return self.answer


def stack_environment(folder: Path, **settings: object) -> dict[str, str]:
    """The environment of a stack in `folder` on free ports, without the caller's own TELLER_ settings."""
    ports = free_ports(4)
    values = {
        "TELLER_VAR_DIR": str(folder),
        "TELLER_PORT": ports[0],
        "TELLER_RASA_PORT": ports[1],
        "TELLER_ACTIONS_PORT": ports[2],
        "TELLER_ADMIN_PORT": ports[3],
        "TELLER_RATE_PER_MINUTE": 600,
        **{f"TELLER_{name.upper()}": value for name, value in settings.items()},
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TELLER_")}
    return {**clean, **{name: str(value) for name, value in values.items()}, "COLUMNS": "160"}


@contextlib.contextmanager
def running_stack(folder: Path = FOLDER, **settings: object) -> Iterator[RunningStack]:
    """Starts `teller run` (training first when needed), yields when it says that it is ready, stops it with Ctrl-C."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db*"):
        file.unlink()
    shutil.rmtree(folder / "index", ignore_errors=True)
    environment = stack_environment(folder, **settings)
    log = folder / "teller-run.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot.cli", "run"], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    stack = RunningStack(load_settings(environment, folder / "no.env"), environment, process, log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while "Teller is ready" not in log.read_text(errors="replace"):
            assert process.poll() is None, f"teller run ended:\n{log.read_text(errors='replace')[-4000:]}"
            assert time.monotonic() < deadline, (
                f"not ready in {START_SECONDS} s:\n{log.read_text(errors='replace')[-4000:]}"
            )
            time.sleep(0.3)
        yield stack
    finally:
        if process.poll() is None:
            stack.stop()
