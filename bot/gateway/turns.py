"""A message from acceptance to its replies: one at a time for each conversation, and never lost once acknowledged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import Any

from bot.conversations.records import Conversation, InboxMessage, OutboxMessage, TurnCommit
from bot.conversations.store import ConversationStore
from bot.gateway import urgent
from bot.gateway.hub import Hub
from bot.gateway.intake import Incoming
from bot.gateway.rasa import RasaClient
from bot.gateway.texts import Texts
from bot.gateway.threads import Threads
from bot.shared.errors import ServiceUnavailable, StorageError
from bot.shared.settings import Settings

logger = logging.getLogger(__name__)

MAX_REPLAYS = 3  # a message that ends a process each time must not do so for ever
REPLAY_WAIT_SECONDS = 120  # Rasa takes half a minute to load


class Turns:
    """Accepts messages and runs their turns in the background; `finished` tells how one ended."""

    def __init__(
        self, settings: Settings, store: ConversationStore, threads: Threads, rasa: RasaClient, hub: Hub, texts: Texts
    ) -> None:
        self._settings = settings
        self._store = store
        self._threads = threads
        self._rasa = rasa
        self._hub = hub
        self._texts = texts
        self._tasks: dict[int, asyncio.Task[dict[str, float]]] = {}
        self._locks: dict[str, _CountedLock] = defaultdict(_CountedLock)

    async def submit(self, conversation: Conversation, channel: str, incoming: Incoming) -> InboxMessage:
        """Commits the message and starts its turn; a known message is neither stored nor run twice.

        Raises as ConversationStore.accept does.
        """
        message, known = await self._threads(
            self._store.accept, conversation.id, channel, incoming.message_key(conversation.id), incoming.kind,
            incoming.text, incoming.payload,
        )
        if not message.is_finished and message.id not in self._tasks:
            self._start(message, replayed=known)
        if not known and incoming.language != conversation.language:
            await self._threads(self._store.set_language, conversation.id, incoming.language)
        return message

    async def finished(self, message: InboxMessage) -> tuple[list[OutboxMessage], dict[str, Any], str]:
        """Waits for the turn: its replies, its result and the conversation's state. Raises StorageError."""
        task = self._tasks.get(message.id)
        timings = await asyncio.shield(task) if task is not None else {}  # a caller that gives up does not end the turn
        replies, result, state = await self._threads(self._outcome, message)
        # The stored result cannot hold the time of its own commit; who waited for the turn gets it.
        return replies, {**result, "ms": {**result.get("ms", {}), **timings}}, state

    def on_failure(self, message: InboxMessage, call) -> None:
        """`call()` runs if the turn breaks down without any reply, which only a failing database can cause."""
        task = self._tasks.get(message.id)
        if task is not None:
            task.add_done_callback(lambda done: call() if not done.cancelled() and done.exception() else None)

    async def replay(self) -> None:
        """Runs what an earlier process accepted and did not finish, once Rasa answers."""
        left = [message for message in await self._threads(self._store.unfinished) if message.id not in self._tasks]
        if not left:
            return
        logger.info("unfinished messages are taken up again", extra={"count": len(left)})
        deadline = time.monotonic() + REPLAY_WAIT_SECONDS
        while time.monotonic() < deadline and not await self._rasa.ready():
            await asyncio.sleep(0.5)
        for message in left:
            if message.id not in self._tasks:
                self._start(message, replayed=True)

    async def take_up_stranded(self) -> None:
        """The same for messages whose turn broke down on a failing database, long after it should have ended."""
        before = datetime.now(timezone.utc) - timedelta(seconds=4 * self._settings.turn_timeout_seconds)
        for message in await self._threads(self._store.unfinished):
            if message.received_at < before and message.id not in self._tasks:
                self._start(message, replayed=True)

    async def stop(self, seconds: float) -> None:
        """Gives running turns `seconds` to end; the rest is taken up at the next start."""
        if self._tasks:
            _, pending = await asyncio.wait(list(self._tasks.values()), timeout=seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _start(self, message: InboxMessage, *, replayed: bool) -> None:
        task = asyncio.create_task(self._run(message, replayed))
        self._tasks[message.id] = task
        task.add_done_callback(lambda done: self._ended(message, done))

    def _ended(self, message: InboxMessage, task: asyncio.Task[dict[str, float]]) -> None:
        self._tasks.pop(message.id, None)
        if not task.cancelled() and task.exception() is not None:
            logger.error("turn broke down", exc_info=task.exception(), extra={"inbox_id": message.id})

    async def _run(self, message: InboxMessage, replayed: bool) -> dict[str, float]:
        """One turn from start to delivery; returns its times by stage, in milliseconds."""
        started = time.perf_counter()
        timings: dict[str, float] = {}
        key = message.conversation_id
        lock = self._locks[key]
        lock.users += 1
        try:
            async with lock.lock:
                try:
                    timings = await self._handle(message, replayed)
                finally:
                    self._hub.send(key, {"type": "typing", "on": False})
        finally:
            lock.users -= 1
            if not lock.users:
                del self._locks[key]
        try:
            await self._hub.refresh([key])
        except StorageError:  # the turn is committed; the next poll delivers it
            logger.exception("replies not read", extra={"inbox_id": message.id})
        return {**timings, "gateway": round((time.perf_counter() - started) * 1000 - timings.get("total", 0.0), 1)}

    async def _handle(self, message: InboxMessage, replayed: bool) -> dict[str, float]:
        # The first attempt follows its acceptance and needs no note of its own: that would be one more write for
        # every message. Only taking a message up again is counted.
        if replayed:
            message = await self._threads(self._store.start, message.id)
            if message.is_finished:
                return {}
        conversation = await self._threads(self._store.get, message.conversation_id)
        language = message.payload.get("language", conversation.language)
        if self._is_stale(message):
            await self._fail(message, [self._texts.too_late(language)], "too_late", None, language)
        elif conversation.closed_at is not None:
            await self._fail(message, [], "conversation_closed", None, language)
        elif message.attempts > MAX_REPLAYS:
            await self._apologise(message, language, "too_many_attempts")
        elif conversation.state != "bot":
            await self._keep_for_person(message, conversation, language)
        else:
            return await self._ask_rasa(message, conversation, language)
        return {}

    async def _ask_rasa(self, message: InboxMessage, conversation: Conversation, language: str) -> dict[str, float]:
        self._hub.send(conversation.id, {"type": "typing", "on": True})
        body: dict[str, Any] = {
            "conversation_id": conversation.id,
            "inbox_id": message.id,
            "message_id": message.message_id,
            "kind": message.kind,
            "language": language,
            "authenticated": conversation.is_authenticated(datetime.now(timezone.utc)),
        }
        if message.kind == "event":
            body["event"] = message.payload["event"]
        else:
            body["text"] = message.text
        try:
            answer = await self._rasa.turn(body)
        except ServiceUnavailable as error:
            logger.error("turn failed", extra={"inbox_id": message.id, "reason": str(error)})
            await self._apologise(message, language, error.code)
            return {}
        if await self._threads(self._store.turn_result, message.id) is None:
            logger.error("rasa answered without a commit", extra={"inbox_id": message.id})
            await self._apologise(message, language, "not_committed")
            return {}
        timings = answer.get("result", {}).get("ms")
        return timings if isinstance(timings, dict) else {}

    async def _apologise(self, message: InboxMessage, language: str, code: str) -> None:
        urgency = urgent.find(message.text) if message.kind == "text" else None
        await self._fail(message, [self._texts.failure(urgency, language)], code, urgency, language)

    async def _keep_for_person(self, message: InboxMessage, conversation: Conversation, language: str) -> None:
        """The bot stays quiet; who still waits is told once that the message was added."""
        replies = []
        if conversation.state == "waiting" and message.kind == "text":
            if not await self._threads(self._told_to_wait, conversation.id):
                replies.append(self._texts.waiting(language))
        result = {**_result(language), "handoff": True}
        commit = TurnCommit(message.id, conversation.id, replies=replies, result=result, language=language)
        await self._threads(self._store.commit_turn, commit)

    def _told_to_wait(self, conversation_id: str) -> bool:
        """Whether the notice was given since the conversation joined the queue."""
        handoff = self._store.find_open_handoff(conversation_id)
        return handoff is None or any(
            entry.get("notice") == "waiting" and entry["at"] >= handoff.created_at
            for entry in self._store.transcript(conversation_id)
        )

    async def _fail(
        self, message: InboxMessage, replies: list[dict[str, Any]], code: str, urgency: str | None, language: str
    ) -> None:
        result = {**_result(language), "handoff": urgency is not None, "error": code}
        await self._threads(self._store.fail, message.id, replies, result, urgency)

    def _is_stale(self, message: InboxMessage) -> bool:
        age = datetime.now(timezone.utc) - message.received_at
        return age > timedelta(seconds=self._settings.idle_seconds)

    def _outcome(self, message: InboxMessage) -> tuple[list[OutboxMessage], dict[str, Any], str]:
        return (
            self._store.replies(message.id),
            self._store.turn_result(message.id) or {},
            self._store.get(message.conversation_id).state,
        )


class _CountedLock:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


def _result(language: str) -> dict[str, Any]:
    """A result in the shape of docs/architecture.md for a message that no model has read."""
    return {
        "intent": None, "confidence": None, "sentiment": None, "language": language, "route": None, "faq_id": None,
        "faq_score": None, "revision": None, "handoff": False, "action_failed": False, "ms": {},
    }
