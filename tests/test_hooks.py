"""The developer's hooks: what they may do, and that their faults cost no event."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import flask
import pytest
from conftest import MakeApp
from flask import Flask, request
from flask.testing import FlaskClient
from places import Broken, fail, visit

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport

Hook = Callable[[Any, Any], Any]


def fail_with_details() -> str:
    word = "horse".join(("correct ", " battery"))
    request.get_data()
    raise Broken(f"no login for {word}")


def app_with(make_app: MakeApp, sent: MemoryTransport, **hooks: Any) -> Flask:
    app = make_app(transport=sent, **hooks)
    app.add_url_rule("/broken", "broken", fail_with_details, methods=["POST", "GET"])
    return app


def test_before_send_gets_event_and_hint_and_has_its_way(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    hints: list[Any] = []

    def before_send(event: Any, hint: Any) -> Any:
        hints.append(hint)
        event["tags"]["seen"] = "yes"
        event["user"] = {"id": 17}
        del event["request"]["headers"]
        return event

    visit(app_with(make_app, sent, before_send=before_send))
    event = sent.events[0]
    assert event["tags"] == {"seen": "yes"}
    assert event["user"] == {"id": "17"}
    assert "headers" not in event["request"]
    assert isinstance(hints[0]["exception"], Broken)
    assert hints[0]["exc_info"][0] is Broken


def test_what_before_send_adds_is_scrubbed(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    def before_send(event: Any, hint: Any) -> Any:
        event["extra"]["api_key"] = "sesame-open-now"
        event["extra"]["note"] = "the key is sesame-open-now"
        return event

    visit(app_with(make_app, sent, before_send=before_send))
    assert "sesame" not in json.dumps(sent.events[0])


def drop_key(name: str) -> Hook:
    def before_send(event: Any, hint: Any) -> Any:
        del event[name]
        return event

    return before_send


def put(name: str, value: Any) -> Hook:
    def before_send(event: Any, hint: Any) -> Any:
        event[name] = value
        return event

    return before_send


@pytest.mark.parametrize("name", ["event_id", "timestamp", "platform", "level"])
def test_before_send_cannot_take_away_what_makes_an_event(
    make_app: MakeApp, sent: MemoryTransport, name: str
) -> None:
    visit(app_with(make_app, sent, before_send=drop_key(name)))
    assert sent.events[0][name]  # type: ignore[literal-required]
    assert sent.envelopes[0].event_id == sent.events[0]["event_id"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tags", ["a", "b"]),
        ("user", "Ada"),
        ("breadcrumbs", [{"message": "the old form"}]),
        ("breadcrumbs", {"values": ["text", {"message": "kept"}]}),
        ("breadcrumbs", {"values": 3}),
        ("contexts", {"mine": "text"}),
        ("level", "shouting"),
        ("errors", "none"),
        ("extra", 3),
        ("fingerprint", "one"),
        ("transaction", 17),
        ("request", "GET"),
        ("release", object()),
        ("mine", {"what": "ever"}),
    ],
)
@pytest.mark.parametrize("is_whole", [False, True])
def test_whatever_before_send_puts_into_an_event_it_goes(
    make_app: MakeApp, sent: MemoryTransport, name: str, value: Any, is_whole: bool
) -> None:
    hook: Hook = (lambda event, hint: {name: value}) if is_whole else put(name, value)
    response = app_with(make_app, sent, before_send=hook).test_client().get("/broken")
    assert response.headers["X-ErrTrack-ID"] == sent.events[0]["event_id"]


def test_what_is_not_json_becomes_text(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    odd = {"set": {1}, "when": datetime(2026, 5, 1), "nan": float("nan"), 3: b"x"}
    visit(app_with(make_app, sent, before_send=put("extra", odd)))
    assert sent.events[0]["extra"] == {
        "set": [1],
        "when": "2026-05-01 00:00:00",
        "nan": "nan",
        "3": "b'x'",
    }


def fail_at_once(*args: Any) -> Any:
    raise LookupError("the hook's own fault")


def break_the_event(event: Any, hint: Any) -> Any:
    event["exception"] = None
    event["errors"] = 3
    raise LookupError("the hook's own fault")


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    ("hook", "kind"),
    [
        (fail_at_once, "LookupError"),
        (lambda event, hint: "text", "TypeError"),
        (lambda event, hint: True, "TypeError"),
        (lambda event: event, "TypeError"),
        (break_the_event, "LookupError"),
    ],
)
def test_a_failing_before_send_strips_the_event(
    make_app: MakeApp, sent: MemoryTransport, hook: Any, kind: str
) -> None:
    app = app_with(make_app, sent, before_send=hook)
    response = app.test_client().post("/broken", data="the body of it")
    assert response.headers["X-ErrTrack-ID"] == sent.events[0]["event_id"]
    event = sent.events[0]
    wire = json.dumps(event)
    assert "correct horse" not in wire
    assert "the body of it" not in wire
    value = event["exception"]["values"][-1]
    assert (value["type"], value["value"]) == ("Broken", "[redacted]")
    frame = value["stacktrace"]["frames"][-1]
    assert frame["function"] == "fail_with_details"
    assert "vars" not in frame
    note = {"type": "hook_failed", "name": "before_send", "value": kind}
    assert note in event["errors"]


@pytest.mark.swallows_errors
def test_a_failing_before_send_hides_a_message(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()
    make_app(errtrack=errtrack, transport=sent, before_send=fail_at_once)
    errtrack.capture_message("Ada lives in London", extra={"street": "Baker Street"})
    assert sent.events[0]["logentry"] == {"message": "[redacted]"}
    assert "Baker" not in json.dumps(sent.events[0])


@pytest.mark.swallows_errors
@pytest.mark.parametrize("rate", [fail_at_once, lambda hint: "many", lambda: 0.0])
def test_a_failing_sample_rate_keeps_the_event(
    make_app: MakeApp, sent: MemoryTransport, rate: Any
) -> None:
    visit(app_with(make_app, sent, sample_rate=rate))
    names = [one["name"] for one in sent.events[0]["errors"]]
    assert names == ["sample_rate"]


def test_sample_rate_may_decide_by_the_error(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()

    def rate(hint: Any) -> float:
        return 0.0 if isinstance(hint.get("exception"), KeyError) else 1.0

    make_app(errtrack=errtrack, transport=sent, sample_rate=rate)
    assert errtrack.capture_exception(KeyError()) is None
    assert errtrack.capture_exception(ValueError()) is not None
    assert errtrack.capture_message("hello") is not None


def test_before_breadcrumb_changes_or_drops(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()

    def before_breadcrumb(crumb: Any, hint: Any) -> Any:
        if crumb["message"] == "noise":
            return None
        crumb["message"] = crumb["message"].upper()
        crumb["data"] = {"when": datetime(2026, 5, 1), "hint": hint.get("why")}
        return crumb

    app = make_app(
        errtrack=errtrack, transport=sent, before_breadcrumb=before_breadcrumb
    )
    with app.app_context():
        errtrack.add_breadcrumb(message="noise")
        errtrack.add_breadcrumb(message="paid", hint={"why": "test"})
        errtrack.capture_message("hello")
    (crumb,) = sent.events[0]["breadcrumbs"]["values"]
    assert crumb["message"] == "PAID"
    assert crumb["data"] == {"when": "2026-05-01 00:00:00", "hint": "test"}


@pytest.mark.swallows_errors
@pytest.mark.parametrize("hook", [fail_at_once, lambda crumb, hint: "text"])
def test_a_failing_before_breadcrumb_strips_the_breadcrumb(
    make_app: MakeApp, sent: MemoryTransport, hook: Any
) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent, before_breadcrumb=hook)
    with app.app_context():
        errtrack.add_breadcrumb(message="Ada paid", category="shop", data={"a": "Ada"})
        errtrack.capture_message("hello")
    assert "Ada" not in json.dumps(sent.events[0])


def test_what_a_hook_changes_stays_in_its_event(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    errtrack = ErrTrack()

    def before_send(event: Any, hint: Any) -> Any:
        event["tags"]["a"] = "changed"
        event["extra"]["cart"]["items"].append("changed")
        event["contexts"]["mine"]["b"] = "changed"
        event["contexts"]["os"]["name"] = "changed"
        event["breadcrumbs"]["values"][0]["message"] = "changed"
        event["user"]["id"] = "changed"
        event["fingerprint"].append("changed")
        event["sdk"]["name"] = "changed"
        return event if hint["message"] == "second" else None

    app = make_app(errtrack=errtrack, transport=sent, before_send=before_send)
    with app.app_context():
        errtrack.set_tag("a", "1")
        errtrack.set_extra("cart", {"items": []})
        errtrack.set_context("mine", {"b": "2"})
        errtrack.set_user({"id": 3})
        errtrack.set_fingerprint(["one"])
        errtrack.add_breadcrumb(message="paid")
        errtrack.capture_message("first")
        errtrack.capture_message("second")
    event = sent.events[0]
    assert event["extra"] == {"cart": {"items": ["changed"]}}
    assert event["fingerprint"] == ["one", "changed"]


def test_logging_in_a_hook_goes_nowhere_near_a_loop(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    import logging

    def before_send(event: Any, hint: Any) -> Any:
        logging.getLogger("shop").error("sending an event")
        return event

    app = app_with(make_app, sent, before_send=before_send)
    visit(app)
    assert len(sent.events) == 1


def test_no_hook_is_called_for_a_healthy_request(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    hooks = ("before_send", "before_breadcrumb", "user_callback", "sample_rate")
    app = make_app(transport=sent, **dict.fromkeys(hooks, fail))
    app.add_url_rule("/healthy", "healthy", lambda: "fine")
    assert app.test_client().get("/healthy").text == "fine"


@pytest.mark.parametrize("code", [400, 404, 422])
def test_an_extension_that_signals_what_it_answers_makes_no_event(
    app: Flask, client: FlaskClient, sent: MemoryTransport, code: int
) -> None:
    """Flask-RESTful sends the signal for every exception of a resource."""
    handle = app.handle_user_exception

    def handle_like_restful(error: Any) -> Any:
        flask.got_request_exception.send(app, exception=error)
        return handle(error)

    app.__dict__["handle_user_exception"] = handle_like_restful
    app.add_url_rule("/resource", view_func=lambda: flask.abort(code))
    assert client.get("/resource").status_code == code
    assert sent.events == []


def test_an_answer_that_turns_into_a_500_after_all_is_an_event(
    app: Flask, client: FlaskClient, sent: MemoryTransport
) -> None:
    app.add_url_rule("/", view_func=lambda: "fine")
    app.after_request(lambda response: flask.abort(404))
    assert client.get("/").status_code == 500
    assert len(sent.events) == 1


def test_abort_with_a_response_of_500_or_above_is_an_event(
    app: Flask, client: FlaskClient, sent: MemoryTransport
) -> None:
    for status in (503, 409):
        answer = flask.Response("no", status)
        app.add_url_rule(f"/{status}", str(status), partial(flask.abort, answer))
    for status in (503, 409):
        assert client.get(f"/{status}").status_code == status
    (event,) = sent.events
    assert event["transaction"] == "503"


def test_flask_has_no_functions_of_ours_to_call_at_each_request(app: Flask) -> None:
    """It would ask of each whether it is async, at each request."""
    lists = (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.teardown_appcontext_funcs,
    )
    assert not [one for one in lists if one and None in one]


def test_an_app_whose_own_function_returns_nothing_fails_as_without_us(
    app: Flask, client: FlaskClient, sent: MemoryTransport
) -> None:
    app.add_url_rule("/", view_func=lambda: "fine")
    app.after_request(lambda response: None)
    with pytest.raises(TypeError, match="not callable"):
        client.get("/")
    (event,) = sent.events
    assert event["exception"]["values"][-1]["type"] == "TypeError"
