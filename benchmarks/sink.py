"""A server that takes events, or behaves badly: a process of its own on loopback.

It takes what each contestant sends: envelopes, and the JSON of the others.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

#: How a server may be: ``far`` and ``slow`` take each event and answer late.
STATES = (
    "healthy",
    "far",
    "slow",
    "refusing",
    "hanging",
    "answering 500",
    "answering 429",
)
_ANSWER_SECONDS = {"far": 0.1, "slow": 2.0}
_STATUSES = {"answering 500": 500, "answering 429": 429}
_RETRY_AFTER_SECONDS = 1
# As long as what a Sentry-protocol server says.
_ANSWER = b'{"id":"0123456789abcdef0123456789abcdef"}'
# Each request to the app that fails has a path of its own, and each contestant
# reports it by this name.
_URL = re.compile(rb'"url": ?"[^"]*/broken/\w+/\d+/(\d+)"')
_EVENT_ITEM = re.compile(rb'^\{[^\n]*"type": ?"event"', re.MULTILINE)


class Sink:
    """Takes events from when it is made until it is closed."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        self._port = self._pipe.recv()

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def dsn(self) -> str:
        """Where it takes events."""
        return f"http://key@127.0.0.1:{self._port}/1"

    def become(self, state: str) -> None:
        """Change how it answers: one of ``STATES``."""
        self._pipe.send(state)
        self._pipe.recv()

    def taken(self) -> tuple[int, int]:
        """Return how many events came, and how many different ones."""
        self._pipe.send("count")
        total, different = self._pipe.recv()
        return total, different

    def traffic_bytes(self) -> tuple[int, int]:
        """Return how large the requests with events were, and all others.

        As they were sent: compressed, with their headers.
        """
        self._pipe.send("traffic")
        events, others = self._pipe.recv()
        return events, others

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Some open a connection for each event.
    request_queue_size = 1024
    state = "healthy"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.event_ids: list[str] = []
        #: Of requests with an event, and of others.
        self.taken_bytes = [0, 0]
        self.may_go_on = threading.Event()
        self._listen()

    def become(self, state: str) -> None:
        """Be in another state; whoever waits for an answer waits no longer."""
        before, self.state = self.state, state
        self.may_go_on.set()
        self.may_go_on = threading.Event()
        if state == "refusing":
            self.shutdown()
            self.socket.close()
            # Bound without listening: nobody else gets the port.
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
        elif before == "refusing":
            self.server_activate()
            self._listen()

    def _listen(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) < size:
            # Whoever sent it has ended.
            return
        state, may_go_on = self.server.state, self.server.may_go_on
        if state == "hanging":
            may_go_on.wait()
        if state in ("hanging", "refusing"):
            self.close_connection = True
            return
        status = _STATUSES.get(state)
        if status is None:
            # Honeybadger's servers say 201, and its client insists on it.
            status = 201 if self.path == "/v1/notices/" else 200
            self._take(body)
            may_go_on.wait(_ANSWER_SECONDS.get(state, 0))
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", str(_RETRY_AFTER_SECONDS))
        self.send_header("Content-Length", str(len(_ANSWER)))
        self.end_headers()
        self.wfile.write(_ANSWER)

    def _take(self, body: bytes) -> None:
        data = _decoded(body, self.headers["Content-Encoding"])
        found = _event_id(self.path, data)
        size = len(self.requestline) + len(bytes(self.headers)) + len(body)
        with self.server.lock:
            self.server.taken_bytes[found is None] += size
            if found is not None:
                self.server.event_ids.append(found)

    def log_message(self, *args: Any) -> None: ...


def _event_id(path: str, data: bytes) -> str | None:
    """Return what is like nothing else in an event; None for what is no event."""
    found = _URL.search(data)
    if found is not None:
        return found[1].decode()
    if not path.endswith("/envelope/") or not _EVENT_ITEM.search(data):
        return None
    return str(json.loads(data.partition(b"\n")[0]).get("event_id"))


def _decoded(body: bytes, encoding: str | None) -> bytes:
    if encoding == "br":
        # Only if it is there, it is used.
        import brotli

        return bytes(brotli.decompress(body))
    return gzip.decompress(body) if encoding == "gzip" else body


def _serve(pipe: Connection) -> None:
    server = _Server()
    pipe.send(server.server_port)
    answers: dict[str, Callable[[], Any]] = {
        "count": lambda: (len(server.event_ids), len({*server.event_ids})),
        "traffic": lambda: tuple(server.taken_bytes),
    }
    while True:
        order = pipe.recv()
        if order in answers:
            pipe.send(answers[order]())
            continue
        server.become(order)
        pipe.send(None)
