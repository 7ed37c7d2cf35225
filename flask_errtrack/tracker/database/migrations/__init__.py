"""The versions of the tracker's tables, and the way from one to the next.

Alembic does the work. It is slow to import, so only a migration that must
really run imports it; whether one must is a look at one row.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from sqlalchemy import Connection, inspect, select, table
from sqlalchemy import column as named

#: A name of our own, so that the app's own Alembic can use the same database.
VERSION_TABLE = "errtrack_alembic_version"
#: Every revision in ``versions/``, the oldest first.
REVISIONS = ("0001", "0002", "0003", "0004")

_version = table(VERSION_TABLE, named("version_num"))
# Alembic keeps the running migration in a global.
_one_at_a_time = threading.Lock()


class SchemaState(Enum):
    """How the tables in a database compare with those that this version uses."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def state_of(
    connection: Connection, revisions: Sequence[str] = REVISIONS
) -> SchemaState:
    """Tell how the tables in a database compare with ``revisions``, oldest first."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return SchemaState.EMPTY
    revision = connection.execute(select(_version.c.version_num)).scalar()
    if revision is None:
        return SchemaState.EMPTY
    if revision not in revisions:
        return SchemaState.NEWER
    is_current = revision == revisions[-1]
    return SchemaState.CURRENT if is_current else SchemaState.OLDER


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run every migration up to a revision, in the transaction that is open."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, revision)
