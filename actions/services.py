"""What the actions work with, made once when the server starts, and the way to call it from an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from actions.bank.service import OUTCOME_UNKNOWN, BankService
from bot.conversations.store import ConversationStore
from bot.shared.database import open_engine
from bot.shared.errors import NotFoundError, StorageError
from bot.shared.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Services:
    """`seconds` is how long one call may take before the customer is told that it did not work."""

    bank: BankService
    conversations: ConversationStore
    zone: ZoneInfo
    seconds: float
    emergency_phone: str
    engines: tuple[Engine, ...] = ()

    async def read(self, function: Callable[..., Result], *arguments: object, **named: object) -> Result:
        """`function(...)` in a thread. Raises StorageError when it takes too long."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(function, *arguments, **named), self.seconds)
        except asyncio.TimeoutError:
            raise StorageError("a database took too long to answer") from None

    async def write(self, function: Callable[..., Result], *arguments: object, **named: object) -> Result:
        """`function(...)` in a thread that runs to its end even when the caller hangs up or waits no longer.

        Raises StorageError with the code OUTCOME_UNKNOWN when it takes too long: it may still succeed.
        """
        work = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
        try:
            return await asyncio.wait_for(asyncio.shield(work), self.seconds)
        except asyncio.TimeoutError:
            raise StorageError("a change took too long to confirm", code=OUTCOME_UNKNOWN) from None

    async def customer_of(self, conversation_id: str) -> str | None:
        """The customer who is logged in there now, or None. This is the only source of an identity."""
        try:
            conversation = await self.read(self.conversations.get, conversation_id)
        except NotFoundError:
            return None
        return conversation.customer_id if conversation.is_authenticated(datetime.now(timezone.utc)) else None

    def close(self) -> None:
        """Gives the pooled connections back."""
        for engine in self.engines:
            engine.dispose()


def open_services(settings: Settings) -> Services:
    """Services over the databases in `settings`; connects when first used."""
    bank_engine, conversations_engine = open_engine(settings.bank_url), open_engine(settings.conversations_url)
    return Services(
        bank=BankService(bank_engine, settings.timezone),
        conversations=ConversationStore(conversations_engine),
        zone=ZoneInfo(settings.timezone),
        # Rasa gives up after action_timeout_seconds; our honest answer must be there before.
        seconds=max(1.0, settings.action_timeout_seconds * 0.75),
        emergency_phone=settings.emergency_phone,
        engines=(bank_engine, conversations_engine),
    )
