"""A server that takes events, or behaves badly: a process of its own on loopback."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

STATES = ("healthy", "hanging", "answering 500", "breaking off")


class Sink:
    """Takes events from when it is made until it is closed."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        self._port = self._pipe.recv()

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

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state = "healthy"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.event_ids: list[str] = []
        self.may_go_on = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state = self.server.state
        if state == "hanging":
            self.server.may_go_on.wait()
        if state in ("hanging", "breaking off"):
            self.close_connection = True
            return
        if state == "healthy":
            self.server.event_ids.append(_event_id(body, self.headers))
        self.send_response(200 if state == "healthy" else 500)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: Any) -> None: ...


def _event_id(body: bytes, headers: Any) -> str:
    encoding = headers["Content-Encoding"]
    if encoding == "br":
        # Only if it is there, it is used.
        import brotli

        body = brotli.decompress(body)
    data = gzip.decompress(body) if encoding == "gzip" else body
    return str(json.loads(data.partition(b"\n")[0]).get("event_id"))


def _serve(pipe: Connection) -> None:
    server = _Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pipe.send(server.server_port)
    answers: dict[str, Callable[[], Any]] = {
        "count": lambda: (len(server.event_ids), len({*server.event_ids}))
    }
    while True:
        order = pipe.recv()
        if order in answers:
            pipe.send(answers[order]())
            continue
        server.may_go_on.set()
        server.may_go_on = threading.Event()
        server.state = order
        pipe.send(None)
