"""A server in this process to which the apps of the tests send their events."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from delivery.receiver_process import decoded, items_of


class Inbox:
    """The events that have arrived, in order."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://key@127.0.0.1:{port}/7"
        self._texts: list[str] = []

    @property
    def events(self) -> list[Any]:
        """The events that have arrived."""
        return [json.loads(text) for text in self._texts]

    def add(self, event: Any) -> None:
        """Take an event."""
        self._texts.append(json.dumps(event))

    def of(self, mark: str) -> list[Any]:
        """The events about one mark, whatever in them tells of it."""
        return [json.loads(text) for text in self._texts if mark in text]


@contextmanager
def opened() -> Iterator[Inbox]:
    """Take what is sent, for a while."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = decoded(body, self.headers.get("Content-Encoding", ""))
            for kind, payload in items_of(body):
                if kind == "event":
                    inbox.add(payload)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox = Inbox(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield inbox
        finally:
            server.shutdown()
            thread.join()
