"""The open chat sockets: what each has seen, and what it gets next. Rows of other processes are found by polling."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.conversations.store import ConversationStore
from bot.gateway.buttons import public_reply
from bot.gateway.texts import Texts
from bot.gateway.threads import Threads
from bot.shared.errors import StorageError
from bot.shared.tokens import Signer

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.3
MAX_WAITING_FRAMES = 1000
CHUNK = 200  # conversations a query; SQLite bounds the depth of an expression
CLOSE_TOKEN, CLOSE_ENDED, CLOSE_SLOW, CLOSE_RESTART = 4401, 4410, 4408, 1012


class Connection:
    """One socket of one conversation. Frames leave in the order of `send`, through a task of its own."""

    def __init__(self, socket: WebSocket, conversation_id: str, language: str) -> None:
        self.conversation_id = conversation_id
        self.language = language
        self.cursor = 0  # the last outbox id this socket was given
        self.state = "bot"
        self.expires_at = 0.0  # seconds since 1970
        self._socket = socket
        self._frames: asyncio.Queue[dict[str, Any] | int] = asyncio.Queue(MAX_WAITING_FRAMES)

    def send(self, frame: dict[str, Any]) -> None:
        """Queues a frame; a client that reads too slowly is cut off and will catch up when it comes back."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            while not self._frames.empty():
                self._frames.get_nowait()
            self._frames.put_nowait(CLOSE_SLOW)

    def close(self, code: int) -> None:
        """Closes the socket once what is queued has been sent."""
        if not self._frames.full():
            self._frames.put_nowait(code)

    async def write(self, delivered: set[int]) -> None:
        """Sends what is queued until the socket closes; ids of replies that went out are added to `delivered`."""
        while True:
            frame = await self._frames.get()
            try:
                if isinstance(frame, int):
                    await self._socket.close(frame)
                    return
                await self._socket.send_json(frame)
            except (WebSocketDisconnect, RuntimeError):
                return  # gone; what it missed stays in the outbox
            if frame["type"] == "reply":
                delivered.add(frame["id"])


class Hub:
    """All connections of this process, by conversation."""

    def __init__(self, store: ConversationStore, threads: Threads, signer: Signer, texts: Texts) -> None:
        self._store = store
        self._threads = threads
        self._signer = signer
        self._texts = texts
        self._connections: dict[str, set[Connection]] = defaultdict(set)
        self.delivered: set[int] = set()

    def add(self, connection: Connection) -> None:
        self._connections[connection.conversation_id].add(connection)

    def remove(self, connection: Connection) -> None:
        self._connections[connection.conversation_id].discard(connection)
        if not self._connections[connection.conversation_id]:
            del self._connections[connection.conversation_id]

    def send(self, conversation_id: str, frame: dict[str, Any]) -> None:
        """One frame to every socket of a conversation."""
        for connection in self._connections.get(conversation_id, ()):
            connection.send(frame)

    def extend(self, conversation_id: str, expires_at: float) -> None:
        """The page renewed its token: its open sockets live as long."""
        for connection in self._connections.get(conversation_id, ()):
            connection.expires_at = max(connection.expires_at, expires_at)

    async def refresh(self, conversation_ids: Iterable[str]) -> None:
        """Gives the sockets of these conversations what they have not had: replies in order, then a changed state."""
        ids = [key for key in conversation_ids if key in self._connections]
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start:start + CHUNK]
            cursors = {key: min(connection.cursor for connection in self._connections[key]) for key in chunk}
            rows, states = await self._threads(self._read, cursors)
            for row in rows:
                reply = {"type": "reply", **public_reply(row, self._signer)}
                for connection in self._connections.get(row.conversation_id, ()):
                    if row.id > connection.cursor:
                        connection.send(reply)
                        connection.cursor = row.id
            for key in chunk:
                for connection in self._connections.get(key, ()):
                    self._tell_state(connection, states.get(key))

    async def poll(self) -> None:
        """Refreshes everything every `POLL_SECONDS`, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.refresh(list(self._connections))
                if self.delivered:
                    ids, self.delivered = self.delivered, set()
                    await self._threads(self._store.mark_delivered, ids)
            except StorageError:
                logger.exception("outbox not read")

    def close_all(self) -> None:
        for connections in self._connections.values():
            for connection in connections:
                connection.close(CLOSE_RESTART)

    def refuse(self, connection: Connection, code: str, close: int) -> None:
        """Says why, then closes."""
        message = self._texts.error(code, connection.language)
        connection.send({"type": "error", "code": code, "message": message})
        connection.close(close)

    def _read(self, cursors: dict[str, int]):
        return self._store.outbox_after_many(cursors), self._store.states(cursors)

    def _tell_state(self, connection: Connection, state: str | None) -> None:
        if connection.state == "closed":
            return
        if state is None:
            connection.state = "closed"
            self.refuse(connection, "conversation_closed", CLOSE_ENDED)
        elif connection.expires_at <= time.time():
            connection.state = "closed"
            self.refuse(connection, "token_expired", CLOSE_TOKEN)
        elif state != connection.state:
            connection.state = state
            connection.send({"type": "state", "state": state})
