"""Brings a bank database up to date. The steps are Alembic revisions in `versions/`, one file a step.

There is no `env.py`: `migrate` hands Alembic the connection itself, so nothing here runs on import.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Engine

# The three databases of Teller may be one PostgreSQL database: each part keeps a version of its own.
VERSION_TABLE = "bank_schema_version"
_LOCK_KEY = 7_355_608_01


def migrate(engine: Engine) -> None:
    """Applies the revisions that are missing, all in one transaction; two processes doing so wait for each other."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)

    def missing(revision, _context):
        return script._upgrade_revs("head", revision)

    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        with EnvironmentContext(config, script, fn=missing, destination_rev="head") as environment:
            environment.configure(connection=connection, version_table=VERSION_TABLE)
            environment.run_migrations()
