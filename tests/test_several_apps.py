"""Several apps in one process, apps that come and go, and no app at all."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeApp, MakeTransport
from flask import Flask, session
from places import Broken, fail, visit
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as Browser
from werkzeug.wrappers import Response

from flask_errtrack import ConfigError, ErrTrack, SeveralApps
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.orders")


class Two:
    """Two apps of one extension, each with a transport and a name of its own."""

    def __init__(self, make_app: MakeApp, make_transport: MakeTransport) -> None:
        self.errtrack = ErrTrack()
        self.sent_a, self.sent_b = make_transport(), make_transport()
        self.a = make_app(
            {"A_TOKEN": "token-of-the-app-a"},
            errtrack=self.errtrack,
            transport=self.sent_a,
            tags={"app": "a"},
        )
        self.b = make_app(
            errtrack=self.errtrack, transport=self.sent_b, tags={"app": "b"}
        )
        for app in (self.a, self.b):
            app.add_url_rule("/broken", "broken", fail)

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.sent_a.events), len(self.sent_b.events)


@pytest.fixture
def two(make_app: MakeApp, make_transport: MakeTransport) -> Two:
    return Two(make_app, make_transport)


def test_an_error_goes_to_the_transport_of_its_app(two: Two) -> None:
    visit(two.a)
    visit(two.a)
    visit(two.b)
    assert two.counts == (2, 1)
    assert two.sent_a.events[0]["tags"] == {"app": "a"}
    assert two.sent_b.events[0]["tags"] == {"app": "b"}


def test_in_nested_contexts_it_is_the_inner_app(two: Two) -> None:
    with two.a.app_context():
        two.errtrack.set_tag("of", "a")
        with two.b.app_context():
            two.errtrack.set_tag("of", "b")
            two.errtrack.capture_message("b")
            logger.error("b")
        two.errtrack.capture_message("a")
        logger.error("a")
    assert two.counts == (2, 2)
    assert {event["tags"]["of"] for event in two.sent_a.events} == {"a"}
    assert {event["tags"]["of"] for event in two.sent_b.events} == {"b"}


def test_the_request_of_one_is_not_that_of_the_other(two: Two) -> None:
    def outer() -> str:
        with two.b.app_context():
            two.errtrack.capture_message("of b")
        return "fine"

    two.a.add_url_rule("/outer", "outer", outer)
    two.a.test_client().get("/outer")
    assert two.counts == (0, 1)
    assert "request" not in two.sent_b.events[0]


def test_contexts_of_one_in_a_request_of_the_other_begin_with_nothing(
    two: Two,
) -> None:
    def outer() -> str:
        with two.b.app_context():
            two.errtrack.set_tag("left", "behind")
        with two.b.app_context():
            two.errtrack.capture_message("of b")
        return "fine"

    two.a.add_url_rule("/outer", "outer", outer)
    two.a.test_client().get("/outer")
    assert two.sent_b.events[0]["tags"] == {"app": "b"}


def test_the_user_of_one_is_not_that_of_the_other(two: Two) -> None:
    def chunks() -> Iterator[str]:
        yield "one"
        fail()

    def outer() -> str:
        session["_user_id"] = "7"
        return two.b.test_client().get("/stream").text

    two.a.add_url_rule("/outer", "outer", outer)
    two.b.add_url_rule("/stream", "stream", chunks)
    visit(two.a, "/outer")
    assert two.counts == (1, 1)
    assert two.sent_a.events[0]["user"]["id"] == "7"
    assert "user" not in two.sent_b.events[0]


def test_an_app_that_calls_another_with_its_own_environ(two: Two) -> None:
    from flask import request

    def outer() -> Response:
        two.errtrack.set_tag("of", "a")
        inner = Response.from_app(two.b, request.environ)
        assert inner.status_code == 500
        two.errtrack.capture_message("of a")
        return Response("sorry", 500)

    two.a.add_url_rule("/outer", "outer", outer)
    two.b.add_url_rule("/outer", "inner", fail)
    response = two.a.test_client().get("/outer")
    assert two.counts == (1, 1)
    of_a = two.sent_a.events[0]
    assert of_a["logentry"]["message"] == "of a"
    assert of_a["tags"] == {"app": "a", "of": "a"}
    assert response.headers.getlist("X-ErrTrack-ID") == [of_a["event_id"]]
    assert two.sent_b.events[0]["tags"] == {"app": "b"}


def test_an_error_that_leaves_both_is_one_event_in_each(two: Two) -> None:
    two.b.config["PROPAGATE_EXCEPTIONS"] = True
    two.a.add_url_rule(
        "/outer", "outer", lambda: two.b.test_client().get("/broken").text
    )
    visit(two.a, "/outer")
    assert two.counts == (1, 1)


def test_behind_a_dispatcher_each_sees_its_own(two: Two) -> None:
    both = DispatcherMiddleware(two.a.wsgi_app, {"/b": two.b.wsgi_app})
    two.b.teardown_request(fail)
    with pytest.raises(Broken):
        Browser(both).get("/b/broken")
    assert two.counts == (0, 2)
    assert Browser(both).get("/broken").status_code == 500
    assert two.counts == (1, 2)


def test_what_no_app_logs_belongs_to_neither(two: Two) -> None:
    logger.error("whose is it?")
    assert two.counts == (0, 0)


def test_without_a_context_it_cannot_be_told_which_is_meant(two: Two) -> None:
    for call in (
        lambda: two.errtrack.capture_message("hello"),
        lambda: two.errtrack.set_tag("a", 1),
        lambda: two.errtrack.flush(),
    ):
        with pytest.raises(SeveralApps, match=r"several apps \(shop, shop\).*context"):
            call()
    assert issubclass(SeveralApps, RuntimeError)


def test_secrets_of_one_app_are_not_looked_for_in_the_other(two: Two) -> None:
    for app in (two.a, two.b):
        with app.app_context():
            two.errtrack.capture_message("token-of-the-app-a")
    assert two.sent_a.events[0]["logentry"]["message"] == "[redacted]"
    assert two.sent_b.events[0]["logentry"]["message"] == "token-of-the-app-a"


def test_an_app_without_the_extension_is_no_business_of_ours(two: Two) -> None:
    with Flask("other").app_context():
        assert two.errtrack.client is None
        assert two.errtrack.capture_message("hello") is None
        logger.error("hello")
    assert two.counts == (0, 0)


def test_one_app_is_meant_even_without_a_context(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    assert errtrack.capture_message("hello")
    assert len(sent.events) == 1


def test_before_init_app_everything_does_nothing() -> None:
    errtrack = ErrTrack()
    assert errtrack.client is None
    assert errtrack.capture_exception(Broken()) is None
    assert errtrack.captureException(Broken()) is None
    assert errtrack.capture_message("hello") is None
    assert errtrack.captureMessage("hello") is None
    assert errtrack.last_event_id() is None
    assert errtrack.public_dsn is None
    assert errtrack.flush()
    errtrack.set_user({"id": 1})
    errtrack.set_tag("a", 1)
    errtrack.add_breadcrumb(message="hello")
    with errtrack.push_scope() as scope:
        scope.set_tag("a", 1)
    errtrack.close()


def test_init_app_twice_is_a_mistake(app: Flask) -> None:
    with pytest.raises(ConfigError, match="has an ErrTrack already"):
        ErrTrack(app)


def test_a_wrong_option_leaves_the_app_as_it_was(tmp_path: Path) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    with pytest.raises(ConfigError):
        ErrTrack(app, no_such_option=1)
    assert app.extensions == {}
    assert type(app) is Flask


def test_closed_means_closed(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    errtrack.close()
    visit(app)
    assert errtrack.capture_message("hello") is None
    assert sent.events == []


def create_app(folder: Path) -> Flask:
    """An app factory, as people write them."""
    app = Flask("shop", instance_path=str(folder))
    errtrack = ErrTrack()
    errtrack.init_app(app, transport=MemoryTransport(), before_send=lambda e, h: e)
    app.add_url_rule("/broken", "broken", fail)
    return app


def test_apps_go_when_nobody_needs_them(tmp_path: Path) -> None:
    gc.collect()
    original = logging.Logger.callHandlers
    apps = []
    # pytest keeps log records, and with them the frames of the errors.
    logging.disable(logging.CRITICAL)
    for _ in range(20):
        app = create_app(tmp_path)
        visit(app)
        app.test_cli_runner().invoke(args=["no-such-command"])
        apps.append(weakref.ref(app))
    logging.disable(logging.NOTSET)
    del app
    gc.collect()
    assert [one() for one in apps if one() is not None] == []
    assert logging.Logger.callHandlers is original
