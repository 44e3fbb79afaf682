"""GET /healthz: this process is alive. GET /readyz: a message could be answered."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter
from starlette.responses import JSONResponse

from bot.gateway.services import Services
from bot.shared.errors import StorageError

logger = logging.getLogger(__name__)


def router(services: Services) -> APIRouter:
    routes = APIRouter()

    @routes.get("/healthz")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/readyz")
    async def ready() -> JSONResponse:
        database, rasa = await asyncio.gather(_database_answers(services), services.rasa.ready())
        status = "ok" if database and rasa else "unavailable"
        return JSONResponse({"status": status, "database": database, "rasa": rasa}, 200 if status == "ok" else 503)

    return routes


async def _database_answers(services: Services) -> bool:
    try:
        await services.threads(services.store.states, [])
    except StorageError:
        logger.exception("database does not answer")
        return False
    return True
