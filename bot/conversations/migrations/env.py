"""Alembic's entry: runs on the connection and in the transaction that `tables.migrate` opened."""

from __future__ import annotations

from alembic import context

from bot.conversations.tables import VERSION_TABLE, metadata

# No transaction of Alembic's own: it is the caller's, so that a failed migration leaves nothing behind.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
