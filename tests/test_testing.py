"""The tests of an app: silent unless they ask, and then they see everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MakeApp
from flask import Flask
from places import fail, visit

from flask_errtrack import ErrTrack, ErrTrackError
from flask_errtrack.testing import capture_events
from flask_errtrack.transports import MemoryTransport


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_tests_of_an_app_write_and_send_nothing(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app({"TESTING": True}, dsn="http://key@127.0.0.1:9/1")
    app.add_url_rule("/broken", "broken", fail)
    visit(app)
    client = app.extensions["errtrack"]
    assert not client.is_enabled
    assert client.capture_message("hello") is None
    assert files_below(tmp_path) == []


def test_testing_may_be_switched_on_after_init_app(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app(dsn="http://key@127.0.0.1:9/1")
    assert app.extensions["errtrack"].is_enabled
    app.testing = True
    assert app.extensions["errtrack"].capture_message("hello") is None
    assert files_below(tmp_path) == []


def test_a_transport_that_was_given_is_used_in_tests_too(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app({"TESTING": True}, transport=sent)
    app.add_url_rule("/broken", "broken", fail)
    visit(app)
    assert len(sent.events) == 1


def test_capture_events_yields_what_would_be_sent(
    make_app: MakeApp, tmp_path: Path
) -> None:
    errtrack = ErrTrack()
    app = make_app({"TESTING": True}, errtrack=errtrack, dsn="http://key@127.0.0.1:9/1")
    app.add_url_rule("/broken", "broken", fail)
    with capture_events(app) as events:
        visit(app)
        errtrack.capture_message("hello", extra={"password": "open sesame"})
    assert events[0]["exception"]["values"][-1]["type"] == "Broken"
    assert events[1]["extra"] == {"password": "[redacted]"}
    errtrack.capture_message("afterwards")
    assert len(events) == 2
    assert files_below(tmp_path) == []


def test_capture_events_takes_everything_for_itself(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with capture_events(app) as outer:
        errtrack.capture_message("outer")
        with capture_events(app) as inner:
            errtrack.capture_message("inner")
        errtrack.capture_message("outer")
    errtrack.capture_message("sent")
    assert (len(outer), len(inner), len(sent.events)) == (2, 1, 1)


@pytest.mark.swallows_errors
def test_capture_events_does_not_let_our_own_faults_out(make_app: MakeApp) -> None:
    app = make_app({"TESTING": True}, before_send=fail, dashboard=False)
    with capture_events(app) as events:
        app.extensions["errtrack"].capture_message("hello")
    assert events[0]["errors"][0]["name"] == "before_send"


def test_disabled_means_disabled(make_app: MakeApp, sent: MemoryTransport) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent, enabled=False)
    app.add_url_rule("/broken", "broken", fail)
    with capture_events(app) as events:
        visit(app)
        assert errtrack.capture_message("hello") is None
    assert (events, sent.events) == ([], [])
    assert "errtrack" not in app.blueprints


def test_capture_events_needs_an_app_with_the_extension() -> None:
    with pytest.raises(ErrTrackError, match="init_app"), capture_events(Flask("bare")):
        pass
