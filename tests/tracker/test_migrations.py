"""The tables: what migrations make is what the code describes, made once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from flask_errtrack.errors import StoreError
from flask_errtrack.tracker import migrations
from flask_errtrack.tracker.engine import Database
from flask_errtrack.tracker.migrations import SchemaState
from flask_errtrack.tracker.schema import metadata, project
from flask_errtrack.tracker.store import Store

from .stores import item, postgresql_url, row


def test_migrations_make_the_tables_that_the_code_describes(store: Store) -> None:
    store.upgrade()
    with store.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrations.VERSION_TABLE}
        )

        assert compare_metadata(context, metadata) == []


def test_every_revision_is_named_in_order() -> None:
    script = ScriptDirectory(str(Path(migrations.__file__).parent))

    found = [step.revision for step in script.walk_revisions()]

    assert tuple(reversed(found)) == migrations.REVISIONS


def test_the_first_migration_makes_the_apps_own_project(store: Store) -> None:
    made = row(store, project)

    assert (made.id, made.name, len(made.public_key)) == (1, "app", 32)


def test_an_empty_database_needs_no_upgrade_by_hand(store: Store) -> None:
    assert store.record(item()) is not None


def test_an_upgrade_may_be_asked_for_at_any_time(store: Store) -> None:
    store.upgrade()
    store.record(item())
    store.upgrade()
    store.check()

    assert row(store, project).id == 1


def test_the_tables_can_stand_among_those_of_the_app(database_url: str) -> None:
    engine = create_engine(Database(database_url).url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of the app')"))

    store = Store(database_url)
    store.record(item())
    store.close()

    with engine.connect() as connection:
        kept = connection.execute(text("SELECT version_num FROM alembic_version"))
        assert kept.scalar_one() == "of the app"
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
    engine.dispose()
    assert {name.startswith("errtrack_") for name in names} == {True}


def test_tables_of_a_newer_version_are_left_alone(store: Store) -> None:
    _set_revision(store, "9999")

    uses: list[Callable[[], object]]
    uses = [store.check, store.upgrade, lambda: store.record(item())]
    for use in uses:
        with pytest.raises(StoreError, match="newer Flask-ErrTrack: upgrade the pack"):
            use()


def test_the_version_of_the_tables_is_told(store: Store) -> None:
    with store.reading() as connection:
        for revisions, state in (
            (("0001",), SchemaState.CURRENT),
            (("0001", "0002"), SchemaState.OLDER),
            (("0000",), SchemaState.NEWER),
        ):
            assert migrations.state_of(connection, revisions) is state


@pytest.mark.postgresql
def test_an_older_postgresql_database_waits_for_the_command() -> None:
    url = postgresql_url()
    with closing(Database(url)) as database:
        database.check()
    newer = Database(url, revisions=(*migrations.REVISIONS, "9999"))

    with pytest.raises(StoreError, match='run "flask errtrack upgrade"'):
        newer.check()
    with pytest.raises(StoreError, match='run "flask errtrack upgrade"'):
        newer.write(lambda connection: None)


def _set_revision(store: Store, revision: str) -> None:
    """Leave the tables as another version would, to a store that starts anew."""
    with store.reading() as connection:
        name = migrations.VERSION_TABLE
        connection.execute(text(f"UPDATE {name} SET version_num = '{revision}'"))
    store.close()
