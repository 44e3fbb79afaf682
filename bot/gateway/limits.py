"""Bounds on what one client may do: token buckets by key, and the size of a request's body."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MAX_BODY_BYTES = 64 * 1024
_MAX_KEYS = 50_000


class Buckets:
    """Up to `capacity` at once and `capacity` every `seconds`, for each key. Forgets the keys unused for longest."""

    def __init__(self, capacity: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = capacity
        self._rate = capacity / seconds
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key -> (tokens left, at)

    def take(self, key: str) -> bool:
        """Takes one; False when none is left."""
        now = self._clock()
        tokens, at = self._levels.pop(key, (float(self._capacity), now))
        tokens = min(self._capacity, tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._levels[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._levels) > _MAX_KEYS:
            self._levels.popitem(last=False)
        return allowed

    def give_back(self, key: str) -> None:
        if key in self._levels:
            tokens, at = self._levels[key]
            self._levels[key] = (min(self._capacity, tokens + 1), at)

    def forget(self, key: str) -> None:
        self._levels.pop(key, None)


class BodyLimit:
    """ASGI middleware: a request body above `MAX_BODY_BYTES` is answered 413, whatever its headers promise."""

    def __init__(self, app, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        promised = dict(scope["headers"]).get(b"content-length", b"0")
        if not promised.isdigit() or int(promised) > self._limit:
            await _refuse(send)
            return
        # Read here, and whole: an application that stops reading in the middle could no longer answer properly.
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client has gone
            body += message.get("body", b"")
            if len(body) > self._limit:
                await _refuse(send)
                return
            if not message.get("more_body", False):
                break
        given = False

        async def replay():
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)


async def _refuse(send) -> None:
    content = b'{"error":{"code":"too_large","message":"The request is too large."}}'
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": content})
