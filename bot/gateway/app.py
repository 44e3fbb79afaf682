"""The gateway's one composition: `create_app`. Served by `uvicorn --factory`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy.engine import Engine

from bot.conversations.store import ConversationStore
from bot.conversations.tables import migrate
from bot.gateway import health, housekeeping, pages
from bot.gateway.channels import api, widget
from bot.gateway.http import SecurityHeaders, install_error_handlers
from bot.gateway.hub import Hub
from bot.gateway.limits import BodyLimit, Buckets
from bot.gateway.login import CustomerLookup, LoginThrottle, LoginVerifier
from bot.gateway.rasa import RasaClient
from bot.gateway.services import Services
from bot.gateway.sessions import Sessions
from bot.gateway.texts import Texts
from bot.gateway.threads import Threads
from bot.gateway.turns import Turns
from bot.shared import logs
from bot.shared.database import open_engine
from bot.shared.hours import OfficeHours
from bot.shared.settings import Settings, load_settings
from bot.shared.tokens import Signer

STOP_SECONDS = 5.0
# Many customers may share one office's address, and a page opens a session at every load.
ADDRESS_FACTOR = 10


def create_app(
    settings: Settings | None = None,
    *,
    verify_login: LoginVerifier | None = None,
    customer_lookup: CustomerLookup | None = None,
) -> FastAPI:
    """The gateway. Settings come from the environment when none are given; nothing is opened before it starts.

    Without `verify_login` nobody can log in (POST /login is 404), without `customer_lookup` no program can name a user.
    """
    settings = settings if settings is not None else load_settings()
    engine = open_engine(settings.conversations_url)
    services = _compose(settings, engine, verify_login, customer_lookup)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logs.configure("gateway", settings)
        await services.threads(migrate, engine)
        background = [
            asyncio.create_task(services.hub.poll()),
            asyncio.create_task(housekeeping.run(services)),
            asyncio.create_task(services.turns.replay()),
        ]
        try:
            yield
        finally:
            services.hub.close_all()
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await services.turns.stop(STOP_SECONDS)
            await services.rasa.close()
            services.threads.close()
            engine.dispose()

    # No generated API pages: they would load scripts from a third party.
    app = FastAPI(title="Teller gateway", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services = services
    install_error_handlers(app, services.texts)
    for part in (health, pages, widget, api):
        app.include_router(part.router(services))
    pages.mount_files(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    return app


def _compose(
    settings: Settings, engine: Engine, verify_login: LoginVerifier | None, customer_lookup: CustomerLookup | None
) -> Services:
    store = ConversationStore(engine)
    threads = Threads()
    signer = Signer(settings.secret_key)
    texts = Texts(
        settings.emergency_phone,
        OfficeHours.parse(settings.office_hours, settings.timezone),
        settings.max_message_characters,
    )
    rasa = RasaClient(settings)
    hub = Hub(store, threads, signer, texts)
    return Services(
        settings=settings,
        store=store,
        threads=threads,
        signer=signer,
        sessions=Sessions(settings, store, threads, signer),
        rasa=rasa,
        hub=hub,
        turns=Turns(settings, store, threads, rasa, hub, texts),
        texts=texts,
        messages_by_conversation=Buckets(settings.rate_per_minute, 60),
        messages_by_address=Buckets(settings.rate_per_minute * ADDRESS_FACTOR, 60),
        sessions_by_address=Buckets(settings.rate_per_minute * ADDRESS_FACTOR, 60),
        login_throttle=LoginThrottle(),
        verify_login=verify_login,
        customer_lookup=customer_lookup,
    )
