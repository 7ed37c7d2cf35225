"""What Flask and Flask-Login tell, as breadcrumbs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import flask_login
import pytest
from blinker import Namespace
from conftest import MakeApp, MakeTransport
from flask import (
    Flask,
    before_render_template,
    current_app,
    flash,
    message_flashed,
    render_template_string,
)

from flask_errtrack import ConfigError, ErrTrack
from flask_errtrack.contrib.signals import (
    watch_flashes,
    watch_logins,
    watch_signal,
    watch_templates,
)
from flask_errtrack.transports import MemoryTransport

from .crumbs import crumbs_of, lines_of

ordered = Namespace().signal("ordered")


def test_templates_are_breadcrumbs_by_name(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    watch_templates(app, errtrack)

    @app.get("/")
    def index() -> str:
        app.jinja_env.from_string("")
        return render_template_string("{{ 1 // 0 }}", secret_words="none of them")

    assert app.test_client().get("/").status_code == 500
    (crumb,) = sent.events[0]["breadcrumbs"]["values"]
    assert crumb["category"] == "template"
    assert crumb["message"] == "a text as template"
    assert "none of them" not in str(crumb)


def test_flashed_messages_are_breadcrumbs(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    watch_flashes(app, errtrack)
    with app.test_request_context("/"):
        flash("The todo is saved.", "success")
        (crumb,) = crumbs_of(errtrack, sent)
    assert crumb["category"] == "flash"
    assert crumb["message"] == "The todo is saved."
    assert crumb["data"] == {"category": "success"}


def test_logins_are_breadcrumbs_with_the_id_only(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    class User(flask_login.UserMixin):  # type: ignore[misc]
        id = "7"
        email = "ada@example.com"

    flask_login.LoginManager(app)
    watch_logins(app, errtrack)
    with app.test_request_context("/"):
        flask_login.login_user(User())
        flask_login.logout_user()
        logged_in, logged_out = crumbs_of(errtrack, sent)
    assert logged_in["category"] == logged_out["category"] == "auth"
    assert logged_in["message"] == "logged in"
    assert logged_in["data"] == logged_out["data"] == {"id": "7"}
    assert logged_out["message"] == "logged out"


def test_who_may_not_go_on_is_a_breadcrumb(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    manager = flask_login.LoginManager(app)
    watch_logins(app, errtrack)
    with app.test_request_context("/"):
        with pytest.raises(Exception, match="401"):
            manager.unauthorized()
        assert lines_of(errtrack, sent) == ["unauthorized"]


def test_any_signal_is_a_breadcrumb_that_says_no_more_than_it_is_told_to(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    hints: list[Any] = []
    watch_signal(ordered, app, errtrack)
    watch_signal(
        ordered,
        app,
        errtrack,
        lambda book, **more: {"message": f"ordered {book}", "data": {"books": 1}},
    )
    watch_signal(ordered, app, errtrack, lambda **more: hints.append(more))
    with app.app_context():
        ordered.send(app, book="SICP", customer="ada")
        plain, told = crumbs_of(errtrack, sent)
    assert plain["category"] == "signal"
    assert plain["message"] == "ordered"
    assert "data" not in plain
    assert told["message"] == "ordered SICP"
    assert told["data"] == {"books": 1}
    assert hints == [{"book": "SICP", "customer": "ada"}]


def test_only_the_app_that_is_watched_tells(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    first = make_app(errtrack=errtrack, transport=sent)
    second = make_app(errtrack=errtrack, transport=sent)
    with first.app_context():
        watch_signal(ordered, current_app, errtrack)
    for app, lines in ((first, ["ordered"]), (second, [])):
        with app.app_context():
            ordered.send(app, book="SICP")
            assert lines_of(errtrack, sent) == lines


def test_close_and_stop_leave_the_signals_as_they_were(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent)
    signals = (ordered, before_render_template, message_flashed)
    before = [len(signal.receivers) for signal in signals]
    watch_signal(ordered, app, errtrack)()
    watch_templates(app, errtrack)
    watch_flashes(app, errtrack)
    watch_logins(app, errtrack)()
    assert [len(signal.receivers) for signal in signals] != before
    errtrack.close()
    assert [len(signal.receivers) for signal in signals] == before


def test_an_app_can_be_watched_before_it_is_connected(
    app: Flask, make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    early = Flask("early", instance_path=app.instance_path)
    watch_signal(ordered, early, errtrack)
    ordered.send(early)
    errtrack.init_app(early, transport=sent)
    with early.app_context():
        ordered.send(early)
        assert lines_of(errtrack, sent) == ["ordered"]
        errtrack.close()


@pytest.mark.swallows_errors
def test_a_description_that_fails_does_not_reach_who_sent_the_signal(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    watch_signal(ordered, app, errtrack, lambda title: {"message": title})
    with app.app_context():
        ordered.send(app, book="SICP")
        assert lines_of(errtrack, sent) == []


@pytest.mark.parametrize(
    ("signal", "app_given"), [("ordered", Flask("x")), (ordered, "x")], ids=[0, 1]
)
def test_a_wrong_argument_is_named(signal: Any, app_given: Any) -> None:
    with pytest.raises(ConfigError, match="expected a signal of blinker and a Flask"):
        watch_signal(signal, app_given, ErrTrack())


def test_an_app_that_is_watched_can_go(make_transport: MakeTransport) -> None:
    def watched() -> weakref.ref[Flask]:
        app = Flask("short-lived")
        errtrack = ErrTrack(app, transport=make_transport(), logging=False)
        watch_templates(app, errtrack)
        watch_signal(ordered, app, app.extensions["errtrack"])
        return weakref.ref(app)

    before = len(ordered.receivers)
    app = watched()
    gc.collect()
    assert app() is None
    assert len(ordered.receivers) == before
