"""The projects of a tracker: the apps that send to it, each with its key.

Owns what a project may be called, and its DSN. Knows nothing of events.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, bindparam, insert, select, update

from ..errors import ConfigError
from .database.rows import can_be_id
from .database.schema import project
from .database.statements import Prepared
from .store import Store

MAX_NAME_LENGTH = 200
#: The app that the tracker lives in; of a tracker of its own, the tracker itself.
HOME_ID = 1
_KEY_BYTES = 16
# Asked at each request of an SDK.
_FIND = Prepared(lambda _: select(project).where(project.c.id == bindparam("of_id")))


@dataclass(frozen=True)
class Project:
    """An app that sends here."""

    id: int
    name: str
    #: 32 hex digits. Whoever has it may send events, and nothing else.
    public_key: str


def find(store: Store, project_id: int) -> Project | None:
    """Return a project by its number.

    :raises StoreError: if the database cannot be used now.
    """
    if not can_be_id(project_id):
        return None
    with store.reading() as connection:
        rows = _FIND.run(connection, {"of_id": project_id})
    return _project(rows[0]) if rows else None


def every(store: Store) -> list[Project]:
    """Return all projects, in the order in which they were made.

    :raises StoreError: if the database cannot be used now.
    """
    with store.reading() as connection:
        rows = connection.execute(select(project).order_by(project.c.id)).all()
    return [_project(row) for row in rows]


def add(store: Store, name: str) -> Project:
    """Make a project with a key of its own.

    :raises ConfigError: if the name is empty, too long, not one line or taken.
    :raises StoreError: if the database cannot be used now.
    """
    name = checked_name(name)
    row, is_new = store.write(partial(_found_or_made, name, store.now()))
    if not is_new:
        raise _taken(row)
    return _project(row)


def rename(store: Store, project_id: int, name: str) -> Project:
    """Give a project another name.

    :raises ConfigError: as :func:`add`, or if there is no such project.
    :raises StoreError: if the database cannot be used now.
    """
    name = checked_name(name)

    def work(connection: Connection) -> Any:
        row = _by_name(connection, name)
        if row is not None and row.id != project_id:
            raise _taken(row)
        return _changed(connection, project_id, name=name)

    return _project(store.write(work))


def rekey(store: Store, project_id: int) -> Project:
    """Give a project another key; who sends with the old one is refused from now on.

    :raises ConfigError: if there is no such project.
    :raises StoreError: if the database cannot be used now.
    """
    key = _new_key()

    def work(connection: Connection) -> Any:
        return _changed(connection, project_id, public_key=key)

    return _project(store.write(work))


def named(store: Store, name: str) -> Project:
    """Return the project with a name, made if there is none.

    :raises ConfigError: if the name is empty, too long or not one line.
    :raises StoreError: if the database cannot be used now.
    """
    row, _ = store.write(partial(_found_or_made, checked_name(name), store.now()))
    return _project(row)


def checked_name(name: str) -> str:
    """Return the name of a project without white space around it.

    :raises ConfigError: if it is empty, too long, or not one printable line.
    """
    name = name.strip()
    if not name:
        raise ConfigError("the project has no name; call it as its users call the app")
    if len(name) > MAX_NAME_LENGTH:
        raise ConfigError(
            f"the project's name has {len(name)} characters; "
            f"expected {MAX_NAME_LENGTH} at most"
        )
    if not name.isprintable():
        raise ConfigError("the project's name has line breaks or control characters")
    return name


def dsn_of(project: Project, base_url: str) -> str:
    """Return the DSN with which an app sends to a project.

    :param base_url: where the tracker's pages are: "https://errors.example.com", or
        "https://shop.example.com/errtrack" for one that lives in an app.
    :raises ConfigError: if that is no http(s) URL of a host.
    """
    parts = urlsplit(checked_base_url(base_url))
    return (
        f"{parts.scheme}://{project.public_key}@{parts.netloc}{parts.path}/{project.id}"
    )


def checked_base_url(base_url: str) -> str:
    """Return where something is served, without a slash at its end.

    :raises ConfigError: if that is no http(s) URL of a host.
    """
    try:
        parts = urlsplit(base_url.strip())
        parts.netloc.encode("idna")
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigError(
            f"the base URL is {base_url!r}; expected where the tracker's pages are, "
            "for example https://errors.example.com"
        )
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def _found_or_made(
    name: str, made_at: float, connection: Connection
) -> tuple[Any, bool]:
    row = _by_name(connection, name)
    if row is not None:
        return row, False
    made = insert(project).values(name=name, created_at=made_at, public_key=_new_key())
    return connection.execute(made.returning(project)).one(), True


def _by_name(connection: Connection, name: str) -> Any:
    """Return the project with a name; nobody else gives one until the commit."""
    # One after the other, so that two do not give the same.
    home = select(project.c.id).where(project.c.id == HOME_ID)
    connection.execute(home.with_for_update(key_share=True))
    found = select(project).where(project.c.name == name).order_by(project.c.id)
    return connection.execute(found).first()


def _changed(connection: Connection, project_id: int, **values: str) -> Any:
    is_it = project.c.id == project_id
    changed = update(project).where(is_it).values(**values).returning(project)
    row = connection.execute(changed).one_or_none() if can_be_id(project_id) else None
    if row is None:
        raise ConfigError(
            f"there is no project {project_id}; `projects` lists them all"
        )
    return row


def _new_key() -> str:
    return secrets.token_hex(_KEY_BYTES)


def _taken(row: Any) -> ConfigError:
    return ConfigError(
        f"there is a project {row.name!r} already, number {row.id}; choose another name"
    )


def _project(row: Any) -> Project:
    return Project(row.id, row.name, row.public_key)
