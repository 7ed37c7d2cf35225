"""Who met the error: found without a query, a load or a cookie more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from conftest import MakeApp
from flask import Flask
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from places import fail
from sqlalchemy import Engine, ForeignKey, create_engine, event
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
)

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport


class Person(UserMixin):  # type: ignore[misc]
    """A user that is a plain object."""

    def __init__(self, user_id: str) -> None:
        self.id = user_id
        self.email = "ada@example.org"
        self.username = "ada"
        self.plan = {"name": "gold"}

    @property
    def secret_sauce(self) -> str:
        raise RuntimeError("not for you")


class Site:
    """An app with Flask-Login that counts how often a user is loaded."""

    def __init__(self, app: Flask, user: Any = Person) -> None:
        self.loads = 0
        self.app = app
        self.make_user = user
        manager = LoginManager(app)
        manager.user_loader(self.load)
        self.browser: FlaskClient = app.test_client()
        app.add_url_rule("/login/<user_id>", "login", self.log_in)
        app.add_url_rule("/logout", "logout", lambda: str(logout_user()))
        app.add_url_rule("/healthy", "healthy", lambda: "fine")
        app.add_url_rule("/broken", "broken", fail)
        app.add_url_rule("/hello", "hello", self.hello)

    def load(self, user_id: str) -> Any:
        self.loads += 1
        return self.make_user(user_id)

    def log_in(self, user_id: str) -> str:
        return str(login_user(Person(user_id)))

    def hello(self) -> str:
        assert current_user.is_authenticated in (True, False)
        return str(fail())


LOGGED_IN = {"is_authenticated": True, "is_anonymous": False}


@pytest.fixture
def site(app: Flask) -> Site:
    return Site(app)


def test_the_loader_is_called_neither_by_healthy_nor_by_failing_requests(
    site: Site, sent: MemoryTransport
) -> None:
    site.browser.get("/login/7")
    site.browser.get("/healthy")
    site.browser.get("/broken")
    assert site.loads == 0
    assert sent.events[0]["user"] == {"id": "7", "data": LOGGED_IN}


def test_a_loaded_user_is_used(site: Site, sent: MemoryTransport) -> None:
    site.browser.get("/login/7")
    site.browser.get("/hello")
    assert site.loads == 1
    assert sent.events[0]["user"] == {"id": "7", "data": LOGGED_IN}


def test_nobody_logged_in(site: Site, sent: MemoryTransport) -> None:
    site.browser.get("/broken")
    site.browser.get("/hello")
    assert "user" not in sent.events[0]
    nobody = {"is_authenticated": False, "is_anonymous": True}
    assert sent.events[1]["user"] == {"data": nobody}


def test_who_logged_out_is_nobody(site: Site, sent: MemoryTransport) -> None:
    site.browser.get("/login/7")
    site.browser.get("/logout")
    site.browser.get("/broken")
    assert "user" not in sent.events[0]


def test_a_user_that_is_no_more_has_no_id(app: Flask, sent: MemoryTransport) -> None:
    site = Site(app, user=lambda user_id: None)
    site.browser.get("/login/7")
    site.browser.get("/hello")
    assert "id" not in sent.events[0]["user"]


def test_a_user_of_the_request_loader(app: Flask, sent: MemoryTransport) -> None:
    site = Site(app)
    site.app.login_manager.request_loader(  # type: ignore[attr-defined]
        lambda request: Person("from-the-token")
    )
    site.browser.get("/hello")
    assert sent.events[0]["user"] == {"id": "from-the-token", "data": LOGGED_IN}


@pytest.mark.swallows_errors
def test_user_attrs_are_sent_as_far_as_they_can_be_read(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    names = ["email", "username", "plan", "no_such", "secret_sauce"]
    site = Site(make_app(transport=sent, user_attrs=names))
    site.browser.get("/login/7")
    site.browser.get("/hello")
    found = sent.events[0]
    assert found["user"] == {
        "id": "7",
        "email": "ada@example.org",
        "username": "ada",
        "data": {**LOGGED_IN, "plan": {"name": "gold"}},
    }
    assert [one["name"] for one in found["errors"]] == ["user_attrs.secret_sauce"]


def test_without_user_attrs_nothing_more_is_told(
    site: Site, sent: MemoryTransport
) -> None:
    site.browser.get("/login/7")
    site.browser.get("/hello")
    assert "ada@example.org" not in json.dumps(sent.events[0]["user"])


def test_a_user_that_was_set_wins(
    site: Site, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.set_user({"id": 42, "email": "grace@example.org", "team": "navy"})
        return str(fail())

    site.app.add_url_rule("/set", "set", broken)
    site.browser.get("/login/7")
    site.browser.get("/set")
    assert sent.events[0]["user"] == {
        "id": "42",
        "email": "grace@example.org",
        "data": {"team": "navy"},
    }


def test_nobody_can_be_set_too(
    site: Site, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.set_user(None)
        return str(fail())

    site.app.add_url_rule("/set", "set", broken)
    site.browser.get("/login/7")
    site.browser.get("/set")
    assert "user" not in sent.events[0]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"id": 7, "data": {"a": 1}, "b": 2}, {"id": "7", "data": {"a": 1, "b": 2}}),
        ({"id": None, "name": "Ada"}, {"name": "Ada"}),
        ({"id": "7", "data": "odd"}, {"id": "7"}),
        ({}, None),
    ],
)
def test_the_shape_of_a_user(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, user: Any, expected: Any
) -> None:
    errtrack.capture_message("hello", user=user)
    assert sent.events[0].get("user") == expected


def raise_in_the_callback(request: flask.Request) -> Any:
    raise RuntimeError("the callback's own fault")


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    ("callback", "user", "note"),
    [
        (lambda request: {"id": request.args["as"]}, {"id": "ada"}, None),
        (lambda request: None, None, None),
        (raise_in_the_callback, None, "user_callback"),
        (lambda request: "ada", None, "user_callback"),
    ],
)
def test_user_callback(
    make_app: MakeApp, sent: MemoryTransport, callback: Any, user: Any, note: Any
) -> None:
    app = make_app(transport=sent, user_callback=callback)
    app.add_url_rule("/broken", "broken", fail)
    app.test_client().get("/broken?as=ada")
    found = sent.events[0]
    assert found.get("user") == user
    assert [one["name"] for one in found.get("errors", [])] == ([note] if note else [])


def test_user_callback_is_not_called_by_healthy_requests(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    calls: list[Any] = []
    app = make_app(transport=sent, user_callback=calls.append)
    app.add_url_rule("/healthy", "healthy", lambda: iter(["streamed"]))
    assert app.test_client().get("/healthy").text == "streamed"
    assert calls == []


def test_the_user_of_a_stream_that_breaks(site: Site, sent: MemoryTransport) -> None:
    def chunks() -> Iterator[str]:
        yield "one"
        fail()

    site.app.add_url_rule("/stream", "stream", chunks)
    site.browser.get("/login/7")
    response = site.browser.get("/stream")
    with pytest.raises(Exception, match="broken on purpose"):
        response.get_data()
    assert sent.events[0]["user"] == {"id": "7", "data": LOGGED_IN}


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Member(UserMixin, Base):  # type: ignore[misc]
    """A user that lives in the app's database."""

    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    team: Mapped[Team] = relationship()

    @property
    def team_name(self) -> str:
        return self.team.name


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Member(id=7, email="ada@example.org", team=Team(name="blue")))
        session.commit()
    yield engine
    engine.dispose()


@pytest.mark.parametrize("how", ["loaded", "expired", "failed transaction"])
def test_a_mapped_user_costs_no_query(
    make_app: MakeApp, sent: MemoryTransport, engine: Engine, how: str
) -> None:
    names = ["email", "team", "team_name", "no_such"]
    app = make_app(transport=sent, user_attrs=names)
    statements: list[str] = []

    def broken() -> str:
        member = session.get_one(Member, 7)
        assert member.email == "ada@example.org"
        flask.g._login_user = member
        if how == "expired":
            session.expire_all()
        elif how == "failed transaction":
            session.add(Member(id=7, email="twice", team_id=1))
        event.listen(
            engine, "before_cursor_execute", lambda *args: statements.append(args[2])
        )
        if how == "failed transaction":
            session.flush()
        return str(fail())

    app.add_url_rule("/broken", "broken", broken)
    with Session(engine) as session:
        app.test_client().get("/broken")
        selects = [one for one in statements if one.startswith("SELECT")]
        session.rollback()
    assert selects == []
    user = sent.events[0]["user"]
    assert user["id"] == "7"
    assert user["data"] == LOGGED_IN
    assert user.get("email") == ("ada@example.org" if how == "loaded" else None)
