"""Users as other extensions know them; the code is that of ``docs/users.rst``."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from conftest import MakeApp
from flask import Flask, stream_with_context
from flask_httpauth import HTTPBasicAuth
from flask_jwt_extended import JWTManager, create_access_token, jwt_required
from flask_principal import Identity, Principal, identity_changed
from flask_security import (
    Security,
    SQLAlchemyUserDatastore,
    auth_required,
    hash_password,
)
from flask_security.models import fsqla_v3
from flask_sqlalchemy import SQLAlchemy
from pages_of_docs import code_of
from places import Broken, fail

from flask_errtrack import ConfigError, ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.testing import assert_captured, capture_events
from flask_errtrack.transports import MemoryTransport

USER_ATTRS, OF_PROXY, OF_TOKEN, OF_IDENTITY, OF_HTTP = code_of("users")


@pytest.fixture
def app() -> Flask:
    """An app that has no ErrTrack yet."""
    app = Flask("shop")
    app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)
    app.secret_key = "the-secret-key-of-the-tests-is-long"
    app.add_url_rule("/broken", "broken", fail)
    return app


@pytest.fixture
def run_code(app: Flask) -> Iterator[Any]:
    """Run the code of a page, which makes the app's ErrTrack."""
    made: list[ErrTrack] = []

    def run(code: str, **names: Any) -> None:
        names.update(app=app, ErrTrack=ErrTrack, __name__="shop")
        exec(code, names)
        made.append(names["errtrack"])

    yield run
    for errtrack in made:
        errtrack.close()


def event_of(app: Flask, path: str = "/broken", **more: Any) -> Event:
    """The one event of a request that fails."""
    with capture_events(app) as events:
        assert app.test_client().get(path, **more).status_code == 500
    return assert_captured(events, Broken)


def test_a_callback_says_who_it_is(app: Flask, run_code: Any) -> None:
    run_code(OF_PROXY)
    assert event_of(app, headers={"X-User": "ada"})["user"] == {"id": "ada"}
    assert "user" not in event_of(app)


# Flask-Security


@pytest.fixture
def security_app(app: Flask) -> Iterator[Flask]:
    """An app with a user in a database, and views that need no and any login."""
    app.config.update(
        SQLALCHEMY_DATABASE_URI="sqlite://",
        WTF_CSRF_ENABLED=False,
        SECURITY_PASSWORD_SALT="the-salt-of-the-tests",
        SECURITY_PASSWORD_HASH="plaintext",
        SECURITY_PASSWORD_SCHEMES=["plaintext"],
        SECURITY_DEPRECATED_PASSWORD_SCHEMES=[],
    )
    db: Any = SQLAlchemy(app)
    models: Any = fsqla_v3
    models.FsModels.set_db_info(db)
    role = type("Role", (db.Model, models.FsRoleMixin), {})
    user = type("User", (db.Model, models.FsUserMixin), {})
    users = SQLAlchemyUserDatastore(db, user, role)
    Security(app, users)
    app.add_url_rule("/private", "private", auth_required("token", "session")(fail))
    with app.app_context():
        db.create_all()
        users.create_user(
            email="ada@example.org",
            password=hash_password("correct horse"),
            fs_uniquifier="0f14032fd72248998728eb9cb4379454",
        )
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


def test_a_user_of_flask_security_has_one_id_however_they_came(
    security_app: Flask, run_code: Any
) -> None:
    run_code(USER_ATTRS)
    browser = security_app.test_client()
    answer = browser.post(
        "/login?include_auth_token",
        json={"email": "ada@example.org", "password": "correct horse"},
    )
    token = answer.json["response"]["user"]["authentication_token"]  # type: ignore[index]
    with capture_events(security_app) as events:
        browser.get("/private")
        security_app.test_client().get(
            "/private", headers={"Authentication-Token": token}
        )
    assert len(events) == 2
    for event in events:
        assert event["user"]["id"] == "0f14032fd72248998728eb9cb4379454"
        assert event["user"]["email"] == "ada@example.org"
        assert token not in json.dumps(event)


# Flask-JWT-Extended


@pytest.fixture
def jwt_app(app: Flask, run_code: Any) -> Flask:
    """An app whose view wants a token."""
    app.config.update(
        JWT_SECRET_KEY="the-key-of-the-tokens-of-the-tests",
        JWT_TOKEN_LOCATION=["headers", "cookies", "query_string", "json"],
    )
    JWTManager(app)
    private = jwt_required()(fail)
    app.add_url_rule("/private", "private", private, methods=["GET", "POST"])
    optional = jwt_required(optional=True)(fail)
    app.add_url_rule("/optional", "optional", optional)
    run_code(OF_TOKEN)
    return app


def token_of(app: Flask) -> str:
    with app.app_context():
        return str(create_access_token("ada"))


@pytest.mark.parametrize("place", ["header", "cookie", "query string", "json"])
def test_who_comes_with_a_token_is_known_and_the_token_is_not(
    jwt_app: Flask, place: str
) -> None:
    token = token_of(jwt_app)
    browser = jwt_app.test_client()
    with capture_events(jwt_app) as events:
        match place:
            case "header":
                browser.get("/private", headers={"Authorization": f"Bearer {token}"})
            case "cookie":
                browser.set_cookie("access_token_cookie", token)
                browser.get("/private")
            case "query string":
                browser.get("/private", query_string={"jwt": token})
            case "json":
                browser.post("/private", json={"access_token": token})
    event = assert_captured(events, Broken)
    assert event["user"] == {"id": "ada"}
    text = json.dumps(event)
    for part in token.split("."):
        assert part not in text


@pytest.mark.parametrize("path", ["/broken", "/optional"])
def test_without_a_token_it_is_nobody_and_nothing_went_wrong(
    jwt_app: Flask, path: str
) -> None:
    event = event_of(jwt_app, path)
    assert "user" not in event and "errors" not in event


# Flask-Principal


def test_the_identity_of_flask_principal_is_the_user(app: Flask, run_code: Any) -> None:
    Principal(app)

    @app.get("/login")
    def log_in() -> str:
        flask.session.clear()
        identity_changed.send(app, identity=Identity("ada"))
        return "fine"

    run_code(OF_IDENTITY)
    browser = app.test_client()
    with capture_events(app) as events:
        browser.get("/broken")
        browser.get("/login")
        browser.get("/broken")
    assert [event.get("user") for event in events] == [None, {"id": "ada"}]
    assert not [event["errors"] for event in events if "errors" in event]


def test_a_stream_that_keeps_its_context_keeps_its_user(
    app: Flask, run_code: Any
) -> None:
    Principal(app).identity_loader(lambda: Identity("ada"))

    def chunks() -> Iterator[str]:
        yield "one"
        fail()

    app.add_url_rule("/kept", "kept", lambda: stream_with_context(chunks()))
    run_code(OF_IDENTITY)
    with capture_events(app) as events, pytest.raises(Broken):
        app.test_client().get("/kept").get_data()
    assert assert_captured(events, Broken)["user"] == {"id": "ada"}


# Flask-HTTPAuth


def test_who_gave_a_password_is_known_and_the_password_is_not(
    app: Flask, run_code: Any
) -> None:
    auth = HTTPBasicAuth()
    auth.verify_password(lambda name, password: name)
    app.add_url_rule("/private", "private", auth.login_required(fail))
    run_code(OF_HTTP, auth=auth)
    event = event_of(app, "/private", auth=("ada", "correct horse battery"))
    assert event["user"] == {"id": "ada"}
    encoded = base64.b64encode(b"ada:correct horse battery").decode()
    assert not re.search(f"correct horse|{re.escape(encoded)}", json.dumps(event))
    assert "user" not in event_of(app, "/broken")


# What a callback may do


@pytest.mark.swallows_errors
def test_a_callback_that_answers_the_request_costs_the_user_alone(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(transport=sent, user_callback=lambda request: flask.abort(401))
    app.add_url_rule("/broken", "broken", fail)
    assert app.test_client().get("/broken").status_code == 500
    (event,) = sent.events
    assert "user" not in event
    assert [one["name"] for one in event["errors"]] == ["user_callback"]


def test_what_a_callback_captures_does_not_call_it_again(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    calls: list[str] = []

    def ask(request: flask.Request) -> dict[str, str]:
        calls.append(request.path)
        flask.current_app.logger.error("who is it?")
        errtrack.capture_message("who is it?")
        return {"id": "ada"}

    app = make_app(errtrack=errtrack, transport=sent, user_callback=ask)
    app.add_url_rule("/broken", "broken", fail)
    app.test_client().get("/broken")
    assert assert_captured(sent.events)["user"] == {"id": "ada"}
    assert calls == ["/broken"]


@pytest.mark.parametrize("hook", ["before_send", "before_breadcrumb", "sample_rate"])
def test_what_other_hooks_capture_does_not_call_them_again(
    make_app: MakeApp, sent: MemoryTransport, hook: str
) -> None:
    errtrack = ErrTrack()
    calls: list[str] = []

    def called(given: Any, hint: Any = None) -> Any:
        calls.append(hook)
        errtrack.capture_message("I am a hook")
        errtrack.add_breadcrumb(message="I am a hook")
        return 1.0 if hook == "sample_rate" else given

    make_app(errtrack=errtrack, transport=sent, **{hook: called})
    errtrack.add_breadcrumb(message="hello")
    errtrack.capture_message("hello")
    assert assert_captured(sent.events)["logentry"]["message"] == "hello"
    assert calls == [hook]


def test_a_callback_is_not_called_outside_of_requests(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    calls: list[Any] = []
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent, user_callback=calls.append)
    with app.app_context():
        errtrack.capture_message("hello")
    with errtrack.job("nightly"):
        errtrack.capture_message("hello")
    assert (len(sent.events), calls) == (2, [])


async def wait_for_the_user(request: flask.Request) -> dict[str, str]:
    return {"id": "ada"}


@pytest.mark.parametrize(
    "hook", ["user_callback", "before_send", "before_breadcrumb", "sample_rate"]
)
def test_a_hook_that_somebody_would_have_to_await_stops_the_set_up(hook: str) -> None:
    with pytest.raises(ConfigError, match=f"{hook} .*not async"):
        ErrTrack(Flask("shop"), **{hook: wait_for_the_user})
