"""Which errors become events, and that the others cost next to nothing."""

from __future__ import annotations

import timeit
from functools import partial
from typing import Any

import pytest
import requests
from conftest import MakeApp
from flask import Flask, g
from places import Broken, fail

from flask_errtrack import Client
from flask_errtrack.transports import MemoryTransport


def client_of(app: Flask) -> Client:
    client = app.extensions["errtrack"]
    assert isinstance(client, Client)
    return client


class Picky(Exception):
    """An exception that counts how often anybody looks at it."""

    looks = 0

    def __str__(self) -> str:
        Picky.looks += 1
        return "picky"

    __repr__ = __str__


@pytest.mark.parametrize("dropped_by", ["before_send", "sample_rate"])
def test_what_was_dropped_gets_no_second_chance(
    make_app: MakeApp, sent: MemoryTransport, dropped_by: str
) -> None:
    asked: list[Any] = []

    def before_send(event: Any, hint: Any) -> Any:
        asked.append(hint["exception"])
        return None if dropped_by == "before_send" else event

    def sample_rate(hint: Any) -> float:
        asked.append(hint["exception"])
        return 0.0

    hooks: dict[str, Any] = {"before_send": before_send, "sample_rate": sample_rate}
    app = make_app(transport=sent, **{dropped_by: hooks[dropped_by]})
    ids: list[str | None] = []

    def sorry(error: Any) -> tuple[str, int]:
        ids.append(client_of(app).capture_exception(error))
        ids.append(g.event_id)
        return "sorry", 500

    app.add_url_rule("/broken", "broken", fail)
    app.register_error_handler(500, sorry)
    response = app.test_client().get("/broken")
    assert sent.events == []
    assert len(asked) == 1
    assert ids == [None, None]
    assert "X-ErrTrack-ID" not in response.headers
    assert client_of(app).dropped[dropped_by] == 1


def test_the_hook_has_the_last_word_on_what_was_logged_first(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    def before_send(event: Any, hint: Any) -> Any:
        return event if "log_record" in hint else None

    app = make_app(transport=sent, before_send=before_send)

    def broken() -> str:
        try:
            return str(fail())
        except Broken:
            app.logger.exception("failed")
            raise

    app.add_url_rule("/broken", "broken", broken)
    response = app.test_client().get("/broken")
    assert sent.events == []
    assert "X-ErrTrack-ID" not in response.headers


@pytest.mark.parametrize(
    "name",
    [
        requests.ConnectionError,
        requests.RequestException,
        IOError,
        "requests.exceptions.ConnectionError",
        "requests.ConnectionError",
        "requests.RequestException",
        "ConnectionError",
        "builtins.OSError",
    ],
)
def test_ignored_by_class_name_or_base(
    make_app: MakeApp, sent: MemoryTransport, name: Any
) -> None:
    client = client_of(make_app(transport=sent, ignore_exceptions=[name]))
    assert client.capture_exception(requests.ConnectTimeout()) is None
    assert client.capture_exception(KeyError()) is not None
    assert client.dropped["ignored"] == 1


def test_what_becomes_no_event_is_never_looked_at(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    def never(*args: Any) -> Any:
        raise AssertionError("called for nothing")

    ignoring = client_of(
        make_app(transport=sent, ignore_exceptions=[Picky], before_send=never)
    )
    sampling = client_of(make_app(transport=sent, sample_rate=0.0, before_send=never))
    sending = client_of(make_app(transport=sent))
    try:
        unseen = Picky()
        raise unseen
    except Picky as error:
        for client in (ignoring, sampling):
            assert client.capture_exception(error) is None
        assert Picky.looks == 0
        sending.capture_exception(error)
        looks = Picky.looks
        assert looks > 0
        assert sending.capture_exception(error) == sent.events[0]["event_id"]
        assert Picky.looks == looks
        for client in (ignoring, sampling, sending):
            # Microseconds, even where everything is slow.
            capture = partial(client.capture_exception, error)
            took_seconds = min(timeit.repeat(capture, number=20, repeat=10)) / 20
            assert took_seconds < 0.0002
