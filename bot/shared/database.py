"""One way to open a database: SQLAlchemy engines for SQLite and PostgreSQL with the pragmas and pings both need."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.pool import QueuePool

from bot.shared.errors import SettingsError

BUSY_TIMEOUT_SECONDS = 10


def open_engine(url: str, *, pool_size: int = 5) -> Engine:
    """A SQLAlchemy 2.0-style engine for `url` (sqlite:///path or postgresql://...).

    SQLite gets WAL, foreign keys and a busy timeout, and `BEGIN IMMEDIATE` so that two writers wait instead of failing;
    PostgreSQL gets a pre-ping so that a restarted server costs no failed turn. Opens no connection.
    Raises SettingsError for another database.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        options = {"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
        if parsed.database and parsed.database != ":memory:":
            # Without a pool SQLAlchemy opens the file anew for every call, and every close checkpoints the log.
            engine = create_engine(url, future=True, poolclass=QueuePool, pool_size=pool_size, connect_args=options)
        else:
            engine = create_engine(url, future=True, connect_args=options)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    if backend == "postgresql":
        return create_engine(
            url, future=True, pool_pre_ping=True, pool_size=pool_size, connect_args={"connect_timeout": 5}
        )
    raise SettingsError(f"database {backend!r} is not supported; use sqlite:/// or postgresql://")


def _configure_sqlite(connection, _record) -> None:
    # The driver's own transaction handling is switched off: _begin_immediate takes the write lock at the start.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate(connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if not connection.get_execution_options().get("readonly") else "BEGIN")
