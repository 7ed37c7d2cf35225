"""Log records become breadcrumbs and events, and nobody's logging changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask
from places import Broken, fail, visit

from flask_errtrack import ErrTrack
from flask_errtrack.event import Breadcrumb, Event
from flask_errtrack.protocol.wire import level_of
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.stock")


@pytest.fixture(autouse=True)
def _logger_lets_everything_pass() -> Iterator[None]:
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(logging.NOTSET)
    logger.filters.clear()
    logger.handlers.clear()
    logger.propagate = True


def crumbs_of(event: Event) -> list[Breadcrumb]:
    return event.get("breadcrumbs", {"values": []})["values"]


def test_a_record_is_an_event_with_template_and_arguments_apart(
    app: Flask, sent: MemoryTransport
) -> None:
    logger.error("shelf %s of %s", 17, "eu", extra={"clerk": "Ada", "tries": [1]})
    event = sent.events[0]
    assert event["logentry"] == {
        "message": "shelf %s of %s",
        "params": [17, "eu"],
        "formatted": "shelf 17 of eu",
    }
    assert event["logger"] == "shop.stock"
    assert event["level"] == "error"
    assert event["extra"] == {"clerk": "Ada", "tries": [1]}


def test_named_arguments_stay_named(app: Flask, sent: MemoryTransport) -> None:
    logger.error("shelf %(number)s", {"number": 17})
    entry: Any = sent.events[0]["logentry"]
    assert entry["params"] == {"number": 17}
    assert entry["formatted"] == "shelf 17"


def test_lesser_records_are_breadcrumbs(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    with app.app_context():
        logger.debug("too small")
        logger.info("counted %s", 3, extra={"shelf": 17})
        logger.warning("few left")
        logger.error("none left")
    (event,) = sent.events
    assert [(one["message"], one["level"]) for one in crumbs_of(event)] == [
        ("counted 3", "info"),
        ("few left", "warning"),
    ]
    first = crumbs_of(event)[0]
    assert first["category"] == "shop.stock"
    assert first["data"] == {"shelf": 17}


def test_a_record_outside_of_all_work_is_no_breadcrumb_of_an_app(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    logger.warning("outside")
    errtrack.capture_message("outside")
    with errtrack.job("count"):
        logger.warning("in a job")
        errtrack.capture_message("in a job")
    crumbs = [[one["message"] for one in crumbs_of(event)] for event in sent.events]
    assert crumbs == [[], ["in a job"]]


def test_the_levels_can_be_moved(make_app: MakeApp, sent: MemoryTransport) -> None:
    app = make_app(transport=sent, breadcrumb_level="DEBUG", event_level="WARNING")
    with app.app_context():
        logger.debug("small")
        logger.warning("big")
    (event,) = sent.events
    assert event["logentry"]["message"] == "big"
    assert [one["message"] for one in crumbs_of(event)] == ["small"]


def test_levels_can_be_switched_off(make_app: MakeApp, sent: MemoryTransport) -> None:
    errtrack = ErrTrack()
    app = make_app(
        errtrack=errtrack, transport=sent, breadcrumb_level=None, event_level=None
    )
    with app.app_context():
        logger.critical("not for us")
        errtrack.capture_message("hello")
    (event,) = sent.events
    assert crumbs_of(event) == []


def test_all_of_it_can_be_switched_off(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    original = logging.Logger.callHandlers
    make_app(transport=sent, logging=False)
    assert logging.Logger.callHandlers is original
    logger.critical("not for us")
    assert sent.events == []


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (5, "debug"),
        (10, "debug"),
        (20, "info"),
        (25, "info"),
        (30, "warning"),
        (40, "error"),
        (50, "fatal"),
        (60, "fatal"),
    ],
)
def test_levels_of_logging_and_of_the_protocol(number: int, level: str) -> None:
    assert level_of(number) == level


def test_loggers_that_do_not_propagate_are_seen(
    app: Flask, sent: MemoryTransport
) -> None:
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    logger.error("seen")
    assert len(sent.events) == 1


def test_the_filters_of_a_logger_come_first(app: Flask, sent: MemoryTransport) -> None:
    def only_if_wanted(record: logging.LogRecord) -> bool:
        record.added = "by the filter"
        return "unwanted" not in record.getMessage()

    logger.addFilter(only_if_wanted)
    logger.error("unwanted")
    logger.error("wanted")
    assert [event["extra"] for event in sent.events] == [{"added": "by the filter"}]


@pytest.mark.parametrize(
    ("exclusion", "name", "is_out"),
    [
        ("noisy", "noisy", True),
        ("noisy", "noisy.child.of.it", True),
        ("noisy", "noisier", False),
        ("noi*", "noisier.child", True),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.c.d", True),
        ("a.*.c", "a.b.d", False),
        ("*", "anything", True),
    ],
)
def test_exclusions_are_names_with_their_children(
    make_app: MakeApp, sent: MemoryTransport, exclusion: str, name: str, is_out: bool
) -> None:
    app = make_app(transport=sent, logging_exclusions=[exclusion])
    with app.app_context():
        logging.getLogger(name).error("one")
        logging.getLogger(name).error("two")
    assert len(sent.events) == (0 if is_out else 2)
    assert is_out or len(crumbs_of(sent.events[1])) == 1


def test_our_own_records_are_never_seen(app: Flask, sent: MemoryTransport) -> None:
    logging.getLogger("flask_errtrack").error("ours")
    logging.getLogger("flask_errtrack.deep").error("ours")
    assert sent.events == []


def test_exceptions_come_with_the_record(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    try:
        fail()
    except Broken as error:
        logger.error("by instance %s", 1, exc_info=error)
    errtrack.flush()
    (event,) = sent.events
    assert event["exception"]["values"][-1]["type"] == "Broken"
    assert event["logentry"]["message"] == "by instance %s"


@pytest.mark.parametrize("nothing", [True, (None, None, None), "text"])
def test_a_record_without_an_exception_is_a_message(
    app: Flask, sent: MemoryTransport, nothing: Any
) -> None:
    record = logging.makeLogRecord(
        {"name": "shop", "levelno": 40, "msg": "hello", "exc_info": nothing}
    )
    if nothing != "text":
        logger.error("hello", exc_info=nothing)
    else:
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
        logger.handle(record)
    (event,) = sent.events
    assert "exception" not in event
    assert event["logentry"] == {"message": "hello"}


class Hostile:
    """An object that fails, and logs, whenever anybody looks at it."""

    def __repr__(self) -> str:
        logger.error("somebody looks at me")
        raise RuntimeError("do not look")

    __str__ = __repr__


@pytest.mark.parametrize(
    ("message", "arguments"),
    [("%s", (Hostile(),)), ("%d", ("text",)), (Hostile(), ()), ("%s %s", (1,))],
)
def test_a_record_that_cannot_be_formatted_is_an_event_all_the_same(
    app: Flask, sent: MemoryTransport, message: Any, arguments: Any
) -> None:
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    with app.app_context():
        logger.error(message, *arguments)
        logger.info(message, *arguments)
        logger.error("afterwards")
    assert len(sent.events) == 2
    assert len(crumbs_of(sent.events[1])) == 2


def test_records_of_other_threads_are_seen(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    thread = threading.Thread(target=logger.error, args=("from a thread",))
    thread.start()
    thread.join()
    assert len(sent.events) == 1


def test_flask_logs_an_error_once(app: Flask, sent: MemoryTransport) -> None:
    app.add_url_rule("/broken", "broken", fail)
    visit(app)
    assert len(sent.events) == 1
