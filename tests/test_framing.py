"""What goes over the wire keeps to the framing rules, read here strictly and anew."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from flask_errtrack import Client
from flask_errtrack.dsn import Dsn
from flask_errtrack.envelope import Envelope
from flask_errtrack.transports.http import HttpTransport

EVENT_ID = "ab" * 16
ITEM_KEYS = {"type", "length"}


class Server(HTTPServer):
    """Keeps the bodies that it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.dsn = f"http://key@127.0.0.1:{self.server_port}/1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/x-sentry-envelope"
        assert self.headers["Content-Encoding"] == "gzip"
        self.server.bodies.append(gzip.decompress(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_envelope_of_the_client_is_framed_as_the_protocol_wants(
    server: Server,
) -> None:
    transport = HttpTransport(Dsn.parse(server.dsn), "a/1", encoding="gzip")
    report = {"event_id": EVENT_ID, "comments": "größer\r\n\u2028than\n", "name": "A"}
    for item in ("user_report", "feedback"):
        client = Client(transport=transport, feedback_item=item)
        client.capture_user_report(report)  # type: ignore[arg-type]
    client.capture_message("one\ntwo\r\n\u2028three\0", extra={"\n": "\r"})
    try:
        raise ExceptionGroup("größer\n", [ValueError("\ud800"), KeyError("\x85")])
    except ExceptionGroup as error:
        client.capture_exception(error)
    client.capture_check_in("job", "ok", monitor_config=None)
    transport.send(Envelope.from_drops({("send_error", "error"): 1}, "2026-01-01"))
    transport.close()
    kinds = [kind for body in server.bodies for kind in kinds_in(body)]
    assert kinds == [
        "user_report",
        "feedback",
        "event",
        "event",
        "check_in",
        "client_report",
    ]


def kinds_in(body: bytes) -> list[str]:
    """The types of the items, if all keeps to the rules."""
    headers, rest = object_and_rest(body)
    sent_at = headers.pop("sent_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", sent_at)
    assert headers.keys() <= {"event_id", "sdk"} and None not in headers.values()
    kinds = []
    while rest:
        item, rest = object_and_rest(rest)
        assert item.keys() == ITEM_KEYS and type(item["length"]) is int
        payload, end = rest[: item["length"]], rest[item["length"] :]
        assert len(payload) == item["length"]
        assert end[:1] == b"\n", "a payload with a length is followed by a line end"
        rest = end[1:]
        # A reader that goes by lines gets the same.
        assert b"\n" not in payload and b"\r" not in payload
        content = json.loads(payload.decode("ascii"))
        assert content.get("event_id") == headers.get("event_id")
        kinds.append(item["type"])
    assert len(kinds) == 1, "at most one event, report or check-in an envelope"
    return kinds


def object_and_rest(data: bytes) -> tuple[dict[str, Any], bytes]:
    """A line that is one JSON object without blanks around it, and what follows."""
    line, end, rest = data.partition(b"\n")
    assert end and line.startswith(b"{") and line.endswith(b"}")
    found = json.loads(line.decode("utf-8"))
    assert isinstance(found, dict)
    return found, rest
