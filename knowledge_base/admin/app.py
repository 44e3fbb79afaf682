"""The admin app: `uvicorn --factory knowledge_base.admin.app:create_app`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse
from starlette.staticfiles import StaticFiles

from bot.conversations.store import ConversationStore
from bot.conversations.tables import migrate as migrate_conversations
from bot.shared import logs
from bot.shared.database import open_engine
from bot.shared.settings import Settings, load_settings
from bot.shared.tokens import Signer
from knowledge_base.admin import auth_pages, exchange_pages, faq_pages, handoff_pages, index_pages, user_pages
from knowledge_base.admin.failures import add_failure_pages
from knowledge_base.admin.indexing import CurrentEncoder, EncoderSource, IndexWorker
from knowledge_base.admin.middleware import BodyLimit, SecurityHeaders
from knowledge_base.admin.pages import Services, load_templates, protect_forms
from knowledge_base.admin.security import Cookies, LoginBrake
from knowledge_base.service import ensure_users, index_folder, open_store
from knowledge_base.store import UserStore

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None, encoder_source: EncoderSource | None = None) -> FastAPI:
    """The app; databases are opened, migrated and given their first users when it starts.

    `encoder_source` gives the encoder to build the index with (default: the newest trained one under `var/`).
    """
    settings = settings or load_settings()

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        logs.configure("admin", settings)
        store = open_store(settings)
        users = UserStore(store.engine)
        ensure_users(users, settings)
        conversations_engine = open_engine(settings.conversations_url)
        migrate_conversations(conversations_engine)
        source = encoder_source or CurrentEncoder(settings.var_path)
        worker = IndexWorker(store, index_folder(settings), source, settings.faiss_device)
        app.state.services = Services(
            settings=settings,
            engines={"knowledge": store.engine, "conversations": conversations_engine},
            faqs=store, users=users, conversations=ConversationStore(conversations_engine),
            worker=worker, cookies=Cookies(Signer(settings.secret_key)), brake=LoginBrake(),
            templates=load_templates(),
        )
        worker.start()
        try:
            yield
        finally:
            worker.stop()
            store.engine.dispose()
            conversations_engine.dispose()

    # No interactive API page: it would load scripts from a third party.
    app = FastAPI(
        title="Teller admin", lifespan=running, docs_url=None, redoc_url=None, openapi_url=None,
        dependencies=[Depends(protect_forms)],
    )
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    for pages in (auth_pages, faq_pages, exchange_pages, index_pages, handoff_pages, user_pages):
        app.include_router(pages.router)
    add_failure_pages(app)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        services: Services = app.state.services
        checks = {}
        for name, engine in services.engines.items():
            try:
                with engine.execution_options(readonly=True).connect() as connection:
                    connection.execute(text("SELECT 1"))
                checks[name] = "ok"
            except SQLAlchemyError:
                logger.exception("%s database is not reachable", name)
                checks[name] = "unreachable"
        status = "ready" if set(checks.values()) == {"ok"} else "not_ready"
        return JSONResponse({"status": status, **checks}, 200 if status == "ready" else 503)

    return app
