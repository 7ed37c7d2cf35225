"""An adapter for requests that gives an answer a deadline as a whole.

The timeout of requests is one for each read: a server that sends a byte now and then
could hold a connection for ever. Here the same number of seconds is all that status
line, headers and body may take together.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from http.client import HTTPException, HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class HandshakeFailed(ssl.SSLError):
    """A server that was asked for TLS hung up, or said nothing."""


class _Reader(io.RawIOBase):
    """Reads from a socket until the deadline.

    :param raw: the reader that the socket makes; the socket counts on its close.
    """

    def __init__(self, raw: io.RawIOBase, own: socket.socket, seconds: float) -> None:
        self._raw = raw
        self._socket = own
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_seconds = self._until - time.monotonic()
        if left_seconds <= 0:
            raise TimeoutError("the answer takes too long")
        self._socket.settimeout(left_seconds)
        count: int | None = self._raw.readinto(buffer)
        # The next request on this connection has all of its time.
        self._socket.settimeout(self._seconds)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        seconds = sock.gettimeout()
        if seconds is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Reader(raw, sock, seconds))


class _Connection(HTTPConnection):
    response_class = _Response


class _TlsConnection(HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        try:
            super().connect()
        except (TimeoutError, ConnectionError) as error:
            if self.sock is None:
                # It came no further than to the proxy.
                raise
            raise HandshakeFailed(type(error).__name__) from error

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except (OSError, HTTPException):
            # For urllib3 it is then the proxy that failed, and not the server.
            self.close()
            raise


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class DeadlineAdapter(HTTPAdapter):
    """Lets an answer take no longer than the timeout of its request."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the connections of requests that use no proxy."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
