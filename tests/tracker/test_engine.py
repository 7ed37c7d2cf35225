"""The tracker's database: who may share it, and what is said when it fails."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, text

from flask_errtrack.errors import ConfigError, StoreError
from flask_errtrack.tracker.database.engine import Database
from flask_errtrack.tracker.database.schema import event, group_hour, group_tag, issue
from flask_errtrack.tracker.database.statements import Prepared
from flask_errtrack.tracker.store import Store

from .samples import event_id
from .stores import item, postgresql_url, row, rows

PROCESSES = 4
THREADS = 8
EVENTS_EACH = 10


def test_what_is_written_gathers_in_the_log_before_the_disk_has_to_sync(
    tmp_path: Path,
) -> None:
    path = tmp_path / "errtrack.db"
    database = Database(f"sqlite:///{path}")
    before = database.write(lambda _: path.stat().st_size)

    def write_eight_mebibytes(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE big AS SELECT zeroblob(8388608) AS part"))

    database.write(write_eight_mebibytes)
    assert path.stat().st_size - before < 2**20
    database.close()
    assert path.stat().st_size - before >= 8 * 2**20


def test_threads_and_processes_count_every_event_once(empty_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_record_many, args=(empty_url, number))
        for number in range(PROCESSES)
    ]
    for writer in writers:
        writer.start()
    _record_many(empty_url, PROCESSES)
    for writer in writers:
        writer.join()

    store = Store(empty_url)
    total = (PROCESSES + 1) * THREADS * EVENTS_EACH
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    assert row(store, issue).event_count == total
    assert row(store, issue).user_count == THREADS
    assert sum(made.event_count for made in rows(store, group_tag)) == total
    assert len(rows(store, event)) == total
    store.close()


def _record_many(database_url: str, process: int) -> None:
    """Record from all threads at once, each event twice."""
    store = Store(database_url, max_events_per_issue=10_000)

    def record(thread: int) -> None:
        for number in range(EVENTS_EACH):
            name = event_id((process * THREADS + thread) * EVENTS_EACH + number)
            for _ in range(2):
                store.record(
                    item(event_id=name, user={"id": thread}, tags={"n": str(number)})
                )

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(record, range(THREADS)))
    store.close()


def test_making_a_store_touches_no_disk(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path}/new/errtrack.db")

    assert list(tmp_path.iterdir()) == []


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/some/new/folder/errtrack.db")
    database.check()

    made = list((tmp_path / "some/new/folder").iterdir())
    assert {oct(path.stat().st_mode & 0o777) for path in made} == {"0o600"}
    assert "errtrack.db" in {path.name for path in made}
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_opens_connections_of_its_own(database_url: str) -> None:
    store = Store(database_url)
    store.record(item(event_id=event_id(1)))

    child = os.fork()
    if child == 0:
        recorded = store.record(item(event_id=event_id(2)))
        os._exit(0 if recorded is not None else 1)
    _, status = os.waitpid(child, 0)
    store.record(item(event_id=event_id(3)))

    assert status == 0
    assert row(store, issue).event_count == 3
    store.close()


def test_a_database_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/errtrack.db")
    store.record(item())
    for path in list(tmp_path.iterdir()):
        path.unlink()

    store.record(item())

    assert row(store, issue).event_count == 1
    with closing(sqlite3.connect(tmp_path / "errtrack.db")) as connection:
        found = connection.execute("SELECT event_count FROM errtrack_issue")
        assert found.fetchall() == [(1,)]
    store.close()


def test_a_closed_database_opens_again(database_url: str) -> None:
    store = Store(database_url)
    store.record(item())
    store.close()

    store.record(item())

    assert row(store, issue).event_count == 2
    store.close()


def test_reading_never_waits_for_a_writer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/errtrack.db", 0.01)
    database.check()

    with closing(sqlite3.connect(tmp_path / "errtrack.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with database.reading() as connection:
            count = connection.execute(text("SELECT count(*) FROM errtrack_project"))
            assert count.scalar_one() == 1
    database.close()


def test_a_write_that_fails_changes_nothing(database_url: str) -> None:
    store = Store(database_url)
    store.record(item())

    with pytest.raises(StoreError, match="refused to work"):
        store.record(item(), project_id=4711)

    assert len(rows(store, event)) == 1
    assert row(store, issue).event_count == 1
    store.close()


def _uses(store: Store) -> list[Callable[[], object]]:
    return [store.check, store.upgrade, lambda: store.record(item())]


def _is_a_folder(path: Path) -> None:
    path.mkdir()


def _is_below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def _is_no_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)


def _is_damaged(path: Path) -> None:
    store = Store(f"sqlite:///{path}")
    for number in range(20):
        store.record(item(event_id=event_id(number), extra={"x": str(number) * 8000}))
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_is_a_folder, "cannot be opened: make its folder writable"),
        (_is_below_a_file, "cannot be made .*: make its folder writable"),
        (_is_no_database, "is not an SQLite database: move the file away"),
        (_is_damaged, "is damaged: move the file away"),
    ],
)
def test_a_fault_says_how_to_mend_it(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    path = tmp_path / "folder" / "errtrack.db"
    path.parent.mkdir()
    spoil(path)
    store = Store(f"sqlite:///{path}")

    for use in _uses(store):
        with pytest.raises(StoreError, match=told) as caught:
            use()
        assert str(path) in str(caught.value)
        assert caught.value.__cause__ is not None
    store.close()


def test_a_connection_that_is_in_use_when_all_are_closed_is_closed_after_it(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite:///{tmp_path}/errtrack.db")
    with database.reading() as connection:
        driver = connection.connection.driver_connection
        database.close()
        assert connection.scalar(text("SELECT 7")) == 7
    assert isinstance(driver, sqlite3.Connection)
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        driver.execute("SELECT 7")


def test_a_locked_database_says_so_and_works_later(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/errtrack.db", busy_timeout_seconds=0.01)
    store.check()
    with closing(sqlite3.connect(tmp_path / "errtrack.db")) as other:
        other.execute("BEGIN IMMEDIATE")

        for use in _uses(store):
            with pytest.raises(StoreError, match="is locked by another process"):
                use()

    assert store.record(item()) is not None
    store.close()


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/errtrack.db")

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
        connection.exec_driver_sql("CREATE TABLE t AS SELECT zeroblob(1000000)")

    with pytest.raises(StoreError, match="the disk is full: free some space"):
        database.write(fill)
    database.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://u:secret-word@host/db", "mysql is not supported"),
        ("sqlite://", "cannot share SQLite in memory"),
        ("sqlite:///:memory:", "cannot share SQLite in memory"),
        ("postgresql://u:secret-word@host:port/db", "cannot be read"),
        ("secret-word", "cannot be read"),
    ],
)
def test_a_url_that_cannot_work_is_refused_at_once(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        Database(url)

    assert "expected sqlite:///path" in str(caught.value)
    assert "secret-word" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_server_that_is_away_is_named_without_the_password() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        port = unused.getsockname()[1]
    database = Database(f"postgresql://me:secret-word@127.0.0.1:{port}/errors")

    with pytest.raises(StoreError, match="check that the server runs") as caught:
        database.check()

    assert f"'errors' on 127.0.0.1:{port}" in str(caught.value)
    cause = caught.value.__cause__
    assert cause is not None
    assert "secret-word" not in f"{caught.value} {cause} {cause.__cause__}"


@pytest.mark.postgresql
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(encoding: str) -> None:
    database = Database(postgresql_url(encoding))

    for use in (database.check, database.upgrade):
        with pytest.raises(StoreError, match=f"the encoding {encoding}, .* UTF8"):
            use()
    database.close()


@pytest.mark.postgresql
def test_the_text_of_a_database_is_unicode_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with closing(Store(postgresql_url())) as store:
        store.record(item(tags={"sign": "\u20ac"}))

        assert "\u20ac" in [made.value for made in rows(store, group_tag)]


@pytest.mark.postgresql
def test_a_role_without_rights_is_told_which_it_needs() -> None:
    owner = Database(postgresql_url())
    owner.check()
    role = f"{owner.url.database}_guest"
    with owner.reading() as connection:
        connection.execute(text(f"DROP ROLE IF EXISTS {role}"))
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'guest'"))
        url = owner.url.set(username=role, password="guest")
        guest = Database(url.render_as_string(hide_password=False))

        with pytest.raises(StoreError, match="have the owner GRANT it SELECT, INSERT"):
            guest.check()
        guest.close()
        connection.execute(text(f"DROP ROLE {role}"))
    owner.close()


def test_who_has_other_tables_than_the_database_is_told_to_start_again(
    store: Store,
) -> None:
    store.record(item())
    table = group_hour.name
    store.write(lambda connection: connection.execute(text(f"DROP TABLE {table}")))

    with pytest.raises(StoreError, match="start this process again with the newest"):
        store.record(item())


@pytest.mark.postgresql
def test_what_a_broken_connection_has_not_written_is_written_on_a_new_one() -> None:
    database = Database(postgresql_url())
    process = Prepared(lambda _: select(func.pg_backend_pid().label("id")))
    used = []

    def work(connection: Connection) -> object:
        (own,) = process.run(connection, {})
        used.append(own.id)
        if len(used) == 1:
            database.write(
                lambda other: other.execute(select(func.pg_terminate_backend(own.id)))
            )
        return process.run(connection, {})[0].id

    assert database.write(work) == used[1] != used[0]
    database.close()


def test_a_missing_driver_is_named() -> None:
    code = """
        import sys
        sys.modules["psycopg"] = None
        from flask_errtrack.errors import StoreError
        from flask_errtrack.tracker.database.engine import Database
        try:
            Database("postgresql://me@localhost/errors").check()
        except StoreError as error:
            print(error)
    """
    told = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)])

    assert b'run pip install "Flask-ErrTrack[postgresql]"' in told
