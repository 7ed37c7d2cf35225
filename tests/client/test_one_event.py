"""One exception is one event in its work, and g.event_id names the one that counts."""

from __future__ import annotations

import copy
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask, g, request
from places import Broken, fail, visit
from werkzeug.exceptions import InternalServerError

from flask_errtrack import Client, ErrTrack
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.orders")


def client_of(app: Flask) -> Client:
    client = app.extensions["errtrack"]
    assert isinstance(client, Client)
    return client


def test_signal_log_line_and_hand_are_one_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    ids: list[str | None] = []

    def sorry(error: InternalServerError) -> tuple[str, int]:
        ids.append(errtrack.capture_exception(error))
        ids.append(errtrack.capture_exception(error.original_exception))
        ids.append(errtrack.capture_exception())
        ids.append(g.event_id)
        return "sorry", 500

    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(InternalServerError, sorry)
    visit(app)
    assert len(sent.events) == 1
    assert ids == [sent.events[0]["event_id"]] * 4


def test_the_unhandled_report_wins_over_the_log(
    app: Flask, sent: MemoryTransport
) -> None:
    ids: list[str | None] = []

    def broken() -> str:
        try:
            return str(fail())
        except Broken:
            logger.exception("order %s failed", 17)
            ids.append(g.event_id)
            raise

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    assert [event["event_id"] for event in sent.events] == ids
    mechanism = sent.events[0]["exception"]["values"][-1]["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("flask", False)
    assert "logentry" not in sent.events[0]


def test_an_exception_that_is_only_logged_is_sent_with_the_response(
    app: Flask, sent: MemoryTransport
) -> None:
    def survives() -> str:
        try:
            fail()
        except Broken:
            logger.exception("order %s failed", 17)
        assert sent.events == []
        return str(g.event_id)

    app.add_url_rule("/survives", "survives", survives)
    response = app.test_client().get("/survives")
    assert [event["event_id"] for event in sent.events] == [response.text]
    assert "X-ErrTrack-ID" not in response.headers
    assert sent.events[0]["logger"] == "shop.orders"
    assert sent.events[0]["logentry"]["message"] == "order %s failed"


def test_a_request_that_logs_a_lot_does_not_hold_it_all(
    app: Flask, sent: MemoryTransport
) -> None:
    def survives() -> str:
        for _ in range(30):
            try:
                fail()
            except Broken:
                logger.exception("failed")
        return str(len(sent.events))

    app.add_url_rule("/survives", "survives", survives)
    assert app.test_client().get("/survives").text == "20"
    assert len({event["event_id"] for event in sent.events}) == 30


def test_the_same_object_in_another_request_is_another_event(
    app: Flask, sent: MemoryTransport
) -> None:
    one = Broken("made at import")

    def broken() -> str:
        raise one

    app.add_url_rule("/broken", "broken", broken)
    for _ in range(70):
        visit(app)
    assert len(sent.events) == 70
    assert len(one.__errtrack_ids__) <= 64  # type: ignore[attr-defined]


def test_one_object_raised_in_fifty_threads_at_once(
    app: Flask, sent: MemoryTransport
) -> None:
    one = Broken("made at import")
    start = threading.Barrier(50)

    def broken() -> str:
        start.wait(30)
        raise one

    app.add_url_rule("/broken", "broken", broken)
    threads = [threading.Thread(target=visit, args=(app,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event["event_id"] for event in sent.events}) == 50


@pytest.mark.parametrize(
    "travel", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_an_exception_that_travelled_is_known_in_its_work_only(
    app: Flask, sent: MemoryTransport, travel: Callable[[Any], Any]
) -> None:
    error = Broken("once")
    with app.app_context():
        client_of(app).capture_exception(error)
    with app.app_context():
        client_of(app).capture_exception(travel(error))
    assert len(sent.events) == 2


def test_an_exception_that_leaves_two_contexts_is_one_event(
    app: Flask, sent: MemoryTransport
) -> None:
    @app.cli.command()
    def restock() -> None:
        with app.app_context(), app.app_context():
            fail()

    app.test_cli_runner().invoke(args=["restock"])
    assert len(sent.events) == 1


def test_healthy_requests_have_no_event_id(app: Flask) -> None:
    app.add_url_rule("/healthy", "healthy", lambda: f"{g.event_id}")
    response = app.test_client().get("/healthy")
    assert response.text == "None"
    assert "X-ErrTrack-ID" not in response.headers


def test_an_id_is_never_that_of_an_outer_context_or_earlier_request(
    app: Flask, errtrack: ErrTrack
) -> None:
    app.add_url_rule("/broken", "broken", fail)
    app.add_url_rule("/sorry", "sorry", lambda: (f"{g.event_id}", 503))
    with app.app_context():
        errtrack.capture_message("before")
        first = app.test_client().get("/broken")
        second = app.test_client().get("/sorry")
    assert first.headers["X-ErrTrack-ID"]
    assert (second.text, second.headers.get("X-ErrTrack-ID")) == ("None", None)


def test_an_outer_request_keeps_its_own_id_and_tags(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def outer() -> tuple[str, int]:
        errtrack.set_tag("is", "outer")
        event_id = errtrack.capture_message("outer")
        assert app.test_client().get("/broken").status_code == 500
        assert g.event_id == event_id
        errtrack.capture_message("outer again")
        return "sorry", 500

    app.add_url_rule("/broken", "broken", fail)
    app.add_url_rule("/outer", "outer", outer)
    response = app.test_client().get("/outer")
    tags = [event.get("tags") for event in sent.events]
    assert tags == [{"is": "outer"}, None, {"is": "outer"}]
    assert response.headers["X-ErrTrack-ID"] == sent.events[2]["event_id"]


def test_an_app_that_calls_itself_with_its_own_environ(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def outer() -> str:
        errtrack.set_tag("is", "outer")
        request.environ["PATH_INFO"] = "/broken"
        chunks = app(request.environ, lambda status, headers, *more: print)
        return b"".join(chunks).decode()

    def fail_after_the_outer_one(error: BaseException | None) -> None:
        if request.endpoint == "outer":
            fail()

    app.add_url_rule("/broken", "broken", fail)
    app.add_url_rule("/outer", "outer", outer)
    app.teardown_request(fail_after_the_outer_one)
    visit(app, "/outer")
    tags = [event.get("tags") for event in sent.events]
    assert tags == [None, {"is": "outer"}]


def test_the_unhandled_error_speaks_for_the_request(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.capture_message("before")
        return str(fail())

    def sorry(error: Any) -> tuple[str, int]:
        errtrack.capture_message("after")
        return g.event_id, 500

    app.add_url_rule("/broken", "broken", broken)
    app.register_error_handler(500, sorry)
    response = app.test_client().get("/broken")
    of_the_error = next(one["event_id"] for one in sent.events if "exception" in one)
    assert response.text == response.headers["X-ErrTrack-ID"] == of_the_error
    assert len(sent.events) == 3


def test_what_was_captured_by_hand_shows_on_the_error_page(
    app: Flask, errtrack: ErrTrack
) -> None:
    def broken() -> tuple[str, int]:
        try:
            fail()
        except Broken:
            assert errtrack.capture_exception() == g.event_id
            assert errtrack.last_event_id() == g.event_id
        return g.event_id, 500

    app.add_url_rule("/broken", "broken", broken)
    response = app.test_client().get("/broken")
    assert response.headers["X-ErrTrack-ID"] == response.text


@pytest.mark.parametrize("is_logged", [True, False])
def test_two_errors_of_one_kind_in_a_view_are_two(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, is_logged: bool
) -> None:
    def broken() -> str:
        try:
            int("first")
        except ValueError as first:
            if is_logged:
                errtrack.capture_exception(first)
            try:
                int("second")
            except ValueError:
                logger.exception("twice")
        return "fine"

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    values = [event["exception"]["values"][-1]["value"] for event in sent.events]
    assert [value.split()[-1] for value in values] == (
        ["'first'", "'second'"] if is_logged else ["'second'"]
    )


def test_who_wants_no_log_records_gets_the_unhandled_error(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(
        transport=sent,
        before_send=lambda event, hint: None if "log_record" in hint else event,
    )

    def broken() -> str:
        try:
            return str(fail())
        except Broken:
            logger.exception("failed")
            raise

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    (event,) = sent.events
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is False


@pytest.mark.parametrize("option", ["before_send", "ignore_exceptions"])
def test_a_logged_error_is_not_lost_with_an_unwanted_one_that_came_of_it(
    make_app: MakeApp, sent: MemoryTransport, option: str
) -> None:
    def drop(event: Any, hint: Any) -> Any:
        return None if type(hint["exception"]) is LookupError else event

    options = {"before_send": drop, "ignore_exceptions": [LookupError]}
    app = make_app(transport=sent, **{option: options[option]})

    def broken() -> str:
        for _ in range(2):
            try:
                fail()
            except Broken as error:
                logger.exception("failed")
                cause = error
        raise LookupError from cause

    app.add_url_rule("/broken", "broken", broken)
    with suppress(LookupError):
        visit(app)
    kinds = [event["exception"]["values"][-1]["type"] for event in sent.events]
    assert kinds == ["Broken", "Broken"]


def test_an_app_may_answer_with_the_attributes_of_an_error(
    app: Flask, sent: MemoryTransport
) -> None:
    def answer(error: Broken) -> Any:
        logger.exception("failed")
        return vars(error), 400

    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(Broken, answer)
    assert app.test_client().get("/broken").status_code == 400
    assert len(sent.events) == 1


def test_an_error_that_hides_its_attributes_is_an_event(
    app: Flask, sent: MemoryTransport
) -> None:
    class Hidden(Exception):
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise LookupError("hidden")

    def broken() -> str:
        raise Hidden

    app.add_url_rule("/broken", "broken", broken)
    with suppress(Hidden):
        visit(app)
    assert [event["exception"]["values"][0]["type"] for event in sent.events] == [
        "Hidden"
    ]


FORKED = """
import logging
import multiprocessing
from pathlib import Path
from flask_errtrack import Client

class File:
    def send(self, envelope):
        with Path("events").open("a") as file:
            for event in envelope.events:
                print(event["exception"]["values"][-1]["value"], file=file)

def fail(text):
    try:
        raise ValueError(text)
    except ValueError:
        logging.exception("failed")

client = Client(transport=File())
with client.job("parent"):
    try:
        raise ValueError("parent")
    except ValueError:
        logging.exception("failed")
        child = multiprocessing.get_context("fork").Process(target=fail, args=["child"])
        child.start()
        child.join()
"""


def test_what_waits_in_a_parent_is_not_for_its_forked_child_to_send(
    tmp_path: Path,
) -> None:
    (tmp_path / "program.py").write_text(FORKED)
    subprocess.run(
        [sys.executable, "-W", "ignore", "program.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=True,
    )
    sent = (tmp_path / "events").read_text().splitlines()
    assert sent == ["child", "parent"]


def test_what_fails_while_an_error_is_handled_is_not_lost_with_it(
    app: Flask, sent: MemoryTransport
) -> None:
    def broken() -> str:
        try:
            return str(fail())
        except Broken:
            logger.exception("failed")
            try:
                int("cleaning up")
            except ValueError:
                logger.exception("could not clean up")
            raise

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    kinds = [event["exception"]["values"][-1]["type"] for event in sent.events]
    assert sorted(kinds) == ["Broken", "ValueError"]


@pytest.mark.parametrize("is_from", [True, False])
def test_middleware_that_logs_and_raises_is_one_event(
    app: Flask, sent: MemoryTransport, is_from: bool
) -> None:
    def middleware(*args: Any) -> Any:
        try:
            return fail()
        except Broken as error:
            logger.exception("failed")
            if is_from:
                raise LookupError from error
            raise

    app.wsgi_app = middleware  # type: ignore[method-assign, assignment]
    with suppress(LookupError):
        visit(app)
    (event,) = sent.events
    assert event["exception"]["values"][-1]["mechanism"]["type"] == "wsgi"


def test_a_stream_that_logs_and_raises_is_one_event(
    app: Flask, sent: MemoryTransport
) -> None:
    def stream() -> Iterator[str]:
        yield "begin"
        try:
            fail()
        except Broken:
            logger.exception("failed")
            raise

    app.add_url_rule("/broken", "broken", stream)
    visit(app)
    assert len(sent.events) == 1


def test_a_group_of_what_was_captured_by_hand_is_no_other_event(
    errtrack: ErrTrack, app: Flask, sent: MemoryTransport
) -> None:
    errors = [Broken("one"), Broken("two")]
    with pytest.raises(ExceptionGroup), errtrack.job("many"):
        for error in errors:
            errtrack.capture_exception(error)
        raise ExceptionGroup("all", [ExceptionGroup("some", errors)])
    assert len(sent.events) == 2


def test_a_group_with_something_new_is_an_event(
    errtrack: ErrTrack, app: Flask, sent: MemoryTransport
) -> None:
    old = Broken("old")
    with pytest.raises(ExceptionGroup), errtrack.job("many"):
        errtrack.capture_exception(old)
        raise ExceptionGroup("all", [old, Broken("new")])
    assert len(sent.events) == 2
