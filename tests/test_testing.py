"""The tests of an app: silent unless they ask, and then they see everything."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask
from places import fail, visit

from flask_errtrack import Client, ErrTrack, ErrTrackError, SeveralApps
from flask_errtrack.testing import (
    Captured,
    assert_captured,
    capture_events,
    exception_of,
)
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


def test_an_apps_own_tracker_is_not_touched_meanwhile(
    make_app: MakeApp, tmp_path: Path
) -> None:
    errtrack = ErrTrack()
    app = make_app({"TESTING": True}, errtrack=errtrack)
    app.add_url_rule("/broken", "broken", fail)
    with capture_events(app) as events:
        visit(app)
    assert len(events) == 1
    # Threads that were woken do their work before they end.
    errtrack.close()
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


def test_captures_of_several_threads_may_end_in_any_order(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    older, newer = capture_events(app), capture_events(app)
    older_events, newer_events = older.__enter__(), newer.__enter__()
    older.__exit__(None, None, None)
    errtrack.capture_message("newer")
    newer.__exit__(None, None, None)
    errtrack.capture_message("sent")
    assert [len(older_events), len(newer_events), len(sent.events)] == [0, 1, 1]


def test_what_other_threads_capture_counts(app: Flask, errtrack: ErrTrack) -> None:
    with capture_events(app) as events:
        thread = threading.Thread(target=errtrack.capture_message, args=("hello",))
        thread.start()
        thread.join()
    assert_captured(events, message="hello")


def test_a_capture_ends_with_an_error_of_the_test(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with pytest.raises(AssertionError), capture_events(app):
        raise AssertionError
    errtrack.capture_message("sent")
    assert len(sent.events) == 1


def test_an_errtrack_or_a_client_will_do(
    app: Flask, errtrack: ErrTrack, sent: MemoryTransport
) -> None:
    with capture_events(errtrack) as events:
        errtrack.capture_message("of the app")
    assert_captured(events, message="of the app")
    client = Client(transport=sent)
    with capture_events(client) as events:
        client.capture_message("of the client")
    assert_captured(events, message="of the client")
    assert sent.events == []
    client.close()


def test_what_waits_for_the_end_of_a_request_is_there_at_the_end_of_the_capture(
    app: Flask, sent: MemoryTransport
) -> None:
    def log() -> None:
        try:
            fail()
        except Exception:
            app.logger.exception("it broke")

    with app.test_request_context():
        log()
        with capture_events(app) as events:
            log()
        assert [len(events), len(sent.events)] == [1, 1]
        log()
    assert [len(events), len(sent.events)] == [1, 2]


def test_of_several_apps_the_current_one_is_meant(make_app: MakeApp) -> None:
    errtrack = ErrTrack()
    app = make_app({"TESTING": True}, errtrack=errtrack, dashboard=False)
    make_app({"TESTING": True}, errtrack=errtrack, dashboard=False)
    with pytest.raises(SeveralApps), capture_events(errtrack):
        pass
    with app.app_context(), capture_events(errtrack) as events:
        errtrack.capture_message("hello")
    assert_captured(events, message="hello")


def test_check_ins_and_what_people_wrote_are_there_too(make_app: MakeApp) -> None:
    for kind in ("user_report", "feedback"):
        app = make_app({"TESTING": True}, feedback_item=kind, dashboard=False)
        client: Client = app.extensions["errtrack"]
        with capture_events(app) as events:
            client.capture_check_in("nightly", "ok")
            client.capture_user_report({"event_id": "ab" * 16, "comments": "It broke."})
        assert events == []
        (check_in,), (report,) = events.check_ins, events.user_reports
        assert (check_in["monitor_slug"], check_in["status"]) == ("nightly", "ok")
        assert (report["event_id"], report["comments"]) == ("ab" * 16, "It broke.")


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
    for bare in (Flask("bare"), ErrTrack(), "an app"):
        with pytest.raises(ErrTrackError, match="init_app"):
            with capture_events(bare):  # type: ignore[arg-type]
                pass


class OutOfStock(Exception):
    """An error of an app."""


@pytest.fixture
def captured(app: Flask, errtrack: ErrTrack) -> Captured:
    """An exception with a cause, and two messages."""

    def order() -> str:
        try:
            return {"pears": "3"}["apples"]
        except KeyError as error:
            raise OutOfStock("no apples left") from error

    app.add_url_rule("/order", "shop.order", order)
    with capture_events(app) as events:
        app.test_client().get("/order")
        errtrack.capture_message("hello", level="warning", tags={"shop": 7})
        errtrack.capture_message("hello again")
    return events


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (OutOfStock, {}),
        ("OutOfStock", {}),
        ("test_testing.OutOfStock", {"message": "no apples left"}),
        (None, {"message": "apples"}),
        (None, {"transaction": "shop.order"}),
        (None, {"level": "error"}),
        (OutOfStock, {"transaction": "shop.order", "level": "error", "tags": {}}),
    ],
    ids=str,
)
def test_the_event_that_is_as_described_is_found(
    captured: Captured, error: type[Exception] | str | None, facts: dict[str, Any]
) -> None:
    assert assert_captured(captured, error, **facts) is captured[0]


def test_tags_are_compared_as_text(captured: Captured) -> None:
    assert assert_captured(captured, tags={"shop": 7}) is captured[1]


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (KeyError, {}),
        ("stock", {}),
        ("shop.OutOfStock", {}),
        (OutOfStock, {"message": "no pears left"}),
        (OutOfStock, {"level": "warning"}),
        (OutOfStock, {"transaction": "order"}),
        (None, {"tags": {"shop": 8}}),
        (None, {"tags": {"shop": 7, "till": 1}}),
    ],
    ids=str,
)
def test_what_was_not_captured_fails_the_test(
    captured: Captured, error: type[Exception] | str | None, facts: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="none of 3 captured"):
        assert_captured(captured, error, **facts)


def test_a_failure_shows_what_was_captured_instead(captured: Captured) -> None:
    with pytest.raises(AssertionError) as raised:
        assert_captured(captured, KeyError, tags={"shop": 7})
    assert str(raised.value) == (
        "expected one event with error='KeyError', tags={'shop': '7'}; none of 3 "
        "captured:\n"
        "  1. test_testing.OutOfStock: no apples left "
        "(level 'error', transaction 'shop.order')\n"
        "  2. hello (level 'warning', tags {'shop': '7'})\n"
        "  3. hello again (level 'info')"
    )


def test_a_description_of_several_events_fails_the_test(captured: Captured) -> None:
    with pytest.raises(AssertionError, match="message='hello'; 2 of 3 captured"):
        assert_captured(captured, message="hello")
    with pytest.raises(AssertionError, match="expected one event; 3 of 3 captured"):
        assert_captured(captured)


def test_captured_events_are_shown_on_one_line_each(captured: Captured) -> None:
    assert repr(Captured()) == "<no events>"
    assert "hello (level 'warning', tags {'shop': '7'}); hello again" in repr(captured)
    long = Captured()
    long.append({**captured[1], "logentry": {"message": "much " * 1000}})
    assert len(repr(long)) < 400


def test_the_exception_of_an_event_is_that_which_left_the_code(
    captured: Captured,
) -> None:
    value = exception_of(captured[0])
    assert (value["type"], value["value"]) == ("OutOfStock", "no apples left")
    with pytest.raises(AssertionError, match="of an exception, not hello"):
        exception_of(captured[1])


def test_an_exception_itself_describes_no_event(captured: Captured) -> None:
    with pytest.raises(TypeError, match="OutOfStock.*; expected an exception class"):
        assert_captured(captured, OutOfStock("apples"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        ({"exception": {"values": None}}, "<hello (level 'info')>"),
        ({"exception": {"values": [{}]}}, "<None:  (level 'info')>"),
        (
            {"exception": {"values": [{"type": "X", "value": 7}]}},
            "<X: 7 (level 'info')>",
        ),
        ({"logentry": "hello"}, "< (level 'info')>"),
    ],
    ids=str,
)
def test_whatever_a_before_send_leaves_is_shown_and_looked_through(
    make_app: MakeApp, left: dict[str, Any], shown: str
) -> None:
    errtrack = ErrTrack()
    app = make_app(
        {"TESTING": True},
        errtrack=errtrack,
        dashboard=False,
        before_send=lambda event, hint: {**event, **left},
    )
    with capture_events(app) as events:
        errtrack.capture_message("hello")
    assert repr(events) == shown
    with pytest.raises(AssertionError, match="none of 1 captured"):
        assert_captured(events, KeyError, message="apples", tags={"shop": 7})
