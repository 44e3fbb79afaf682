"""What the command line does with the knowledge base: prepare it before anything serves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.shared.database import open_engine
from bot.shared.settings import ROOT, Settings
from knowledge_base.index import IndexBuilder, Manifest, TextEncoder
from knowledge_base.store import ADMIN, EDITOR, FaqStore, UserStore, migrate, seed_if_empty

SEED_CSV = ROOT / "bot" / "data" / "faq.csv"
ADMIN_USER = "admin"
DEMO_EDITOR = "editor"
DEMO_EDITOR_PASSWORD = "editor-pass"
SYSTEM_AUTHOR = "teller"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """`seeded`: entries taken from the shipped CSV (0 when the store had any); `index`: the snapshot that is live."""

    seeded: int
    index: Manifest


def index_folder(settings: Settings) -> Path:
    """Where every encoder's snapshots lie."""
    return settings.var_path / "index"


def open_store(settings: Settings) -> FaqStore:
    """The migrated FAQ store of `settings.knowledge_url`."""
    engine = open_engine(settings.knowledge_url)
    migrate(engine)
    return FaqStore(engine)


def prepare(
    settings: Settings,
    encoder: TextEncoder,
    *,
    seed_csv: Path = SEED_CSV,
    on_progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Migrates, seeds an empty store from `seed_csv` (published), ensures users and this encoder's index.

    Calling it again changes nothing that editors made, and builds only when something was published or the encoder is
    new. `on_progress(done, total)` counts the texts being encoded.
    """
    store = open_store(settings)
    try:
        seeded = seed_if_empty(store, seed_csv)
        ensure_users(UserStore(store.engine), settings)
        manifest = IndexBuilder(store, encoder, index_folder(settings), on_progress).ensure()
    finally:
        store.engine.dispose()
    return Prepared(seeded, manifest)


def ensure_users(users: UserStore, settings: Settings) -> None:
    """Creates the first `admin` (and the demo's `editor`) when there is no user at all.

    Outside demo mode a database that was made by the demo loses the demo's passwords: the admin gets
    `settings.admin_password`, the demo editor is switched off.
    """
    existing = {user.username for user in users.all()}
    if not existing:
        users.create(ADMIN_USER, settings.admin_password, ADMIN, SYSTEM_AUTHOR, check_length=False)
        if settings.is_demo:
            users.create(DEMO_EDITOR, DEMO_EDITOR_PASSWORD, EDITOR, SYSTEM_AUTHOR, check_length=False)
        logger.info("first users created")
    elif not settings.is_demo:
        demo_password = Settings().admin_password
        if ADMIN_USER in existing and users.verify(ADMIN_USER, demo_password):
            users.set_password(ADMIN_USER, settings.admin_password, SYSTEM_AUTHOR)
            logger.warning("the demo's admin password was replaced by TELLER_ADMIN_PASSWORD")
        if DEMO_EDITOR in existing and (found := users.verify(DEMO_EDITOR, DEMO_EDITOR_PASSWORD)):
            users.change(DEMO_EDITOR, found.role, False, SYSTEM_AUTHOR)
            logger.warning("the demo's editor was switched off")
