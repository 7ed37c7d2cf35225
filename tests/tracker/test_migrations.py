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
from flask_errtrack.tracker import actions
from flask_errtrack.tracker.database import migrations
from flask_errtrack.tracker.database.engine import Database
from flask_errtrack.tracker.database.migrations import SchemaState
from flask_errtrack.tracker.database.schema import (
    event,
    feedback,
    group,
    group_hour,
    group_user,
    issue,
    metadata,
    project,
    release,
)
from flask_errtrack.tracker.store import Store

from .stores import item, postgresql_url, row, rows


def test_migrations_make_the_tables_that_the_code_describes(store: Store) -> None:
    store.upgrade()
    with store.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrations.VERSION_TABLE}
        )

        assert compare_metadata(context, metadata) == []


@pytest.mark.postgresql
def test_postgresql_learns_how_frequent_a_value_of_a_tag_is(made_database: str) -> None:
    with closing(Store(postgresql_url(template=made_database))) as store:
        with store.reading() as connection:
            asked = "SELECT stxkind::text FROM pg_statistic_ext"
            kinds = connection.execute(text(asked)).scalar_one()

    # Functional dependencies, and the most common values.
    assert set(kinds) >= {"f", "m"}


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


def test_the_tables_can_stand_among_those_of_the_app(empty_url: str) -> None:
    engine = create_engine(Database(empty_url).url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of the app')"))

    store = Store(empty_url)
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
            (migrations.REVISIONS, SchemaState.CURRENT),
            ((*migrations.REVISIONS, "9999"), SchemaState.OLDER),
            (migrations.REVISIONS[:-1], SchemaState.NEWER),
        ):
            assert migrations.state_of(connection, revisions) is state


def test_what_the_first_tables_held_is_still_there(empty_url: str) -> None:
    database = Database(empty_url)
    engine = create_engine(database.url)
    with engine.begin() as connection:
        migrations.upgrade(connection, "0001")
        for statement in _FIRST_ROWS:
            connection.execute(
                text(statement), {"x": b"x"} if ":x" in statement else {}
            )
    engine.dispose()
    store = Store(empty_url)
    with closing(store):
        store.upgrade()

        made = row(store, issue)
        assert (made.title, made.event_count, made.user_count) == ("E: x", 3, 1)
        assert [(one.hash, one.event_count) for one in rows(store, group)] == [
            ("a", 3),
            ("b", 0),
        ]
        assert [one.words for one in rows(store, group)] == ["why", "why"]
        (kept,) = rows(store, event)
        assert (kept.group_id, kept.payload) == (1, b"x")
        assert row(store, group_hour).event_count == 3
        assert row(store, group_user).group_id == 1
        assert row(store, feedback).group_id == 1
        assert row(store, release).version == "1.0"


def test_no_number_of_before_an_upgrade_is_given_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection, "0001")
        for statement in _FIRST_ROWS[:2]:
            connection.execute(text(statement))
    engine.dispose()
    with closing(Store(url)) as store:
        actions.delete_issues(store, [1])

        recorded = store.record(item())
        assert recorded is not None
        assert recorded.issue_id == 2


_FIRST_ROWS = (
    "INSERT INTO errtrack_issue VALUES (1, 1, 'E: x', 'f', 'error', 'resolved',"
    " false, 5, 3, 1, 4, 5, 'production', '1.0', 'why')",
    "INSERT INTO errtrack_issue_hash VALUES (1, 'b', 1, 'c', 1), (1, 'a', 1, 'c', 1)",
    "INSERT INTO errtrack_event VALUES (1, 1, 'e', 1, 5, true, :x)",
    "INSERT INTO errtrack_issue_hour VALUES (1, 0, 3)",
    "INSERT INTO errtrack_issue_user VALUES (1, 'u')",
    "INSERT INTO errtrack_issue_tag VALUES (1, 'release', '1.0', 3)",
    "INSERT INTO errtrack_feedback VALUES (1, 1, 'e', 1, 'Ada', '', 'no', 5)",
)


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
