"""An app with its own tracker: from a failing view to a page, and through faults."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask, g, render_template_string, request
from flask.testing import FlaskClient
from places import Broken, fail, visit
from sqlalchemy import text

from flask_errtrack.transports import BackgroundTransport, MemoryTransport
from flask_errtrack.transports.outbox import FolderOutbox


def shop(make_app: MakeApp, **options: Any) -> Flask:
    """An app with a view that fails, and a dashboard that is open."""
    app = make_app(
        dashboard_access=lambda: True, **{"shutdown_timeout_seconds": 0, **options}
    )

    @app.get("/broken/<int:number>")
    def broken(number: int) -> str:
        return str(number / (number - number))

    @app.errorhandler(500)
    def sorry(error: Exception) -> tuple[str, int]:
        return f"sorry, {g.event_id}", 500

    return app


def waiting(app: Flask) -> list[str]:
    transport = app.extensions["errtrack"].transport
    assert isinstance(transport, BackgroundTransport)
    return transport.outbox.names()


def flushed(app: Flask, timeout_seconds: float = 60) -> bool:
    return bool(app.extensions["errtrack"].flush(timeout_seconds))


def test_an_exception_becomes_an_issue_on_a_page(make_app: MakeApp) -> None:
    app = shop(make_app)
    browser = app.test_client()
    answer = browser.get("/broken/3?size=large")
    event_id = answer.headers["X-ErrTrack-ID"]
    assert answer.text == f"sorry, {event_id}"
    assert flushed(app)
    assert "ZeroDivisionError" in browser.get("/errtrack/").text
    page = browser.get("/errtrack/issues/1").text
    assert "number / (number - number)" in page
    assert "size=large" in page
    event = browser.get(f"/errtrack/events/{event_id}.json").get_json()
    assert event["exception"]["values"][0]["type"] == "ZeroDivisionError"
    assert event["event_id"] == event_id


def test_nothing_is_written_before_there_is_something_to_write(
    make_app: MakeApp,
) -> None:
    app = shop(make_app)
    app.add_url_rule("/", view_func=lambda: "fine")
    app.test_client().get("/")
    assert not Path(app.instance_path).exists()


def test_the_event_is_on_disk_before_the_answer_leaves(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app = shop(make_app, database_url=f"sqlite:///{tmp_path}/locked.db")
    locked = sqlite3.connect(tmp_path / "locked.db")
    locked.execute("BEGIN EXCLUSIVE")
    answer = app.test_client().get("/broken/1")
    assert answer.status_code == 500
    (name,) = waiting(app)
    transport = app.extensions["errtrack"].transport
    data = transport.outbox.read(name)
    assert data is not None and answer.headers["X-ErrTrack-ID"].encode() in data
    locked.close()
    assert flushed(app)
    assert waiting(app) == []


def broken_by_corruption(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 64)


def broken_by_a_folder(path: Path) -> None:
    path.mkdir()


def broken_by_a_newer_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE errtrack_alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO errtrack_alembic_version VALUES ('9999')")
    connection.close()


@pytest.mark.parametrize(
    "breaks", [broken_by_corruption, broken_by_a_folder, broken_by_a_newer_version]
)
def test_with_a_broken_database_the_app_works_on_and_the_events_wait(
    make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture, breaks: Any
) -> None:
    path = tmp_path / "errtrack.db"
    breaks(path)
    app = shop(make_app, database_url=f"sqlite:///{path}")
    browser = app.test_client()
    with caplog.at_level(logging.ERROR, "flask_errtrack"):
        for number in range(3):
            answer = browser.get(f"/broken/{number}")
            assert answer.status_code == 500
            assert answer.text == f"sorry, {answer.headers['X-ErrTrack-ID']}"
        assert not flushed(app, 0.5)
    assert len(waiting(app)) == 3
    told = [r for r in caplog.records if r.name == "flask_errtrack"]
    assert len(told) == 1
    assert "errtrack.db" in told[0].getMessage()
    page = browser.get("/errtrack/")
    assert page.status_code == 503
    doctor = app.test_cli_runner().invoke(args=["errtrack", "doctor"])
    assert doctor.exit_code == 1
    assert "3 waiting" in doctor.output


def test_an_instance_folder_that_cannot_be_made_means_memory_and_one_warning(
    make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    app = shop(
        make_app,
        database_url=f"sqlite:///{tmp_path}/errtrack.db",
        outbox=str(tmp_path / "file" / "outbox"),
    )
    with caplog.at_level(logging.WARNING, "flask_errtrack"):
        for number in range(3):
            assert app.test_client().get(f"/broken/{number}").status_code == 500
    assert flushed(app)
    warnings = [r for r in caplog.records if r.name == "flask_errtrack"]
    assert len(warnings) == 1
    assert "memory only" in warnings[0].getMessage()
    assert "3" in app.test_client().get("/errtrack/").text


def test_the_next_process_delivers_what_is_left(
    make_app: MakeApp, tmp_path: Path
) -> None:
    options = {
        "database_url": f"sqlite:///{tmp_path}/errtrack.db",
        "outbox": str(tmp_path / "outbox"),
    }
    dead = shop(make_app, **options)
    folder = dead.extensions["errtrack"].transport.outbox.folder
    event_id = left_behind(folder)
    app = shop(make_app, **options)
    browser = app.test_client()
    browser.get("/errtrack/")
    assert flushed(app)
    assert browser.get(f"/errtrack/events/{event_id}").status_code == 200


def left_behind(folder: Path) -> str:
    """Write what a process leaves that was killed after it answered."""
    event_id = "e" * 32
    payload = (
        f'{{"event_id":"{event_id}","platform":"python",'
        '"timestamp":"2026-01-01T00:00:00Z","logentry":{"message":"left"}}'
    ).encode()
    header = (
        f'{{"event_id":"{event_id}"}}\n{{"type":"event","length":{len(payload)}}}\n'
    )
    FolderOutbox(folder, 100_000).put(header.encode() + payload + b"\n", "error")
    return event_id


def test_feedback_reaches_the_issue_page(make_app: MakeApp) -> None:
    app = shop(make_app)

    @app.get("/with-dialog")
    def with_dialog() -> str:
        raise LookupError("no such book")

    @app.errorhandler(LookupError)
    def unused(error: LookupError) -> str:
        app.extensions["errtrack"].capture_exception(error)
        return render_template_string("{{ errtrack_feedback() }}")

    browser = app.test_client()
    html = browser.get("/with-dialog").text
    token = html.partition('name="token" value="')[2].partition('"')[0]
    answer = browser.post(
        "/errtrack/feedback", data={"token": token, "comments": "I wanted a book."}
    )
    assert answer.status_code == 200
    assert flushed(app)
    assert "I wanted a book." in browser.get("/errtrack/issues/1").text


def test_a_csrf_extension_does_not_stop_the_dialog(make_app: MakeApp) -> None:
    from flask_wtf import CSRFProtect

    app = shop(make_app)
    app.config["WTF_CSRF_SSL_STRICT"] = False
    CSRFProtect(app)
    app.add_url_rule("/guarded", view_func=lambda: "posted", methods=["POST"])
    browser: FlaskClient = app.test_client()
    assert browser.post("/guarded").status_code == 400
    answer = browser.post("/errtrack/feedback", data={"token": "forged"})
    assert answer.status_code == 403
    assert "was not made by this site" in answer.text


def test_without_a_query_in_the_apps_own_database(
    make_app: MakeApp, tmp_path: Path
) -> None:
    from flask_sqlalchemy import SQLAlchemy

    app = shop(make_app)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/shop.db"
    app.config["SQLALCHEMY_RECORD_QUERIES"] = True
    db = SQLAlchemy(app)

    @app.get("/query")
    def query() -> str:
        db.session.execute(text("SELECT 1"))
        raise LookupError

    seen = []

    @app.teardown_request
    def count(error: BaseException | None) -> None:
        from flask_sqlalchemy.record_queries import get_recorded_queries

        seen.append(len(get_recorded_queries()))

    app.test_client().get("/query")
    assert seen == [1]
    with app.app_context():
        db.engine.dispose()


def test_a_relative_database_is_in_the_instance_folder(make_app: MakeApp) -> None:
    app = shop(make_app, database_url="sqlite:///data/errors.db", outbox="waiting")
    app.test_client().get("/broken/1")
    assert flushed(app)
    assert (Path(app.instance_path) / "data" / "errors.db").is_file()
    assert (Path(app.instance_path) / "waiting").is_dir()


def test_two_apps_with_one_outbox_folder_never_mix(
    make_app: MakeApp, tmp_path: Path
) -> None:
    one, other = (shop(make_app, outbox=str(tmp_path / "outbox")) for _ in range(2))
    one.test_client().get("/broken/1")
    other.test_client().get("/broken/2?only=other")
    assert flushed(one) and flushed(other)
    assert "1 event" in one.test_client().get("/errtrack/").text
    assert "only=other" not in one.test_client().get("/errtrack/issues/1").text
    assert "only=other" in other.test_client().get("/errtrack/issues/1").text


@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("endpoint", ["envelope", "store"])
def test_what_fails_in_receiving_goes_to_no_dsn_as_that_may_lead_here(
    make_app: MakeApp, sent: MemoryTransport, endpoint: str, slash: str
) -> None:
    dsn = "https://0123456789abcdef@shop.example.com/errtrack/1"
    app = shop(make_app, dsn=dsn, dashboard=True, transport=sent)

    @app.before_request
    def fail_after_a_word() -> None:
        app.logger.error("It fails again.")
        fail()

    app.wsgi_app = Failing(app.wsgi_app)  # type: ignore[method-assign]
    path = f"/errtrack/api/1/{endpoint}{slash}"
    with pytest.raises(Broken):
        app.test_client().post(path)
    assert sent.events == []
    visit(app, "/errtrack/")
    assert len(sent.events) == 3


class Failing:
    """Middleware that fails after the app."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def __call__(self, environ: Any, start_response: Any) -> Any:
        list(self.inside(environ, start_response))
        fail()


def test_what_fails_in_receiving_is_stored_where_no_dsn_is(make_app: MakeApp) -> None:
    app = shop(make_app)
    app.before_request(lambda: fail() if "api" in request.path else None)
    assert app.test_client().post("/errtrack/api/1/store/").status_code == 500
    assert flushed(app)
    assert "Broken" in app.test_client().get("/errtrack/").text
