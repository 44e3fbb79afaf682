"""Alembic's entry point. It runs inside the connection and transaction that `knowledge_base.store.migrate` opened."""

from __future__ import annotations

from alembic import context

from knowledge_base.store.tables import metadata

VERSION_TABLE = "knowledge_alembic_version"  # its own: the parts of Teller may share one PostgreSQL database

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
