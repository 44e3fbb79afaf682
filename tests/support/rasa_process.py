"""The real Rasa server and the real action server as processes over databases of their own, with a keyword model.

`RasaWorld.say` does what the gateway does: accepts the message into the inbox, then posts the turn.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx

from bot.conversations.store import ConversationStore
from bot.shared.database import open_engine
from bot.shared.settings import ROOT, Settings
from knowledge_base.store import FaqContent, FaqStore, FaqText, migrate
from tests.support.account_world import settings_over_copies

START_SECONDS = 300  # importing Rasa takes minutes on a machine that is busy with a training
TOKEN = "test-internal-token"
ENTRIES = {
    "card-unlock": ("How do I unlock my card?", "Open Cards in the app.", "怎么解锁我的卡？", "在应用中打开“卡片”。"),
    "transfer-fee": ("What does a transfer cost?", "Transfers are free.", "转账收费吗？", "转账免费。"),
}


@functools.cache
def keyword_model() -> Path:
    """A model with the real domain and rules and the stand-ins of `keyword_nlu.py`, trained once a run."""
    folder = Path(tempfile.mkdtemp(prefix="teller-keyword-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = [
        sys.executable, "-m", "rasa", "train", "--config", "tests/support/config_keywords.yml",
        "--domain", "bot/domain", "--data", "bot/data/rules", "bot/data/nlu",
        "--out", str(folder), "--fixed-model-name", "keywords",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"rasa train failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return folder / "keywords.tar.gz"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class RasaWorld:
    """`folder` gets the databases and the logs of the processes."""

    def __init__(self, model: Path, folder: Path, **settings: object) -> None:
        self.model, self.folder = model, folder
        self.settings: Settings = settings_over_copies(
            folder, rasa_port=free_port(), actions_port=free_port(), internal_token=TOKEN, **settings
        ).with_values(knowledge_url=f"sqlite:///{folder / 'knowledge.db'}")
        self.store = ConversationStore(open_engine(self.settings.conversations_url))
        knowledge = open_engine(self.settings.knowledge_url)
        migrate(knowledge)
        self.faqs = FaqStore(knowledge)
        for entry_id, (question, answer, question_zh, answer_zh) in ENTRIES.items():
            texts = {"en": FaqText(question, answer), "zh": FaqText(question_zh, answer_zh)}
            self.faqs.create(entry_id, FaqContent("cards", texts), "test")
            self.faqs.publish(entry_id, "test")
        self.actions_port = self.settings.actions_port
        self._processes: dict[str, subprocess.Popen] = {}

    def start_rasa(self) -> None:
        """Returns when it is ready."""
        self._start("rasa", [
            sys.executable, "-m", "rasa", "run", "--model", str(self.model), "--port", str(self.settings.rasa_port),
            "--interface", "127.0.0.1", "--endpoints", "bot/dialogue/endpoints.yml",
            "--credentials", "bot/dialogue/credentials.yml",
        ])
        self._wait_for("rasa", f"http://127.0.0.1:{self.settings.rasa_port}/webhooks/teller/ready")

    def start_actions(self) -> None:
        """Returns when it is ready."""
        self._start("actions", [sys.executable, "-m", "actions"])
        self._wait_for("actions", f"http://127.0.0.1:{self.settings.actions_port}/healthz")

    def stop(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.send_signal(how)
            process.wait(timeout=30)

    def close(self) -> None:
        for name in list(self._processes):
            self.stop(name)

    def conversation(self, customer_id: str | None = None) -> Chat:
        until = datetime.now(timezone.utc) + timedelta(minutes=10) if customer_id else None
        made = self.store.create("test", customer_id=customer_id, authenticated_until=until)
        return Chat(self, made.id, customer_id is not None)

    def post(self, body: dict[str, Any], token: str = TOKEN, timeout: float = 30) -> httpx.Response:
        url = f"http://127.0.0.1:{self.settings.rasa_port}/webhooks/teller/turn"
        return httpx.post(url, json=body, headers={"X-Teller-Token": token}, timeout=timeout)

    def _start(self, name: str, command: list[str]) -> None:
        log = (self.folder / f"{name}.log").open("a")
        self._processes[name] = subprocess.Popen(
            command, cwd=ROOT, env=self.environment(), stdout=log, stderr=subprocess.STDOUT
        )

    def environment(self) -> dict[str, str]:
        return _environment(
            TELLER_VAR_DIR=str(self.folder),
            TELLER_RASA_PORT=str(self.settings.rasa_port),
            TELLER_ACTIONS_PORT=str(self.settings.actions_port),
            TELLER_INTERNAL_TOKEN=TOKEN,
            TELLER_ACTION_TIMEOUT_SECONDS=str(self.settings.action_timeout_seconds),
            RASA_ACTION_URL=f"http://127.0.0.1:{self.actions_port}/webhook",
            RASA_ACTION_TOKEN=TOKEN,
        )

    def _wait_for(self, name: str, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._processes[name].poll() is not None:
                break
            try:
                if httpx.get(url, timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.3)
        raise RuntimeError(f"{name} did not start:\n{(self.folder / f'{name}.log').read_text()[-4000:]}")


class Chat:
    """One conversation."""

    def __init__(self, world: RasaWorld, conversation_id: str, authenticated: bool) -> None:
        self.world, self.id, self.authenticated = world, conversation_id, authenticated
        self.last: dict[str, Any] = {}

    def say(self, text: str, language: str = "en") -> str:
        """The texts of the replies, one a line."""
        return self._turn(self.body("text", text=text, language=language))

    def press(self, intent: str, slots: dict[str, Any] | None = None, language: str = "en") -> str:
        return self._turn(self.body("event", event={"intent": intent, "slots": slots or {}}, language=language))

    def body(self, kind: str, language: str = "en", **content: Any) -> dict[str, Any]:
        """Accepts the message into the inbox and gives the turn's body."""
        message_id = uuid.uuid4().hex
        accepted, _ = self.world.store.accept(self.id, "test", message_id, kind, content.get("text", ""), content)
        return {
            "conversation_id": self.id, "inbox_id": accepted.id, "message_id": message_id, "kind": kind,
            "language": language, "authenticated": self.authenticated, **content,
        }

    @property
    def replies(self) -> list[dict[str, Any]]:
        return [reply["payload"] for reply in self.last["replies"]]

    @property
    def result(self) -> dict[str, Any]:
        return self.last["result"]

    def buttons(self) -> list[dict[str, Any]]:
        return [button for reply in self.replies for button in reply.get("buttons", [])]

    def _turn(self, body: dict[str, Any]) -> str:
        response = self.world.post(body)
        assert response.status_code == 200, response.text
        self.last = response.json()
        return "\n".join(reply["text"] for reply in self.replies)


def _environment(**values: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TELLER_", "RASA_"))}
    return {
        **kept, "RASA_TELEMETRY_ENABLED": "false", "PYTHONPATH": str(ROOT), "SANIC_GRACEFUL_SHUTDOWN_TIMEOUT": "5",
        **values,
    }
