"""A small HTTP proxy on loopback: forwards requests, and opens tunnels."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Proxy:
    """A running proxy. Whatever is asked for, it goes to one and the same server."""

    address: str
    #: The address of the server.
    target: str
    #: "user:password", if it wants to know who asks.
    credentials: str | None = None
    #: The first line of each request, as the proxy saw it.
    requests: list[str] = field(default_factory=list)
    #: All that it passed on to the server.
    passed_on: bytearray = field(default_factory=bytearray)

    def serve(self, client: socket.socket) -> None:
        """Serve one connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                return
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        self.requests.append(line)
        if not self._may_pass(headers):
            client.sendall(_REFUSAL)
            return
        host, _, port = self.target.partition(":")
        with socket.create_connection((host, int(port))) as server:
            if line.startswith("CONNECT "):
                client.sendall(_OPEN)
                start = rest
            else:
                kept = [one for one in headers if not one.startswith("Proxy-")]
                start = "\r\n".join([line, *kept, "", ""]).encode("latin-1") + rest
            self._pump(client, server, start)

    def _may_pass(self, headers: list[str]) -> bool:
        if self.credentials is None:
            return True
        known = base64.b64encode(self.credentials.encode()).decode()
        return f"Proxy-Authorization: Basic {known}" in headers

    def _pump(self, client: socket.socket, server: socket.socket, start: bytes) -> None:
        back = threading.Thread(target=_copy, args=(server, client))
        back.start()
        self.passed_on += start
        server.sendall(start)
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                self.passed_on += data
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxy_to(target: str, credentials: str | None = None) -> Iterator[Proxy]:
    """Run a proxy that takes everything to one server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        proxy = Proxy(address, target, credentials)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, contextlib.suppress(OSError):
                        proxy.serve(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
