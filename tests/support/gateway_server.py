"""A real gateway on a free port for tests, and a small client of its WebSocket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import websockets

from bot.conversations.store import ConversationStore
from bot.conversations.tables import migrate
from bot.gateway.app import create_app
from bot.gateway.login import LoginResult
from bot.shared.database import open_engine
from bot.shared.settings import Settings
from tests.support.fake_rasa import FakeRasa

CUSTOMERS = {"demo1": LoginResult("cust-1", "Ann"), "demo2": LoginResult("cust-2", "Bo")}


def verify_login(user: str, password: str) -> LoginResult | None:
    return CUSTOMERS.get(user) if password == f"{user}-pass" else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class GatewayServer:
    """uvicorn with the gateway's app in a thread; `start` after `stop` is a restart on the same port."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.with_values(port=free_port())
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self.app = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self.app = create_app(self.settings, verify_login=verify_login, customer_lookup=CUSTOMERS.get)
        # wsproto: uvicorn's default wants a newer `websockets` than the one Rasa's server pins.
        config = uvicorn.Config(
            self.app, port=self.settings.port, log_config=None, ws="wsproto", timeout_graceful_shutdown=3
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started:
            assert self._thread.is_alive() and time.monotonic() < deadline, "the gateway did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive(), "the gateway did not stop"

    def client(self, **options: Any) -> httpx.Client:
        """A browser-like client: keeps cookies, names its origin."""
        return httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=20, trust_env=False, **options)

    def program(self) -> httpx.Client:
        """A client with the API's bearer token."""
        headers = {"Authorization": f"Bearer {self.settings.api_token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=40, trust_env=False)

    def chat(self, token: str, after: int = 0, origin: str | None = None) -> Chat:
        return Chat(self.url.replace("http", "ws") + "/ws", origin or self.url, token, after)


class Chat:
    """`async with`: says hello and holds the `ready` frame (None after `hello=False`)."""

    def __init__(self, url: str, origin: str, token: str, after: int) -> None:
        self._url, self._origin, self._token, self._after = url, origin, token, after
        self.ready: dict[str, Any] | None = None

    async def __aenter__(self) -> Chat:
        self.socket = await websockets.connect(self._url, origin=self._origin)
        await self.send({"type": "hello", "token": self._token, "after": self._after})
        frame = await self.receive()
        self.ready = frame if frame["type"] == "ready" else None
        self.first = frame
        return self

    async def __aexit__(self, *_: object) -> None:
        # A gateway that a test has killed cannot take part in closing.
        with suppress(websockets.exceptions.ConnectionClosed):
            await self.socket.close()

    async def send(self, frame: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(frame))

    async def receive(self, seconds: float = 60) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.socket.recv(), seconds))

    async def until(self, kind: str, seconds: float = 60) -> dict[str, Any]:
        """The next frame of that type; others are skipped."""
        deadline = time.monotonic() + seconds
        while True:
            frame = await self.receive(deadline - time.monotonic())
            if frame["type"] == kind:
                return frame

    async def say(self, text: str, message_id: str | None = None) -> str:
        message_id = message_id or str(uuid.uuid4())
        await self.send({"type": "message", "id": message_id, "text": text})
        return message_id

    async def ask(self, text: str) -> dict[str, Any]:
        """Sends a message and waits for its first reply."""
        await self.say(text)
        return await self.until("reply")

    async def closed(self, seconds: float = 30) -> int:
        """Waits for the server to close; gives the code."""
        await asyncio.wait_for(self.socket.wait_closed(), seconds)
        return self.socket.close_code


@dataclass(frozen=True)
class World:
    """A running gateway, the stand-in for Rasa, and the store that both use."""

    gateway: GatewayServer
    rasa: FakeRasa
    store: ConversationStore


@contextmanager
def running_world(folder: Path, **settings: Any) -> Iterator[World]:
    """Everything started on free ports with an SQLite database in `folder`, and stopped at the end."""
    url = f"sqlite:///{folder / 'conversations.db'}"
    engine = open_engine(url)
    migrate(engine)
    store = ConversationStore(engine)
    base = Settings(conversations_url=url, var_dir=str(folder), turn_timeout_seconds=20, log_level="WARNING")
    rasa = FakeRasa(store, base.internal_token)
    rasa.start()
    try:
        gateway = GatewayServer(base.with_values(**{"rasa_port": rasa.port, **settings}))
        gateway.start()
        try:
            yield World(gateway, rasa, store)
        finally:
            gateway.stop()
    finally:
        rasa.stop()
        engine.dispose()


def open_session(client: httpx.Client, token: str | None = None) -> dict[str, Any]:
    """What POST /api/session gives, renewing `token` if given."""
    answer = client.post("/api/session", json={"token": token})
    assert answer.status_code == 200, answer.text
    return answer.json()


def csrf_of(page: httpx.Response) -> str:
    """The form token in a page."""
    return page.text.split('name="csrf" value="')[1].split('"')[0]


def log_in(
    client: httpx.Client, user: str = "demo1", password: str | None = None, next: str = "/"
) -> httpx.Response:
    """Sends the login form as the page would."""
    form = {"username": user, "password": password or f"{user}-pass", "next": next}
    return client.post("/login", data={**form, "csrf": csrf_of(client.get("/login"))})
