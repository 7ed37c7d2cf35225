"""What an event knows of the log record that made it, and the log of its event."""

from __future__ import annotations

import io
import logging
import logging.config
import logging.handlers
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import MakeApp, MakeTransport
from flask import Flask
from places import Broken, fail, visit

from flask_errtrack import Client, ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.logging import EventIdFilter
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.stock")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a handler writes whose format has the event's id."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(event_id)s %(message)s"))
    handler.addFilter(EventIdFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield log
    logger.setLevel(logging.NOTSET)
    root.removeHandler(handler)


def lines_of(log: io.StringIO) -> list[list[str]]:
    """The id and the message of each line; tracebacks are left out."""
    lines = [line.split(" ", 1) for line in log.getvalue().splitlines()]
    return [line for line in lines if len(line[0]) in (1, 32) and line[0] != ""]


def functions_of(event: Event) -> list[str]:
    (thread,) = event["threads"]["values"]
    return [frame["function"] for frame in thread["stacktrace"]["frames"]]


def test_template_and_arguments_are_apart_for_exceptions_too(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    try:
        fail()
    except Broken:
        logger.exception("shelf %s of %s", 17, "eu")
    errtrack.flush()
    (event,) = sent.events
    assert event["logentry"] == {
        "message": "shelf %s of %s",
        "params": [17, "eu"],
        "formatted": "shelf 17 of eu",
    }


def count_stock(**arguments: Any) -> None:
    shelf = 17
    logger.error("shelf %s", shelf, **arguments)


def count_all() -> None:
    # The record is the caller's.
    logger.error("all", stack_info=True, stacklevel=2)


def test_stack_info_is_a_stack_with_lines_and_variables(
    app: Flask, sent: MemoryTransport
) -> None:
    count_stock(stack_info=True)
    (event,) = sent.events
    assert functions_of(event)[-1] == "count_stock"
    frame = event["threads"]["values"][0]["stacktrace"]["frames"][-1]
    assert frame["context_line"].strip().startswith("logger.error(")
    assert frame["vars"]["shelf"] == 17
    assert frame["in_app"]
    assert not event["threads"]["values"][0]["crashed"]


def test_stack_info_begins_where_the_record_says(
    app: Flask, sent: MemoryTransport
) -> None:
    count_all()
    (event,) = sent.events
    assert functions_of(event)[-1] == ("test_stack_info_begins_where_the_record_says")


def test_without_stack_info_there_is_no_stack(
    app: Flask, sent: MemoryTransport
) -> None:
    count_stock()
    assert "threads" not in sent.events[0]


def test_stack_info_and_an_exception_are_both_told(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    try:
        fail()
    except Broken:
        count_stock(exc_info=True, stack_info=True)
    errtrack.flush()
    (event,) = sent.events
    assert functions_of(event)[-1] == "count_stock"
    (value,) = event["exception"]["values"]
    assert value["thread_id"] == event["threads"]["values"][0]["id"]


def test_the_stack_of_a_record_from_elsewhere_is_told_as_text(
    app: Flask, sent: MemoryTransport
) -> None:
    record = logging.makeLogRecord(
        {
            "name": "shop",
            "levelno": 40,
            "msg": "hello",
            "stack_info": "Stack (most recent call last): …",
        }
    )
    logging.getLogger("shop").handle(record)
    (event,) = sent.events
    assert event["extra"] == {"stack_info": "Stack (most recent call last): …"}
    assert "threads" not in event


def test_the_variables_of_a_stack_are_scrubbed(
    app: Flask, sent: MemoryTransport
) -> None:
    def count(password: str) -> None:
        logger.error("counting", stack_info=True)

    count("-".join(["hunter2", "and", "more"]))
    variables = sent.events[0]["threads"]["values"][0]["stacktrace"]["frames"][-1]
    assert variables["vars"]["password"] == "[redacted]"
    assert "hunter2-and-more" not in str(sent.events)


def test_a_record_of_another_thread_names_it(app: Flask, sent: MemoryTransport) -> None:
    thread = threading.Thread(target=logger.error, args=("one",), name="stock-taker")
    thread.start()
    thread.join()
    (thread_told,) = sent.events[0]["threads"]["values"]
    assert thread_told["name"] == "stock-taker"
    assert thread_told["crashed"] is False


def test_the_line_of_a_record_has_the_id_of_its_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, log: io.StringIO
) -> None:
    logger.info("counting")
    logger.error("none left")
    try:
        fail()
    except Broken:
        logger.exception("counting failed")
    errtrack.flush()
    ids = [event["event_id"] for event in sent.events]
    assert lines_of(log) == [
        ["-", "counting"],
        [ids[0], "none left"],
        [ids[1], "counting failed"],
    ]


def test_lines_after_an_event_of_a_request_have_its_id_and_no_others(
    app: Flask, sent: MemoryTransport, log: io.StringIO
) -> None:
    app.logger.propagate = True

    @app.get("/broken")
    def broken() -> str:
        logger.info("before")
        return str(fail())

    @app.teardown_request
    def tear_down(error: BaseException | None) -> None:
        logger.info("after")

    @app.get("/fine")
    def fine() -> str:
        logger.info("another request")
        return "fine"

    visit(app)
    visit(app, "/fine")
    logger.info("outside")
    (event,) = sent.events
    assert lines_of(log) == [
        ["-", "before"],
        [event["event_id"], "Exception on /broken [GET]"],
        [event["event_id"], "after"],
        ["-", "another request"],
        ["-", "after"],
        ["-", "outside"],
    ]


def test_the_id_in_the_log_is_that_of_the_raise_that_takes_the_place(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack, log: io.StringIO
) -> None:
    with pytest.raises(LookupError), errtrack.job("count"):
        try:
            fail()
        except Broken as error:
            logger.exception("counting failed")
            raise LookupError("no stock") from error
    (event,) = sent.events
    assert lines_of(log) == [[event["event_id"], "counting failed"]]
    assert event["exception"]["values"][-1]["type"] == "LookupError"


def test_a_record_in_several_handlers_is_one_event_and_one_breadcrumb(
    app: Flask, sent: MemoryTransport, log: io.StringIO
) -> None:
    second = logging.StreamHandler(io.StringIO())
    second.addFilter(EventIdFilter())
    logger.addHandler(second)
    with app.app_context():
        logger.error("none left")
        logger.error("none left")
    logger.removeHandler(second)
    assert len(sent.events) == 2
    assert len(sent.events[1]["breadcrumbs"]["values"]) == 1
    assert "extra" not in sent.events[0]


def test_an_event_id_of_the_app_itself_stays(
    app: Flask, sent: MemoryTransport, log: io.StringIO
) -> None:
    logger.error("none left", extra={"event_id": "7"})
    assert lines_of(log) == [["7", "none left"]]
    assert sent.events[0]["extra"] == {"event_id": "7"}


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    "fields",
    [{"name": None}, {"args": 7}, {"msg": None}, {"exc_info": 7}, {"stack_info": 7}],
    ids=str,
)
def test_a_record_of_any_shape_breaks_nothing(
    app: Flask, sent: MemoryTransport, fields: dict[str, Any]
) -> None:
    record = logging.makeLogRecord({"levelno": 40, "name": "shop", **fields})
    silent = logging.Logger("shop")
    silent.addHandler(logging.NullHandler())
    EventIdFilter().filter(record)
    silent.handle(record)
    silent.error("afterwards")
    assert sent.events[-1]["logentry"]["message"] == "afterwards"


def test_without_a_client_there_is_no_id(log: io.StringIO) -> None:
    logger.error("none left")
    assert lines_of(log) == [["-", "none left"]]


def test_the_filter_can_be_named_in_a_dict_config(
    app: Flask, sent: MemoryTransport, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"event_id": {"()": "flask_errtrack.logging.EventIdFilter"}},
            "formatters": {"id": {"format": "[%(event_id)s] %(message)s"}},
            "handlers": {
                "err": {
                    "class": "logging.StreamHandler",
                    "filters": ["event_id"],
                    "formatter": "id",
                }
            },
            "loggers": {"shop.stock": {"handlers": ["err"], "propagate": False}},
        }
    )
    logger.error("none left")
    logger.handlers.clear()
    logger.propagate = True
    event_id = sent.events[0]["event_id"]
    assert capsys.readouterr().err == f"[{event_id}] none left\n"


def test_the_id_goes_along_to_the_thread_that_writes(
    app: Flask, sent: MemoryTransport
) -> None:
    written = io.StringIO()
    writer = logging.StreamHandler(written)
    writer.setFormatter(logging.Formatter("%(event_id)s %(message)s"))
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    handler.addFilter(EventIdFilter())
    listener = logging.handlers.QueueListener(records, writer)
    logger.addHandler(handler)
    listener.start()
    logger.error("shelf %s", 17)
    listener.stop()
    logger.removeHandler(handler)
    (event,) = sent.events
    assert written.getvalue() == f"{event['event_id']} shelf 17\n"
    assert event["logentry"]["params"] == [17]


def test_a_filter_behind_a_queue_makes_no_second_event(
    app: Flask, sent: MemoryTransport
) -> None:
    writer = logging.StreamHandler(io.StringIO())
    writer.addFilter(EventIdFilter())
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)
    listener = logging.handlers.QueueListener(records, writer)
    logger.addHandler(handler)
    listener.start()
    logger.error("shelf %s", 17)
    listener.stop()
    logger.removeHandler(handler)
    assert len(sent.events) == 1


def test_a_record_without_a_name_is_an_event(app: Flask, sent: MemoryTransport) -> None:
    logger.handle(logging.makeLogRecord({"msg": "from afar", "levelno": 40}))
    assert [event["logentry"]["message"] for event in sent.events] == ["from afar"]


class LoggingTransport:
    """A transport that logs errors, as its libraries may."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, envelope: Envelope) -> None:
        logger.error("sending %s", len(self.events))
        self.events.extend(envelope.events)


class LoggingHandler(logging.Handler):
    """A handler that logs, once, when it is given something to write."""

    is_busy = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.is_busy:
            self.is_busy = True
            logging.getLogger("of.the.handler").error("writing %s", record.msg)
            self.is_busy = False


class LoggingFormatter(logging.Formatter):
    """A formatter that captures an event by itself."""

    def __init__(self, errtrack: ErrTrack) -> None:
        super().__init__()
        self._errtrack = errtrack

    def format(self, record: logging.LogRecord) -> str:
        self._errtrack.capture_message("formatting")
        return super().format(record)


def log_and_pass(value: Any, hint: Any) -> Any:
    logger.error("a hook has something to say", stack_info=True)
    return value


def test_what_our_own_work_logs_is_no_event(make_app: MakeApp) -> None:
    transport = LoggingTransport()
    app = make_app(
        transport=transport, before_send=log_and_pass, before_breadcrumb=log_and_pass
    )
    with app.app_context():
        logger.info("before")
        logger.error("none left")
    in_thread = threading.Thread(target=fail)
    in_thread.run = lambda: logger.error("in a thread")  # type: ignore[method-assign]
    in_thread.start()
    in_thread.join()
    assert [event["logentry"]["message"] for event in transport.events] == [
        "none left",
        "in a thread",
    ]


def test_a_handler_that_logs_and_a_formatter_that_captures_end(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    logger.addHandler(LoggingHandler())
    stream = logging.StreamHandler(io.StringIO())
    stream.setFormatter(LoggingFormatter(errtrack))
    logger.addHandler(stream)
    logger.error("none left")
    logger.handlers.clear()
    messages = [event["logentry"]["message"] for event in sent.events]
    assert sorted(messages) == ["formatting", "none left", "writing %s"]


@pytest.mark.swallows_errors
def test_an_error_inside_our_own_logging_never_recurses(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    def broken_hook(value: Any, hint: Any) -> Any:
        logger.error("the hook is broken")
        fail()

    app = make_app(
        transport=sent, before_send=broken_hook, before_breadcrumb=broken_hook
    )
    with app.app_context():
        logger.info("before")
        logger.error("none left")
    (event,) = sent.events
    assert event["errors"][0]["type"] == "hook_failed"


def test_a_client_without_an_app_sees_records_and_breadcrumbs(
    make_transport: MakeTransport,
) -> None:
    transport = make_transport()
    client = Client(transport=transport, logging_exclusions=["noisy"])
    logger.warning("few left")
    logging.getLogger("noisy.child").error("not for us")
    logger.error("none left")
    client.close()
    logger.error("not for us")
    (event,) = transport.events
    assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == [
        "few left"
    ]


def test_of_several_clients_without_an_app_the_one_at_work_sees_records(
    make_transport: MakeTransport,
) -> None:
    transports = [make_transport(), make_transport()]
    first, second = [Client(transport=transport) for transport in transports]
    logger.error("whose is it?")
    with second.job("count"):
        logger.error("of the second")
    first.close()
    second.close()
    assert [len(transport.events) for transport in transports] == [0, 1]


def test_a_client_without_an_app_leaves_records_to_the_apps(
    make_app: MakeApp, make_transport: MakeTransport
) -> None:
    of_app, of_program = make_transport(), make_transport()
    app = make_app(transport=of_app)
    client = Client(transport=of_program)
    app.add_url_rule("/broken", "broken", fail)
    visit(app)
    with Flask("other").app_context():
        logger.error("of nobody else")
    client.close()
    assert (len(of_app.events), len(of_program.events)) == (1, 1)


def test_in_two_apps_of_one_process_records_go_where_the_context_says(
    make_app: MakeApp, make_transport: MakeTransport, log: io.StringIO
) -> None:
    transports = [make_transport(), make_transport()]
    apps = [make_app(transport=transport) for transport in transports]
    for app in apps:
        with app.app_context():
            logger.error("none left in %s", id(app))
    ids = [event["event_id"] for one in transports for event in one.events]
    assert [line[0] for line in lines_of(log)] == ids
    assert len(ids) == 2


def test_the_page_of_an_event_shows_thread_stack_and_arguments(
    make_app: MakeApp,
) -> None:
    app = make_app(dashboard_access=lambda: True)
    thread = threading.Thread(
        target=count_stock, kwargs={"stack_info": True}, name="stock-taker"
    )
    thread.start()
    thread.join()
    client: Client = app.extensions["errtrack"]
    assert client.flush(60)
    page = app.test_client().get("/errtrack/issues/1").text
    for shown in ("Thread stock-taker", "count_stock", "logger.error", "shelf %s"):
        assert shown in page, shown
