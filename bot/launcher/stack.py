"""The demo stack: its four processes, the canary question, and what is printed when it is up."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.launcher import freshness
from bot.launcher.asking import ask_running
from bot.launcher.processes import ProcessSpec
from bot.launcher.training import rasa_environment
from bot.shared.errors import ServiceUnavailable
from bot.shared.settings import ROOT, Settings

GREETING = "hello"
CANARY_SECONDS = 60.0


def rasa_command(settings: Settings, archive: Path) -> list[str]:
    """`rasa run` on loopback with our endpoints and credentials."""
    dialogue = ROOT / "bot" / "dialogue"
    return [
        sys.executable,
        "-m",
        "rasa",
        "run",
        "--model",
        str(archive),
        "--endpoints",
        str(dialogue / "endpoints.yml"),
        "--credentials",
        str(dialogue / "credentials.yml"),
        "--interface",
        "127.0.0.1",
        "--port",
        str(settings.rasa_port),
    ]


class Stack:
    """Names the processes for the supervisor and times each step of the start."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._seconds: dict[str, float] = {}

    def specs(self) -> list[ProcessSpec]:
        """The processes; Rasa first, since it takes longest."""
        settings = self._settings
        logs = settings.var_path / "logs"
        teller = [sys.executable, "-m", "bot.cli", "serve"]
        environment = {**rasa_environment(settings)}
        urls = {
            "rasa": (settings.rasa_port, f"http://127.0.0.1:{settings.rasa_port}/webhooks/teller/ready"),
            "gateway": (settings.port, f"{local_url(settings.host, settings.port)}/healthz"),
            "actions": (settings.actions_port, f"http://127.0.0.1:{settings.actions_port}/healthz"),
            "admin": (settings.admin_port, f"{local_url(settings.host, settings.admin_port)}/healthz"),
        }
        return [
            ProcessSpec(name, [*teller, name], port, url, logs / f"{name}.out", environment)
            for name, (port, url) in urls.items()
        ]

    def step(self, name: str, work: Callable[[], object]) -> None:
        """Runs one step of the start, says so and keeps its time."""
        self._say(f"{name} ...")
        started = time.monotonic()
        work()
        self._seconds[name] = time.monotonic() - started
        self._say(f"{name}: {self._seconds[name]:.1f} s")

    def canary(self, questions: Sequence[str]) -> None:
        """Asks until one of `questions` (published FAQ entries' own words) is answered from the knowledge base; with an
        empty knowledge base, until any turn is answered. Raises ServiceUnavailable."""
        deadline = time.monotonic() + CANARY_SECONDS
        last = "no answer"
        for question in itertools.cycle(questions or [GREETING]):
            try:
                answer = ask_running(self._settings, question)
                if answer["result"].get("faq_id") or (not questions and answer["result"].get("intent")):
                    return
                last = f"{question!r} got {answer['replies'][0]['text']!r}" if answer["replies"] else "an empty reply"
            except ServiceUnavailable as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"the canary question was not answered: {last}")
            time.sleep(0.3)

    def announce(self, console) -> None:
        """The address, the demo logins, and the time each step took."""
        settings = self._settings
        trained = freshness.read(settings.var_path)
        steps = " · ".join(f"{name} {seconds:.1f} s" for name, seconds in self._seconds.items())
        console.print(f"\n{steps} (model {trained.archive.stem}, encoder {trained.encoder})")
        if settings.is_demo:
            console.print("customers  demo1 … demo5, password demo1-pass … demo5-pass")
            console.print(f"editors    admin / {settings.admin_password} · editor / editor-pass")
        console.print(f"admin      {local_url(settings.host, settings.admin_port)}")
        console.print(f"\n[bold]Teller is ready: {local_url(settings.host, settings.port)}[/bold]   (Ctrl-C stops it)")


def local_url(host: str, port: int) -> str:
    """An address that this machine can open, also when the process listens on every interface."""
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"
