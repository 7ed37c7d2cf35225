"""What a server can do to a request, from a plain 200 to an answer without end.

Each is a ``Play``: when it acts, whether the envelope counts as stored, and what it
does to the connection. Standard library only: the server is a process of its own.
"""

from __future__ import annotations

import email.utils
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

_CHUNK = b"x" * 65536
# Between two bytes of an answer that drips: no read of the client times out.
_DRIP_SECONDS = 0.05


class Gone(Exception):
    """The client has left, or the server goes down."""


class Connection:
    """One connection of a client.

    :param goes_down: set when the server goes down.
    """

    def __init__(self, sock: socket.socket, goes_down: threading.Event) -> None:
        self.sock = sock
        self.reader: BinaryIO = sock.makefile("rb")
        self.goes_down = goes_down

    def send(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def answer(self, status: int, *headers: str) -> None:
        """Send an answer as it should be."""
        lines = [f"HTTP/1.1 {status} Whatever", "Content-Length: 2", *headers]
        self.send("\r\n".join([*lines, "", "{}"]).encode())

    def hold(self) -> None:
        """Say nothing until the client has left."""
        try:
            while self.reader.read(1):
                pass
        except OSError:
            pass
        raise Gone

    def drip(self, data: bytes) -> None:
        """Send data byte by byte."""
        for byte in data:
            self.send(bytes([byte]))
            if self.goes_down.wait(_DRIP_SECONDS):
                raise Gone

    def reset(self) -> None:
        """Break the connection, with RST instead of FIN."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        raise Gone


@dataclass(frozen=True)
class Play:
    """What is done to a request, once its body is read.

    :param act: returns if the connection may be used on, else raises ``Gone``.
    """

    act: Callable[[Connection], None]
    #: Whether the envelope is stored, whatever the client then hears.
    stores: bool = False
    #: The body is not even read.
    is_early: bool = False


def _status(status: int, *headers: str, stores: bool = False) -> Play:
    return Play(lambda connection: connection.answer(status, *headers), stores)


def _raw(data: bytes, stores: bool = False) -> Play:
    """Send something that is not quite HTTP, and close."""

    def act(connection: Connection) -> None:
        connection.send(data)
        raise Gone

    return Play(act, stores)


def _endless(start: bytes, more: bytes, stores: bool) -> Play:
    def act(connection: Connection) -> None:
        connection.send(start)
        while True:
            connection.send(more)

    return Play(act, stores)


def _close(connection: Connection) -> None:
    raise Gone


def _after(seconds: float, stores: bool) -> Play:
    """Answer, but not before."""

    def act(connection: Connection) -> None:
        if connection.goes_down.wait(seconds):
            raise Gone
        connection.answer(200)

    return Play(act, stores)


def _in_a_second(connection: Connection) -> None:
    date = email.utils.formatdate(time.time() + 1, usegmt=True)
    connection.answer(429, f"Retry-After: {date}")


def _drip_headers(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        connection.drip(b"drip ")


def _drip_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.drip(b"drip ")


def _silent_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    connection.hold()


_OK = b"HTTP/1.1 200 OK\r\n"
_LIMITS = "X-Sentry-Rate-Limits: "

PLAYS: dict[str, Play] = {
    "ok": _status(200, stores=True),
    "ok, error limited": _status(200, _LIMITS + "1:error:key", stores=True),
    "ok, feedback limited": _status(200, _LIMITS + "3600:feedback:key", stores=True),
    "hang": Play(Connection.hold),
    "hang before read": Play(Connection.hold, is_early=True),
    "hang, stored": Play(Connection.hold, stores=True),
    "slow": _after(0.2, stores=True),
    "slow, stored": _after(3.0, stores=True),
    "slow, not stored": _after(3.0, stores=False),
    "reset": Play(Connection.reset),
    "reset before read": Play(Connection.reset, is_early=True),
    "reset, stored": Play(Connection.reset, stores=True),
    "close": Play(_close),
    "close before read": Play(_close, is_early=True),
    "close, stored": Play(_close, stores=True),
    **{str(n): _status(n) for n in (400, 401, 403, 404, 413, 429, 500, 502, 503)},
    "redirect": _status(302, "Location: http://127.0.0.1:9/"),
    "500, in a second": _status(500, "Retry-After: 1"),
    "503, in a second": _status(503, "Retry-After: 1"),
    "503, in an hour": _status(503, "Retry-After: 3600"),
    "429, in a second": _status(429, "Retry-After: 1"),
    "429, by a date": Play(_in_a_second),
    "429, in an hour": _status(429, "Retry-After: 3600"),
    "429, error": _status(429, _LIMITS + "1:error:key:quota"),
    "429, error, in an hour": _status(429, _LIMITS + "3600:error:key:quota"),
    "429, all": _status(429, _LIMITS + "1::key:quota"),
    "429, nonsense": _status(429, "Retry-After: soon", _LIMITS + "::,;nan:x"),
    "no status line": _raw(b"HTTQ/9 what\r\n\r\n"),
    "no number": _raw(b"HTTP/1.1 two hundred\r\n\r\n"),
    "another protocol": _raw(b"220 mail.example.org ESMTP\r\n"),
    "malformed headers": _raw(_OK + b"no colon\r\n: empty\r\n\0: \xff\r\n\r\n", True),
    "half a header": _raw(_OK + b"Content-Le", stores=True),
    "broken gzip": _raw(
        _OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", True
    ),
    "broken chunks": _raw(_OK + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n", True),
    "short body": _raw(_OK + b"Content-Length: 1000\r\n\r\n{", True),
    "silent body": Play(_silent_body, stores=True),
    "endless headers": _endless(_OK, b"X-More: yes\r\n", False),
    "endless header line": _endless(_OK + b"X-Long: ", _CHUNK, False),
    "endless body": _endless(_OK + b"\r\n", _CHUNK, True),
    "endless continue": _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", False),
    "dripping headers": Play(_drip_headers),
    "dripping body": Play(_drip_body, stores=True),
    "huge body": _endless(_OK + b"Content-Length: 99999999999\r\n\r\n", _CHUNK, True),
}
