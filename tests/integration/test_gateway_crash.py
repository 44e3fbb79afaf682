"""The gateway as a process of its own, started as docs/architecture.md says, and killed without warning."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from bot.conversations.store import ConversationStore
from bot.conversations.tables import migrate
from bot.shared.database import open_engine
from bot.shared.settings import ROOT, Settings
from tests.support.fake_rasa import FakeRasa
from tests.support.gateway_server import Chat, free_port, open_session


class Process:
    """`uvicorn --factory bot.gateway.app:create_app` with settings from the environment."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [
            sys.executable, "-m", "uvicorn", "--factory", "bot.gateway.app:create_app", "--ws", "wsproto",
            "--port", str(self._port),
        ]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment)
        deadline = time.monotonic() + 120
        while True:
            assert self._process.poll() is None and time.monotonic() < deadline, "the gateway did not start"
            try:
                if httpx.get(self.url + "/healthz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def interrupt(self) -> int:
        """Ctrl-C; gives the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(10)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None


@pytest.fixture
def parts(tmp_path):
    url = f"sqlite:///{tmp_path / 'conversations.db'}"
    engine = open_engine(url)
    migrate(engine)
    store = ConversationStore(engine)
    rasa = FakeRasa(store, Settings().internal_token)
    rasa.start()
    environment = {
        "TELLER_CONVERSATIONS_URL": url, "TELLER_VAR_DIR": str(tmp_path), "TELLER_RASA_PORT": str(rasa.port),
    }
    process = Process(environment, free_port())
    try:
        process.start()
        yield process, rasa, store
    finally:
        if process.runs:
            process.kill()
        rasa.stop()
        engine.dispose()


def chat_with(process: Process, token: str) -> Chat:
    return Chat(process.url.replace("http", "ws") + "/ws", process.url, token, 0)


def test_acknowledged_messages_survive_a_kill(parts):
    process, rasa, store = parts

    async def talk() -> None:
        with httpx.Client(base_url=process.url, trust_env=False) as client:
            session = open_session(client)
        async with chat_with(process, session["token"]) as chat:
            for text in ("slow first", "second", "third"):
                message_id = await chat.say(text)
                assert (await chat.until("ack"))["id"] == message_id
            process.kill()
        process.start()
        texts = []
        async with chat_with(process, session["token"]) as chat:
            texts += [entry["text"] for entry in chat.ready["history"] if entry["from"] == "bot"]
            while len(texts) < 3:
                texts.append((await chat.until("reply"))["text"])
        assert texts == ["You said: slow first", "You said: second", "You said: third"]
        assert store.unfinished() == []

    asyncio.run(talk())


def test_an_interrupt_ends_it_soon_and_leaves_nothing_half_done(parts):
    process, rasa, store = parts

    async def talk() -> None:
        with httpx.Client(base_url=process.url, trust_env=False) as client:
            session = open_session(client)
        async with chat_with(process, session["token"]) as chat:
            await chat.say("slow one")
            await chat.until("typing")
            started = time.monotonic()
            process.interrupt()
            assert time.monotonic() - started < 8
            assert await chat.closed() in (1001, 1012)
        assert [entry["text"] for entry in store.transcript(session["conversation_id"])] == [
            "slow one", "You said: slow one",
        ]

    asyncio.run(talk())
