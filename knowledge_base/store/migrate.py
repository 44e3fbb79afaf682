"""Brings a knowledge database up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import Engine

_LOCK_KEY = 0x7E11E2  # any number, the same in every process that migrates this part


def migrate(engine: Engine) -> None:
    """Runs the missing Alembic migrations in one transaction; safe when several processes start at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        # On SQLite the engine's BEGIN IMMEDIATE already keeps other writers out.
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
