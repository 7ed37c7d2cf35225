"""``/health``: what a monitor is told, and what only who may see the dashboard."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Blueprint, Flask
from werkzeug.test import TestResponse

from flask_errtrack.diagnosis.health import Health
from flask_errtrack.protocol.envelope import Envelope, Item
from flask_errtrack.transports import MemoryTransport
from flask_errtrack.transports.ledger import ALL, Page, Pause

NOBODY = "http://verysecretkey@127.0.0.1:9/1"


def health(app: Flask, address: str = "203.0.113.7") -> TestResponse:
    return app.test_client().get(
        "/errtrack/health", environ_overrides={"REMOTE_ADDR": address}
    )


def details(app: Flask) -> dict[str, Any]:
    """What a loopback client sees in debug mode."""
    app.debug = True
    found: dict[str, Any] = health(app, "127.0.0.1").get_json()
    return found


def outbox_of(app: Flask) -> Any:
    return app.extensions["errtrack"].transport.outbox


def put(app: Flask, count: int = 1) -> None:
    for _ in range(count):
        outbox_of(app).put(Envelope((Item("event", b"{}"),)).encode(), "error")


def pause(app: Flask, until: float, key: str = ALL, is_asked: bool = False) -> None:
    """Have the outbox pause until so many seconds from now, since a minute."""
    now = time.time()
    outbox_of(app).folder.mkdir(parents=True, exist_ok=True)
    page = Page({key: Pause(now + until, now - 60, "it is down", 3, is_asked)})
    outbox_of(app).ledger.write(page)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An app with a DSN, which has not sent anything yet."""
    return make_app(dsn=NOBODY, shutdown_timeout_seconds=0)


@pytest.mark.parametrize("options", [{}, {"dsn": NOBODY}, {"outbox": False}])
def test_a_fresh_app_is_well(make_app: MakeApp, options: dict[str, Any]) -> None:
    answer = health(make_app(**options))
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("is_waiting", "until", "is_asked", "status"),
    [
        (True, 10, False, 503),
        (True, 10, True, 503),
        # Not over, so nothing would pass.
        (False, 10, False, 503),
        # The next try is due, but none has passed.
        (True, -1, False, 503),
        # Nothing is left that could fail.
        (False, -1, False, 200),
        # The quiet that was asked for is over.
        (True, -1, True, 200),
    ],
)
def test_a_pause_is_a_failure_until_something_passes(
    app: Flask, is_waiting: bool, until: float, is_asked: bool, status: int
) -> None:
    pause(app, until, is_asked=is_asked)
    put(app, int(is_waiting))
    answer = health(app)
    assert answer.status_code == status
    assert answer.get_json() == {"status": "ok" if status == 200 else "failing"}


def test_a_pause_of_one_category_is_a_failure(app: Flask) -> None:
    pause(app, 10, "feedback", is_asked=True)
    assert health(app).status_code == 503


def test_a_broken_database_is_a_failure(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    app = make_app(database_url=f"sqlite:///{tmp_path}/broken.db")
    assert health(app).status_code == 503
    assert health(app).get_json() == {"status": "failing"}
    assert "is not an SQLite database" in details(app)["problem"]


def test_who_may_see_the_dashboard_sees_details(app: Flask) -> None:
    put(app, 3)
    outbox_of(app).set_aside(outbox_of(app).names()[0])
    pause(app, 10)
    page = outbox_of(app).ledger.read()
    page.count({("queue_overflow", "error"): 4, ("queue_overflow", "feedback"): 1})
    outbox_of(app).ledger.write(page)
    found = details(app)
    assert 0 <= found.pop("oldest_seconds") < 60
    assert found.pop("since") < found.pop("next_try")
    size_bytes = len(Envelope((Item("event", b"{}"),)).encode())
    assert found == {
        "status": "failing",
        "waiting": 2,
        "waiting_bytes": 2 * size_bytes,
        "set_aside": 1,
        "dropped": {"queue_overflow": 5},
        "problem": "it is down",
    }


def test_the_same_things_are_told_of_a_healthy_app(app: Flask) -> None:
    assert details(app) == {
        "status": "ok",
        "waiting": 0,
        "waiting_bytes": 0,
        "oldest_seconds": None,
        "set_aside": 0,
        "dropped": {},
        "problem": None,
        "since": None,
        "next_try": None,
    }


def test_what_waits_in_memory_counts(make_app: MakeApp) -> None:
    app = make_app(dsn=NOBODY, outbox=False, shutdown_timeout_seconds=0)
    put(app, 2)
    found = details(app)
    assert (found["waiting"], found["oldest_seconds"]) == (2, None)
    assert found["waiting_bytes"] > 0


def test_details_are_for_those_whom_the_app_lets_in(make_app: MakeApp) -> None:
    is_admin = False
    app = make_app(dsn=NOBODY, dashboard_access=lambda: is_admin)
    assert health(app, "127.0.0.1").get_json() == {"status": "ok"}
    is_admin = True
    assert "waiting" in health(app).get_json()


def test_debug_mode_opens_it_to_this_machine_only(app: Flask) -> None:
    app.debug = True
    assert "waiting" in health(app, "127.0.0.1").get_json()
    assert health(app, "203.0.113.7").get_json() == {"status": "ok"}


def test_a_key_never_shows(app: Flask) -> None:
    with app.app_context():
        client = app.extensions["errtrack"]
        client.capture_message("late")
        client.flush(0)
    assert "verysecretkey" not in json.dumps(details(app))


def test_a_flood_of_questions_looks_once_a_second(make_app: MakeApp) -> None:
    now, looks = [0.0], []
    app = make_app(dsn=NOBODY)
    health = Health(
        app.extensions["errtrack"],
        lambda: looks.append(now[0]),
        lambda: False,
        lambda: now[0],
    )
    blueprint = Blueprint("monitored", __name__)
    health.add_to(blueprint)
    app.register_blueprint(blueprint)
    browser = app.test_client()
    for now[0] in (0.0, 0.1, 0.9, 1.5, 1.6, 2.6):
        assert browser.get("/health").status_code == 200
    assert looks == [0.0, 1.5, 2.6]


def test_an_app_under_test_writes_nothing(make_app: MakeApp) -> None:
    app = make_app({"TESTING": True})
    assert health(app).get_json() == {"status": "ok"}
    assert not Path(app.instance_path).exists()


def test_an_app_without_error_tracking_has_none(make_app: MakeApp) -> None:
    assert health(make_app(enabled=False)).status_code == 404


def test_it_is_where_the_pages_are(make_app: MakeApp) -> None:
    app = make_app(dsn=NOBODY, url_prefix="/errors")
    assert app.test_client().get("/errors/health").status_code == 200


def test_of_a_transport_of_ones_own_only_what_was_dropped_is_known(
    make_app: MakeApp,
) -> None:
    app = make_app(transport=MemoryTransport(), sample_rate=0.0)
    with app.app_context():
        app.extensions["errtrack"].capture_message("late")
    found = details(app)
    assert found["status"] == "ok" and "waiting" not in found
    assert found["dropped"] == {"sample_rate": 1}


def test_no_database_is_loaded_where_there_is_none(tmp_path: Path) -> None:
    code = f"""
import sys
from flask import Blueprint, Flask
from flask_errtrack import ErrTrack
app = Flask("shop", instance_path={str(tmp_path)!r})
ErrTrack(app, dsn={NOBODY!r}, dashboard_access=lambda: True)
assert "waiting" in app.test_client().get("/errtrack/health").get_json()
print(*({{"sqlalchemy", "alembic"}} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("\n", "")
