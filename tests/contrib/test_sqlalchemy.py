"""Queries as breadcrumbs: what is told of them, and to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp, MakeTransport
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    exc,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool
from tracker.stores import postgresql_url

from flask_errtrack import Client, ConfigError, ErrTrack
from flask_errtrack.contrib.sqlalchemy import MAX_STATEMENT_LENGTH, watch_engine
from flask_errtrack.transports import MemoryTransport

from .crumbs import crumbs_of, kept_in, lines_of

users = Table(
    "users",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String),
    Column("password", String),
)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database in memory, with a table and two rows."""
    made = create_engine(
        "sqlite://",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
    )
    users.metadata.create_all(made)
    with made.begin() as connection:
        connection.execute(insert(users), [{"name": "ada"}, {"name": "grace"}])
    yield made
    made.dispose()


@pytest.fixture
def client(sent: MemoryTransport) -> Iterator[Client]:
    """A client without Flask."""
    made = Client(transport=sent)
    yield made
    made.close()


def test_a_query_is_a_breadcrumb_without_its_parameters(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.connect() as connection:
        connection.execute(select(users.c.name).where(users.c.name == "ada")).all()
    query, end = crumbs_of(client, sent)
    assert query["type"] == query["category"] == "query"
    assert query["level"] == "info"
    assert query["message"].split() == (
        "SELECT users.name FROM users WHERE users.name = ?".split()
    )
    assert query["data"].keys() == {"duration_ms", "database"}
    assert 0 <= query["data"]["duration_ms"] < 10_000
    assert query["data"]["database"] == "sqlite"
    assert end["message"] == "ROLLBACK"
    assert "ada" not in str(query)


def test_what_a_statement_changed_is_counted(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.begin() as connection:
        connection.execute(update(users).values(name="x"))
        connection.execute(insert(users), [{"name": "a"}, {"name": "b"}, {"name": "c"}])
        with connection.begin_nested():
            pass
    changed, added, *ends = crumbs_of(client, sent)
    assert changed["data"]["rows"] == 2
    assert added["data"]["rows"] == added["data"]["executemany"] == 3
    assert [crumb["message"].split()[0] for crumb in ends] == [
        "SAVEPOINT",
        "RELEASE",
        "COMMIT",
    ]


def test_parameters_are_there_when_asked_for_and_secrets_redacted_by_name(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client, parameters=True)
    secret = "correct horse battery staple"
    with engine.connect() as connection:
        connection.execute(
            select(users).where(users.c.name == "ada", users.c.password == secret)
        )
        connection.execute(text("SELECT :who"), {"who": "grace"})
        connection.exec_driver_sql("SELECT ?, 1", (secret,))
        connection.execute(
            insert(users), [{"name": f"n{i}", "password": secret} for i in range(9)]
        )
    by_name, as_text, without_names, many, _ = crumbs_of(client, sent)
    assert by_name["data"]["parameters"] == {
        "name_1": "ada",
        "password_1": "[redacted]",
    }
    assert as_text["data"]["parameters"] == {"who": "grace"}
    assert without_names["data"]["parameters"] == "1 without a name"
    assert many["data"]["executemany"] == 9
    assert [one["name"] for one in many["data"]["parameters"]] == ["n0", "n1", "n2"]
    assert secret not in str(sent.events)


def test_a_query_that_is_sent_in_a_loop_is_one_breadcrumb(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.connect() as connection:
        client.add_breadcrumb(message="before the loop")
        for number in range(500):
            connection.execute(update(users).where(users.c.id < number).values(name=""))
        client.add_breadcrumb(message="after the loop")
        connection.execute(update(users).where(users.c.id < 3).values(name=""))
    before, loop, after, once, _ = crumbs_of(client, sent)
    assert (before["message"], after["message"]) == (
        "before the loop",
        "after the loop",
    )
    assert loop["data"]["times"] == 500
    assert loop["data"]["rows"] == 0 + 0 + 1 + 497 * 2
    assert loop["data"]["duration_ms"] > 0
    assert loop["timestamp"] > before["timestamp"]
    assert "times" not in once["data"]


def test_what_a_loop_in_an_inner_scope_asks_is_not_counted_outside(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        with client.push_scope():
            connection.execute(text("SELECT 1"))
            assert crumbs_of(client, sent)[0]["data"]["times"] == 2
        assert "times" not in crumbs_of(client, sent)[0]["data"]


def test_an_engine_that_hides_parameters_hides_them_here(
    client: Client, sent: MemoryTransport
) -> None:
    engine = create_engine("sqlite://", hide_parameters=True)
    watch_engine(engine, client, parameters=True)
    with engine.connect() as connection:
        connection.execute(text("SELECT :who"), {"who": "grace"})
    engine.dispose()
    assert "parameters" not in crumbs_of(client, sent)[0]["data"]


def test_a_secret_that_the_app_wrote_into_a_statement_is_redacted(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM users WHERE password = 'hunter2hunter'"))
    assert lines_of(client, sent)[0] == (
        "SELECT 1 FROM users WHERE password = '[redacted]'"
    )


def test_a_slow_query_is_marked(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client, slow_seconds=0)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert crumbs_of(client, sent)[0]["level"] == "warning"


def test_a_failed_query_tells_the_kind_of_error_but_not_its_words(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.connect() as connection, pytest.raises(exc.OperationalError):
        connection.execute(text("SELECT * FROM nowhere"))
    failed, _ = crumbs_of(client, sent)
    assert failed["level"] == "error"
    assert failed["message"] == "SELECT * FROM nowhere"
    assert failed["data"]["error"] == "OperationalError"
    assert failed["data"]["duration_ms"] >= 0
    assert "no such table" not in str(failed)


def test_a_database_that_is_away_is_told_of(
    client: Client, sent: MemoryTransport, tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/missing/shop.db")
    watch_engine(engine, client)
    with pytest.raises(exc.OperationalError):
        engine.connect()
    (failed,) = crumbs_of(client, sent)
    assert failed["level"] == "error"
    assert failed["message"] == "CONNECT"
    assert failed["data"] == {"database": "shop.db", "error": "OperationalError"}


def test_what_fails_while_rows_are_fetched_is_told_of(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.connect() as connection:
        many = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9)"
        failing = f"{many} SELECT abs(CASE i WHEN 9 THEN {-(2**63)} ELSE i END) FROM n"
        found = connection.execute(text(failing))
        with pytest.raises(exc.OperationalError):
            found.all()
    query, failed, _ = crumbs_of(client, sent)
    assert query["message"] == failed["message"] == failing
    assert (query["level"], failed["level"]) == ("info", "error")
    assert failed["data"]["error"] == "OperationalError"


def test_a_commit_that_fails_is_told_of(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql(
            "CREATE TABLE todo (id INTEGER PRIMARY KEY, owner INTEGER"
            " REFERENCES users DEFERRABLE INITIALLY DEFERRED)"
        )
    watch_engine(engine, client)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO todo (owner) VALUES (77)"))
        with pytest.raises(exc.IntegrityError):
            connection.commit()
        connection.rollback()
    _, commit, failed, *_ = crumbs_of(client, sent)
    assert commit["message"] == "COMMIT"
    assert failed["message"] == "without a statement"
    assert failed["data"]["error"] == "IntegrityError"


def test_a_long_statement_is_cut(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT '{'x' * 10_000}'"))
    assert len(lines_of(client, sent)[0]) == MAX_STATEMENT_LENGTH + 1


def test_the_hint_has_the_objects_of_sqlalchemy(
    engine: Engine, make_transport: MakeTransport
) -> None:
    seen: list[Any] = []

    def look(crumb: Any, hint: Any) -> Any:
        seen.append((crumb["message"], hint))
        return crumb if crumb["message"].startswith("SELECT 2") else None

    sent = make_transport()
    client = Client(transport=sent, before_breadcrumb=look)
    watch_engine(engine, client)
    with engine.connect() as connection, pytest.raises(exc.OperationalError):
        connection.execute(text("SELECT 1"))
        connection.execute(text("SELECT 2"))
        connection.execute(text("WRONG"))
    assert lines_of(client, sent) == ["SELECT 2"]
    client.close()
    assert seen[0][1]["execution_context"].statement == "SELECT 1"
    error = seen[2][1]["exception_context"].original_exception
    assert type(error).__name__ == "OperationalError"
    assert seen[3][1]["connection"].engine is engine


def test_an_engine_watched_twice_tells_once(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    stop = watch_engine(engine, client)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert lines_of(client, sent) == ["SELECT 1", "ROLLBACK"]
    stop()
    stop()
    names = ("before_cursor_execute", "after_cursor_execute", "commit", "rollback")
    assert not any(list(getattr(engine.dispatch, name)) for name in names)
    assert not list(engine.dialect.dispatch.handle_error)


def test_two_apps_that_share_an_engine_have_their_own_breadcrumbs(
    engine: Engine, make_app: MakeApp, make_transport: MakeTransport
) -> None:
    both = [ErrTrack(), ErrTrack()]
    transports = [make_transport(), make_transport()]
    apps = [
        make_app(errtrack=errtrack, transport=transport)
        for errtrack, transport in zip(both, transports, strict=True)
    ]
    for errtrack in both:
        watch_engine(engine, errtrack)
    for number, app in enumerate(apps):
        with app.app_context(), engine.connect() as connection:
            connection.execute(text(f"SELECT {number}"))
            connection.commit()
            lines = [f"SELECT {number}", "COMMIT"]
            found = crumbs_of(both[number], transports[number])
            assert [crumb["message"] for crumb in found] == lines
            assert not any("times" in crumb["data"] for crumb in found)


def test_a_job_has_the_queries_of_its_own_only(
    engine: Engine, app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    watch_engine(engine, errtrack)
    with app.app_context(), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        with errtrack.job("nightly"):
            connection.execute(text("SELECT 2"))
            assert lines_of(errtrack, sent) == ["SELECT 2"]
        assert lines_of(errtrack, sent) == ["SELECT 1"]


def test_a_hook_that_asks_the_database_leaves_nothing(
    engine: Engine, make_app: MakeApp, sent: MemoryTransport
) -> None:
    def count_users(crumb: Any, hint: Any) -> Any:
        with engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM users"))
        return crumb

    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent, before_breadcrumb=count_users)
    watch_engine(engine, errtrack)
    with app.app_context(), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert lines_of(errtrack, sent) == ["SELECT 1"]


@pytest.mark.postgresql
def test_an_async_engine_is_watched_and_its_tasks_do_not_mix(
    client: Client, sent: MemoryTransport
) -> None:
    engine = create_async_engine(postgresql_url(), pool_size=10)
    watch_engine(engine, client)

    async def work(number: int) -> None:
        with client.push_scope():
            async with engine.connect() as connection:
                for step in range(3):
                    await connection.execute(text(f"SELECT {number}, {step}"))
            lines = lines_of(client, sent)
            assert lines == [*(f"SELECT {number}, {i}" for i in range(3)), "ROLLBACK"]

    async def run() -> None:
        async with engine.connect() as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await connection.execute(text("SELECT pg_sleep(60)"))
        *_, cancelled = [
            one for one in crumbs_of(client, sent) if one["level"] == "error"
        ]
        assert cancelled["data"]["error"] == "CancelledError"
        client.scope.clear_breadcrumbs()
        await asyncio.gather(*(work(number) for number in range(50)))
        await engine.dispose()

    asyncio.run(run())


def test_where_there_is_no_client_nothing_happens(
    engine: Engine, make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    watch_engine(engine, errtrack, parameters=True)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        # Of two apps, outside of any context, neither is meant.
        first = make_app(errtrack=errtrack, transport=sent)
        make_app(errtrack=errtrack, transport=sent)
        connection.execute(text("SELECT 2"))
        with first.app_context():
            connection.execute(text("SELECT 3"))
            assert lines_of(errtrack, sent) == ["SELECT 3"]


def test_after_close_nothing_is_told(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    watch_engine(engine, client)
    client.close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    assert kept_in(client) == []


@pytest.mark.swallows_errors
def test_an_error_of_ours_does_not_reach_the_query(
    engine: Engine, client: Client, sent: MemoryTransport
) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not comparable")

        __hash__ = None  # type: ignore[assignment]

    def bind(value: Any) -> str:
        return "bound"

    import sqlite3

    sqlite3.register_adapter(Broken, bind)
    watch_engine(engine, client, parameters=True)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT :it"), {"it": Broken()}).scalar()
    assert found == "bound"
    assert lines_of(client, sent) == ["SELECT ?", "ROLLBACK"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (lambda engine: (SQLAlchemy, ErrTrack()), "db.engine"),
        (lambda engine: (engine, "errtrack"), "got a str as errtrack"),
        (lambda engine: (engine, ErrTrack(), None), "got slow_seconds=None"),
    ],
    ids=["no engine", "no errtrack", "no number"],
)
def test_a_wrong_argument_is_named(
    engine: Engine, arguments: Callable[[Engine], Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        engine_given, errtrack, *slow = arguments(engine)
        options = {"slow_seconds": slow[0]} if slow else {}
        watch_engine(engine_given, errtrack, **options)


def test_the_databases_of_flask_sqlalchemy(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)

    class Todo(db.Model):  # type: ignore[name-defined, misc]
        id: Mapped[int] = mapped_column(primary_key=True)

    class Visit(db.Model):  # type: ignore[name-defined, misc]
        __bind_key__ = "visits"
        id: Mapped[int] = mapped_column(primary_key=True)

    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    app.config["SQLALCHEMY_BINDS"] = {"visits": "sqlite://"}
    db.init_app(app)
    with app.app_context():
        db.create_all()
        for engine in db.engines.values():
            watch_engine(engine, errtrack)

    @app.get("/todos")
    def todos() -> str:
        db.session.scalars(select(Todo)).all()
        db.session.scalars(select(Visit)).all()
        raise LookupError("no todo")

    assert app.test_client().get("/todos").status_code == 500
    (event_sent,) = sent.events
    messages = [one["message"] for one in event_sent["breadcrumbs"]["values"]]
    assert [one.split()[-1] for one in messages if one.startswith("SELECT")] == [
        "todo",
        "visit",
    ]
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def test_queries_of_several_threads_do_not_mix(
    engine: Engine, app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    file_engine = create_engine(
        f"sqlite:///{app.instance_path}.db", pool_size=8, max_overflow=0
    )
    watch_engine(file_engine, errtrack)

    def work(number: int) -> list[str]:
        with app.app_context():
            for step in range(5):
                with file_engine.connect() as connection:
                    connection.execute(text(f"SELECT {number}, {step}"))
            kept = kept_in(app.extensions["errtrack"])
            return [message for message in kept if message != "ROLLBACK"]

    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(work, range(40))):
            assert found == [f"SELECT {number}, {step}" for step in range(5)]
    file_engine.dispose()


def test_the_app_sees_its_own_listeners_and_results_as_before(
    engine: Engine, client: Client
) -> None:
    seen: list[str] = []

    def look(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", look)
    stop = watch_engine(engine, client)
    with Session(engine) as session:
        assert session.scalar(select(users.c.name).where(users.c.id == 1)) == "ada"
    stop()
    assert len(seen) == 1
    assert event.contains(engine, "before_cursor_execute", look)
