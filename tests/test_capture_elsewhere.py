"""Commands, contexts and threads: one event each, and ways to end that are none."""

from __future__ import annotations

import errno
import os
import threading
from contextlib import redirect_stdout, suppress

import click
import pytest
from flask import Flask, copy_current_request_context
from flask.cli import ScriptInfo
from places import (
    Broken,
    fail,
    visit,
)
from werkzeug.exceptions import HTTPException, NotFound, ServiceUnavailable

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport


def types_of(sent: MemoryTransport) -> list[str]:
    """The type of the outermost exception of each event."""
    return [event["exception"]["values"][-1]["type"] for event in sent.events]


def test_a_failing_command_keeps_its_status_and_is_one_event(
    app: Flask, sent: MemoryTransport
) -> None:
    @app.cli.group()
    def shop() -> None:
        pass

    @shop.command()
    def restock() -> None:
        fail()

    result = app.test_cli_runner().invoke(args=["shop", "restock"])
    assert result.exit_code == 1
    assert isinstance(result.exception, Broken)
    assert result.exc_info is not None
    assert types_of(sent) == ["Broken"]
    assert sent.events[0]["transaction"].endswith("shop restock")


@pytest.mark.parametrize(
    ("way_out", "status"),
    [
        (click.UsageError("no such shelf"), 2),
        (click.BadParameter("no such shelf"), 2),
        (click.ClickException("closed"), 1),
        (click.Abort(), 1),
        (click.exceptions.Exit(3), 3),
        (SystemExit(4), 4),
    ],
    ids=repr,
)
def test_the_ways_to_end_a_command_are_no_events(
    app: Flask, sent: MemoryTransport, way_out: BaseException, status: int
) -> None:
    @app.cli.command()
    def restock() -> None:
        raise way_out

    result = app.test_cli_runner().invoke(args=["restock"])
    assert result.exit_code == status
    assert sent.events == []


@pytest.mark.parametrize("is_read", [True, False])
def test_a_command_whose_reader_has_left_is_no_event(
    app: Flask, sent: MemoryTransport, is_read: bool
) -> None:
    @app.cli.command()
    def restock() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    reader, writer = os.pipe()
    if not is_read:
        os.close(reader)
    with os.fdopen(writer, "w") as pipe, redirect_stdout(pipe):
        script = ScriptInfo(create_app=lambda: app)
        # What click does itself, but on a standard output of ours.
        with (
            suppress(BrokenPipeError),
            restock.make_context("restock", [], obj=script) as context,
        ):
            restock.invoke(context)
    assert types_of(sent) == (["BrokenPipeError"] if is_read else [])
    if is_read:
        os.close(reader)


def test_an_error_that_a_command_handles_is_no_event(
    app: Flask, sent: MemoryTransport
) -> None:
    @app.cli.command()
    def restock() -> None:
        try:
            fail()
        except Broken:
            with app.app_context():
                pass

    assert app.test_cli_runner().invoke(args=["restock"]).exit_code == 0
    assert sent.events == []


def test_a_command_called_wrongly_is_no_event(
    app: Flask, sent: MemoryTransport
) -> None:
    @app.cli.command()
    @click.argument("shelf", type=int)
    def restock(shelf: int) -> None:
        pass

    result = app.test_cli_runner().invoke(args=["restock", "top"])
    assert result.exit_code == 2
    assert sent.events == []


def test_what_fails_in_an_app_context_is_one_event(
    app: Flask, sent: MemoryTransport
) -> None:
    with suppress(Broken), app.app_context(), app.app_context():
        fail()
    assert types_of(sent) == ["Broken"]


def test_an_http_error_ends_an_app_context_as_it_ends_a_request(
    app: Flask, sent: MemoryTransport
) -> None:
    for error in (NotFound(), ServiceUnavailable()):
        with suppress(HTTPException), app.app_context():
            raise error
    assert types_of(sent) == ["ServiceUnavailable"]


def test_a_thread_with_the_context_of_a_request_is_one_event(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    def broken() -> str:
        errtrack.set_tag("order", 17)
        raised: list[Broken] = []

        def work() -> None:
            try:
                copied()
            except Broken as error:
                raised.append(error)

        copied = copy_current_request_context(fail)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        # As a future does: the same error comes up in the request.
        raise raised[0]

    app.add_url_rule("/broken", "broken", broken)
    visit(app)
    assert types_of(sent) == ["Broken"]
    assert sent.events[0]["transaction"] == "broken"
    assert sent.events[0]["tags"] == {"order": "17"}
