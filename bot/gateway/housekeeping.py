"""What happens without a message: people who did not come, chats that fell asleep, turns that broke down."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone

from bot.gateway.services import Services
from bot.shared.errors import StorageError

logger = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
STRANDED_EVERY = 15  # rounds


async def run(services: Services) -> None:
    """For ever, every `EVERY_SECONDS`."""
    round = 0
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        round += 1
        try:
            await services.threads(expire_handoffs, services)
            await services.threads(close_idle, services)
            if round % STRANDED_EVERY == 0:
                await services.turns.take_up_stranded()
        except StorageError:
            logger.exception("housekeeping failed")


def expire_handoffs(services: Services) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=services.settings.handoff_timeout_seconds)
    for handoff in services.store.expire_handoffs(before):
        logger.info("handoff timed out", extra={"handoff_id": handoff.id})


def close_idle(services: Services) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=services.settings.idle_seconds)
    closed = services.store.close_idle(before)
    if closed:
        logger.info("idle conversations closed", extra={"count": len(closed)})
