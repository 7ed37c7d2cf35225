"""What Alembic runs for a migration: on the connection it was handed."""

from __future__ import annotations

from alembic import context

from flask_errtrack.tracker.database.migrations import VERSION_TABLE
from flask_errtrack.tracker.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
