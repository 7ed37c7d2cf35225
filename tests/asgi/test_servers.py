"""Real uvicorn and hypercorn, which log what leaves an app: it is still one event."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from .inbox import Inbox, opened

COMMANDS = {
    "uvicorn": ["uvicorn", "--port", "{port}"],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}"],
}
GEVENT = ["gunicorn", "-k", "gevent", "-b", "127.0.0.1:{port}", "asgi.flask_served:app"]
#: A transaction and a path for each.
PLACES = {
    "in_task": "asgi.served.in_task",
    "in_executor": "asgi.served.in_executor",
    "in_stream": "asgi.served.in_stream",
    "in_thread": "asgi.served.in_thread",
    "in_quart": "in_quart",
    "in_flask": "in_flask",
    "asgiref": "in_flask",
}
TESTS = Path(__file__).parent.parent


@dataclass
class Served:
    """A server, and what has arrived from it."""

    port: int
    inbox: Inbox

    def get(self, path: str) -> tuple[int, str | None]:
        """Ask for a page; return its status, and what it says of its event."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            with contextlib.suppress(OSError, HTTPException):
                response.read()
            return response.status, response.getheader("X-ErrTrack-ID")
        finally:
            connection.close()


@contextlib.contextmanager
def launched(
    command: list[str], inbox: Inbox, fails_at: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a server; yield its process, and the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    process = subprocess.Popen(
        [sys.executable, "-m", *(word.format(port=port) for word in command)],
        env={
            **os.environ,
            "PYTHONPATH": paths,
            "ERRTRACK_DSN": inbox.dsn,
            "FAILS_AT": fails_at,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def is_answering(process: subprocess.Popen[bytes], served: Served) -> bool:
    assert process.poll() is None, "the server has ended"
    with contextlib.suppress(OSError, HTTPException):
        return served.get("/ready")[0] == 200
    return False


@pytest.fixture(scope="module", params=COMMANDS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    command = [*COMMANDS[request.param], "asgi.served:app"]
    with opened() as inbox, launched(command, inbox) as (process, port):
        server = Served(port, inbox)
        wait_until(lambda: is_answering(process, server))
        yield server


def place_of(mark: str) -> str:
    return mark[1:-1].rpartition("-")[0]


def visit_at_once(
    served: Served, marks: list[str]
) -> dict[str, tuple[int, str | None]]:
    """Visit a page for each mark, and wait for the events."""

    def visit(mark: str) -> tuple[int, str | None]:
        return served.get(f"/{place_of(mark)}/{mark}")

    with ThreadPoolExecutor(20) as pool:
        answers = dict(zip(marks, pool.map(visit, marks), strict=True))
    wait_until(
        lambda: all(served.inbox.of(mark) for mark in marks),
        lambda: [mark for mark in marks if not served.inbox.of(mark)],
    )
    return answers


def event_of(served: Served, mark: str) -> Any:
    """The one event about a mark, with its own user and tags."""
    (event,) = served.inbox.of(mark)
    assert event["exception"]["values"][-1]["value"] == mark
    assert event["tags"] == {"mark": mark}
    assert event["user"]["id"] == mark
    return event


def test_each_error_is_one_event_with_its_own_user_and_tags(served: Served) -> None:
    marks = [f"<{place}-{number}>" for number in range(10) for place in PLACES]
    answers = visit_at_once(served, marks)
    for mark in marks:
        event = event_of(served, mark)
        place = place_of(mark)
        assert event["transaction"] == PLACES[place]
        is_of_flask = PLACES[place] == "in_flask"
        assert ("flask" in event["contexts"]) is is_of_flask
        assert ("asgi" in event["contexts"]) is not is_of_flask
        status, event_id = answers[mark]
        if place == "in_stream":
            assert (status, event_id) == (200, None)
        else:
            assert (status, event_id) == (500, event["event_id"])
    # Nothing else came: no record of a server, and none of a framework.
    assert len(served.inbox.events) == len(marks)


def test_a_websocket_that_fails_is_one_event(served: Served) -> None:
    url = f"ws://127.0.0.1:{served.port}/in_websocket"
    with connect(f"{url}/leaves-17"):
        # Who leaves is no event.
        pass
    with connect(f"{url}/fails-17") as connection:
        connection.send("hello")
        with contextlib.suppress(WebSocketException):
            connection.recv()
    wait_until(lambda: served.inbox.of("fails-17"))
    (event,) = served.inbox.of("fails-17")
    assert event["user"]["id"] == "fails-17"
    assert event["request"]["url"] == f"{url}/fails-17"
    assert served.inbox.of("leaves-17") == []


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("point", ["start", "stop"])
def test_a_life_that_fails_is_one_event_though_the_server_is_killed(
    name: str, point: str
) -> None:
    command = [*COMMANDS[name], "asgi.lifespan_served:app"]
    with opened() as inbox:
        with launched(command, inbox, fails_at=point) as (process, port):
            if point == "stop":
                server = Served(port, inbox)
                wait_until(lambda: is_answering(process, server))
                process.send_signal(signal.SIGTERM)
            process.wait(60)
        (event,) = inbox.events
    assert event["transaction"] == "lifespan"
    assert event["exception"]["values"][-1]["value"] == point


def test_greenlets_of_a_real_server_keep_users_and_tags_apart() -> None:
    marks = [f"<in_flask-{number}>" for number in range(40)]
    with opened() as inbox, launched(GEVENT, inbox) as (process, port):
        server = Served(port, inbox)
        wait_until(lambda: is_answering(process, server))
        answers = visit_at_once(server, marks)
        for mark in marks:
            assert answers[mark] == (500, event_of(server, mark)["event_id"])
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert len(inbox.events) == len(marks)
