"""A server that others ask: real HTTP on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class _Shop(BaseHTTPRequestHandler):
    """Answers ``/status/404`` so; ``/moved`` leads to ``/status/200``.

    ``/locked`` is open to who answers its challenge, ``/gone`` ends the connection.
    """

    protocol_version = "HTTP/1.1"
    #: The headers of the newest request, by name.
    headers_seen: dict[str, str]

    def do_GET(self) -> None:
        type(self).headers_seen = dict(self.headers.items())
        path = self.path.partition("?")[0]
        if path == "/gone":
            self.close_connection = True
        elif path == "/moved":
            self._answer(302, Location="/status/200")
        elif path == "/locked" and "Authorization" not in self.headers:
            challenge = 'Digest realm="shop", nonce="abc", qop="auth"'
            self._answer(401, **{"WWW-Authenticate": challenge})
        else:
            number = path.rpartition("/")[2]
            self._answer(int(number) if number.isdecimal() else 200)

    do_POST = do_GET

    def _answer(self, status: int, **headers: str) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class ShopServer(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def headers_seen(self) -> dict[str, str]:
        """The headers of the newest request."""
        return _Shop.headers_seen


@contextmanager
def open_shop() -> Iterator[ShopServer]:
    """Serve until the end of the block."""
    with ShopServer(("127.0.0.1", 0), _Shop) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
