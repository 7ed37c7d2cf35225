"""The tracker on its own: who may come in, and where its own errors go."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_errtrack.composition import dismantle
from flask_errtrack.errors import ConfigError
from flask_errtrack.host.app import KEYS_KEY, TRACKER_KEY
from flask_errtrack.tracker import create_app, projects
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.standalone import MAX_GUESSES, Guesses
from flask_errtrack.tracker.store import Store
from flask_errtrack.web.access import Access, login_token

from .samples import PageClient
from .stores import Clock, rows

MakeTracker = Callable[..., Flask]
PASSWORD = "correct horse battery"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeTracker]:
    """Make trackers with a database of their own; options are passed on."""
    made = []

    def create(**options: Any) -> Flask:
        url = f"sqlite:///{tmp_path}/data/errtrack.db"
        app = create_app(options.pop("database_url", url), **options)
        app.test_client_class = PageClient
        made.append(app)
        return app

    yield create
    for app in made:
        dismantle(app)


def store_of(app: Flask) -> Store:
    store: Store = app.extensions[TRACKER_KEY].store
    return store


def basic(password: str, name: str = "ada") -> dict[str, str]:
    word = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


def login_url(app: Flask) -> str:
    return f"/login?token={login_token(app.extensions[KEYS_KEY]())}"


@pytest.mark.parametrize("path", ["/", "/projects", "/projects/1", "/feedback"])
def test_it_is_closed(make: MakeTracker, path: str) -> None:
    answer = make().test_client().get(path)
    assert answer.status_code == 403
    assert "errtrack login-link --base-url http://localhost/" in answer.text


def test_a_login_link_opens_it(make: MakeTracker) -> None:
    app = make()
    client = app.test_client()
    assert client.get(login_url(app)).status_code == 303
    assert client.get("/").status_code == 200
    assert client.post("/projects", data={"name": "shop"}).status_code == 303


@pytest.mark.parametrize("url_prefix", ["", "/errors"])
def test_an_address_that_leads_nowhere_leads_home(
    make: MakeTracker, url_prefix: str
) -> None:
    answer = make(url_prefix=url_prefix).test_client().get("/nothing")
    assert answer.status_code == 404
    assert f'<a href="{url_prefix}/">To the issues</a>' in answer.text


def test_who_starts_it_again_need_not_log_in_again(make: MakeTracker) -> None:
    first, second = make(), make()
    client = second.test_client()
    assert client.get(login_url(first)).status_code == 303
    assert client.get("/").status_code == 200


def test_the_browser_asks_for_a_password(make: MakeTracker) -> None:
    client = make(password=PASSWORD).test_client()
    answer = client.get("/")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert client.get("/", headers=basic(PASSWORD)).status_code == 200


@pytest.mark.parametrize("password", ["", "wrong horse battery", PASSWORD + " ", "é"])
def test_a_wrong_password_opens_nothing(make: MakeTracker, password: str) -> None:
    client = make(password=PASSWORD).test_client()
    answer = client.get("/projects/1", headers=basic(password))
    assert (answer.status_code, "/api/1/" in answer.text) == (401, False)


@pytest.mark.parametrize("header", ["Basic", "Basic ?", "Basic eA==", "Bearer x", ""])
def test_a_broken_authorization_opens_nothing(make: MakeTracker, header: str) -> None:
    client = make(password=PASSWORD).test_client()
    assert client.get("/", headers={"Authorization": header}).status_code == 401


def test_a_login_link_opens_it_beside_a_password(make: MakeTracker) -> None:
    app = make(password=PASSWORD)
    client = app.test_client()
    assert client.get(login_url(app)).status_code == 303
    assert client.get("/").status_code == 200


def test_another_site_cannot_use_the_password_of_the_browser(make: MakeTracker) -> None:
    app = make(password=PASSWORD)
    headers = {**basic(PASSWORD), "Sec-Fetch-Site": "cross-site"}
    answer = app.test_client().post("/projects", data={"name": "x"}, headers=headers)
    assert answer.status_code == 403
    assert len(projects.every(store_of(app))) == 1


def test_who_guesses_too_often_is_not_let_in_for_a_while(make: MakeTracker) -> None:
    browser = make(password=PASSWORD).test_client()

    def status(password: str, address: str = "203.0.113.9") -> int:
        environ = {"REMOTE_ADDR": address}
        headers = basic(password)
        return browser.get("/", headers=headers, environ_base=environ).status_code

    assert status(PASSWORD) == 200
    for number in range(MAX_GUESSES):
        assert status(f"guess {number}") == 401
    assert status(PASSWORD) == 401
    assert status(PASSWORD, "203.0.113.10") == 200


def test_after_a_minute_one_may_guess_again() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(MAX_GUESSES):
        assert not guesses.are_too_many("here")
        guesses.add("here")
    assert guesses.are_too_many("here")
    clock.seconds += 61
    assert not guesses.are_too_many("here")


def test_who_gave_a_name_is_known_by_it(make: MakeTracker) -> None:
    app = make(password=PASSWORD)
    access = Access(lambda: [app.secret_key or ""])
    with app.test_request_context(headers=basic(PASSWORD, "Ada Lovelace")):
        assert access.actor() == "Ada Lovelace"
    with app.test_request_context(headers=basic("wrong", "Ada Lovelace")):
        assert access.actor() == ""


def test_an_own_rule_decides_instead(make: MakeTracker) -> None:
    def rule(user: object, action: str) -> bool:
        return action == "view"

    client = make(dashboard_access=rule).test_client()
    assert client.get("/projects").status_code == 200
    assert client.post("/projects", data={"name": "shop"}).status_code == 403


def test_its_own_errors_are_kept_in_a_project_of_their_own(make: MakeTracker) -> None:
    app = make(password=PASSWORD)
    app.add_url_rule("/boom", view_func=lambda: str(1 / 0))
    answer = app.test_client().get("/boom", headers=basic(PASSWORD))
    store = store_of(app)
    (event,) = rows(store, schema.event)
    assert answer.headers["X-ErrTrack-ID"] == event.event_id
    assert [one.name for one in projects.every(store)] == ["app", "ErrTrack"]
    assert event.project_id == 2


def test_what_is_told_of_its_errors_holds_no_secret(make: MakeTracker) -> None:
    key = "f1e2d3c4b5a69788" * 4
    app = make(password=PASSWORD, secret_key=key)

    def boom() -> str:
        raise ValueError(f"{key} {PASSWORD}")

    app.add_url_rule("/boom", view_func=boom)
    app.test_client().get("/boom", headers=basic(PASSWORD))
    client = app.test_client()
    (event,) = rows(store_of(app), schema.event)
    page = client.get(f"/events/{event.event_id}.json", headers=basic(PASSWORD))
    told = json.dumps(page.json)
    assert "ValueError" in told
    assert key not in told
    assert PASSWORD not in told


@pytest.mark.swallows_errors
def test_an_error_with_the_database_gone_ends_as_a_line_in_the_log(
    make: MakeTracker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "not-a-folder"
    folder.write_text("")
    key = "0123456789abcdef" * 4
    app = make(database_url=f"sqlite:///{folder}/errtrack.db", secret_key=key)
    app.add_url_rule("/boom", view_func=lambda: str(1 / 0))
    caplog.set_level(logging.ERROR)
    assert app.test_client().get("/boom").status_code == 500
    told = [record.getMessage() for record in caplog.records]
    assert [text.partition(":")[0] for text in told] == [
        "Flask-ErrTrack failed while sending an event",
        "Exception on /boom [GET]",
    ]


def test_its_quota_is_that_of_its_options(make: MakeTracker) -> None:
    app = make(quota_per_minute=3, quota_total_per_minute=4)
    first, second = projects.find(store_of(app), 1), projects.add(store_of(app), "b")
    assert first is not None
    statuses = [
        app.test_client()
        .post(
            f"/api/{project.id}/store/?sentry_key={project.public_key}",
            json={"message": "no price"},
        )
        .status_code
        for project in (first, first, first, first, second, second)
    ]
    assert statuses == [200, 200, 200, 429, 200, 429]


def test_what_was_refused_is_on_its_page_and_stays_when_it_ends(
    make: MakeTracker,
) -> None:
    app = make(dashboard_access=lambda: True)
    for _ in range(2):
        answer = app.test_client().post("/api/1/envelope/?sentry_key=wrong")
        assert answer.status_code == 403
        assert "wrong or missing key" in app.test_client().get("/status").text
    dismantle(app)
    assert sum(one.quantity for one in rows(store_of(app), schema.tally)) == 2


def test_it_answers_below_a_prefix(make: MakeTracker) -> None:
    client = make(url_prefix="/errors").test_client()
    assert client.get("/errors/").status_code == 403
    assert client.get("/errors/health").json == {"status": "ok"}
    assert client.get("/").status_code == 404


@pytest.mark.parametrize(
    ("trusted_proxies", "home"),
    [(0, "http://localhost"), (1, "https://errors.example.com/x")],
)
def test_only_trusted_proxies_say_where_it_is(
    make: MakeTracker, trusted_proxies: int, home: str
) -> None:
    app = make(password=PASSWORD, trusted_proxies=trusted_proxies)
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "errors.example.com",
        "X-Forwarded-Prefix": "/x",
    }
    answer = app.test_client().get(
        "/projects", headers={**basic(PASSWORD), **forwarded}
    )
    (project,) = projects.every(store_of(app))
    assert projects.dsn_of(project, home) in answer.text


def test_its_data_and_its_key_are_in_one_folder(
    make: MakeTracker, tmp_path: Path
) -> None:
    make().test_client().get("/health")
    found = {path.name for path in (tmp_path / "data").iterdir()}
    assert {"errtrack.db", "errtrack.key"} <= found
    assert (tmp_path / "data" / "errtrack.key").stat().st_mode & 0o077 == 0


def test_hosts_that_share_a_database_must_share_a_key() -> None:
    with pytest.raises(ConfigError, match="set ERRTRACK_SECRET_KEY to one long"):
        create_app("postgresql://errors.example.com/errtrack")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"secret_key": "short"},
            "option secret_key cannot be used; expected a text of 32",
        ),
        (
            {"password": "short"},
            "option password cannot be used; expected a text of 12",
        ),
        ({"trusted_proxies": -1}, "trusted_proxies cannot be used; expected a whole"),
        ({"database_url": "mysql://localhost/x"}, "mysql is not supported"),
        ({"url_prefix": "errors"}, "a path below the root"),
        ({"retention_day": 3}, "did you mean retention_days"),
    ],
)
def test_a_wrong_option_is_refused(
    make: MakeTracker, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        make(**options)


def test_it_runs_on_either_database(make: MakeTracker, empty_url: str) -> None:
    key = "0123456789abcdef" * 4
    app = make(database_url=empty_url, secret_key=key, password=PASSWORD)
    client = app.test_client()
    added = client.post("/projects", data={"name": "shop"}, headers=basic(PASSWORD))
    assert added.location == "/projects/2"
    assert client.get("/", headers=basic(PASSWORD)).status_code == 200
