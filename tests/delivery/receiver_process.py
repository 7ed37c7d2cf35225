"""A server of the envelope endpoint, in a process of its own, that plays faults.

It takes orders on stdin and answers on stdout, a line of JSON each, and writes down
each request in a file, one line of JSON, before it answers. Standard library only.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import os
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .bad_answers import PLAYS, Connection, Gone, Play

_MAX_HEADERS = 100


def decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "br":
        return bytes(importlib.import_module("brotli").decompress(body))
    return body


def items_of(data: bytes) -> list[tuple[str, Any]]:
    """Return type and payload of the items of an envelope, read by its own rules."""
    headers, _, rest = data.partition(b"\n")
    items = [("headers", json.loads(headers))]
    while rest.strip(b"\n"):
        line, _, rest = rest.lstrip(b"\n").partition(b"\n")
        header = json.loads(line)
        length = header.get("length", rest.find(b"\n"))
        items.append((header["type"], json.loads(rest[:length])))
        rest = rest[length:]
    return items


def request_of(body: bytes, encoding: str) -> dict[str, Any]:
    """Say what a request brought: type, mark and event id of its main item."""
    try:
        (_, headers), (kind, payload), *_ = items_of(decoded(body, encoding))
    except (ValueError, KeyError, OSError, zlib.error) as error:
        return {"kind": "unreadable", "payload": repr(error)}
    tags = payload.get("tags") or {}
    return {
        "kind": kind,
        "mark": tags.get("mark"),
        "event_id": headers.get("event_id"),
        "payload": None if kind == "event" else payload,
    }


class Book:
    """What has arrived so far, also for earlier processes of this server."""

    def __init__(self, path: Path) -> None:
        self.changed = threading.Condition()
        self.requests = 0
        self.arrived: set[str] = set()
        path.touch()
        for line in path.read_text().splitlines():
            self._add(json.loads(line))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def note(self, request: dict[str, Any]) -> None:
        with self.changed:
            os.write(self._file, json.dumps(request).encode() + b"\n")
            self._add(request)
            self.changed.notify_all()

    def _add(self, request: dict[str, Any]) -> None:
        self.requests += 1
        if request["is_stored"] and request.get("mark"):
            self.arrived.add(request["mark"])

    def until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        with self.changed:
            return self.changed.wait_for(is_so, seconds)


@dataclass
class Rule:
    """What is played, and to which requests; all others are answered well."""

    play: str = "ok"
    times: int | None = None
    every: int = 1
    mark: str | None = None
    seen: int = 0

    def decide(self, mark: str | None) -> str:
        if self.play == "ok" or self.mark not in (None, mark):
            return "ok"
        self.seen += 1
        is_over = self.times is not None and self.seen > self.times
        return "ok" if is_over or self.seen % self.every else self.play


class Server:
    """Listens on one port of loopback; :meth:`stop` and :meth:`start` are down and up.

    :param tls: the files of a certificate and its key.
    """

    def __init__(self, port: int, book: Book, tls: tuple[str, str] | None) -> None:
        self.port = port
        self.rule = Rule()
        self._book = book
        self._lock = threading.Lock()
        self._number = 0
        self._open: set[socket.socket] = set()
        self._goes_down = threading.Event()
        self._tls = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)

    def start(self) -> None:
        self._listener = socket.create_server(
            ("127.0.0.1", self.port), backlog=128, reuse_port=False
        )
        self.port = self._listener.getsockname()[1]
        self._goes_down = threading.Event()
        threading.Thread(
            target=self._accept, args=(self._listener,), daemon=True
        ).start()

    def stop(self) -> None:
        """Refuse new connections, and break those that are open."""
        self._goes_down.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        goes_down = self._goes_down
        while not goes_down.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            arguments = (sock, goes_down)
            threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, sock: socket.socket, goes_down: threading.Event) -> None:
        with self._lock:
            self._number += 1
            number = self._number
        with suppress(OSError, Gone, ValueError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._talk(sock, goes_down, number)
        sock.close()

    def _talk(
        self, sock: socket.socket, goes_down: threading.Event, number: int
    ) -> None:
        connection = Connection(sock, goes_down)
        with self._lock:
            self._open.add(sock)
        try:
            while not goes_down.is_set() and connection.reader.peek(1):  # type: ignore[attr-defined]
                self._answer(connection, number)
        finally:
            with self._lock:
                self._open.discard(sock)
            # Else the socket lives on in its reader, and a reset is none.
            connection.reader.close()

    def _answer(self, connection: Connection, number: int) -> None:
        seen: dict[str, Any] = {"connection": number, "at": time.time()}
        if PLAYS[self.rule.play].is_early:
            with self._lock:
                name = self.rule.decide(None)
            if PLAYS[name].is_early:
                self._book.note({**seen, "play": name, "is_stored": False})
                PLAYS[name].act(connection)
        seen |= _read_request(connection)
        with self._lock:
            name = self.rule.decide(seen.get("mark"))
        play = self._play_of(name, seen)
        self._book.note({**seen, "play": name, "is_stored": play.stores})
        play.act(connection)

    def _play_of(self, name: str, seen: dict[str, Any]) -> Play:
        play = PLAYS[name]
        is_readable = seen["kind"] != "unreadable"
        return play if is_readable or not play.stores else PLAYS["400"]


def _read_request(connection: Connection) -> dict[str, Any]:
    """Read a request.

    :raises Gone: the client left in the middle of it.
    """
    reader = connection.reader
    reader.readline()
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = reader.readline().decode("latin-1").strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = reader.read(length)
    if len(body) < length or not headers:
        raise Gone
    return request_of(body, headers.get("content-encoding", ""))


def obey(order: dict[str, Any], server: Server, book: Book) -> Any:
    """Do what a line on stdin says, and return the answer to it."""
    kind, seconds = order.pop("do"), order.pop("seconds", 0.0)
    if kind == "play":
        server.rule = Rule(**order)
    elif kind == "stop":
        server.stop()
    elif kind == "start":
        server.start()
    elif kind == "until requests":
        return book.until(lambda: book.requests >= order["count"], seconds)
    elif kind == "until arrived":
        wanted = set(order["marks"])
        book.until(lambda: wanted <= book.arrived, seconds)
        return sorted(wanted - book.arrived)
    return server.port


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--book", type=Path, required=True)
    parser.add_argument("--tls", nargs=2)
    arguments = parser.parse_args()
    book = Book(arguments.book)
    server = Server(arguments.port, book, arguments.tls)
    server.start()
    print(json.dumps(server.port), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line), server, book)), flush=True)


if __name__ == "__main__":
    main()
