"""The store's calls, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")

# SQLite has one writer and PostgreSQL's pool a handful of connections: more threads would only queue there instead.
THREADS = 6


class Threads:
    """`await threads(store.get, conversation_id)` runs the call in a small pool of its own."""

    def __init__(self, size: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="store")

    async def __call__(self, function: Callable[..., Result], *args: object, **kwargs: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **kwargs))

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
