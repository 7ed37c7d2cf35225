"""Why a server could not be reached, told by real servers that behave badly."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time

import pytest
import requests
from talking_server import Talk, answering, request_of, server, speaking_plainly

from flask_errtrack.dsn import Dsn
from flask_errtrack.envelope import Envelope
from flask_errtrack.errors import TransportError
from flask_errtrack.exceptions import new_event
from flask_errtrack.transports.http import HttpTransport
from flask_errtrack.transports.reach import Trouble, printable, trouble_of


def trouble_with(
    address: str, scheme: str = "http", proxy: str | None = None, seconds: float = 5
) -> Trouble:
    """Send to a server, and return what goes wrong."""
    dsn = Dsn.parse(f"{scheme}://publickey:verysecret@{address}/1")
    proxies = {"http": proxy, "https": proxy} if proxy else {}
    transport = HttpTransport(dsn, "me/1.0", seconds, proxies)
    try:
        with pytest.raises(TransportError) as caught:
            transport.send(Envelope.from_event(new_event()))
    finally:
        transport.close()
    trouble = trouble_of(caught.value)
    assert trouble.text in str(caught.value)
    told = f"{caught.value} {trouble} {transport!r}"
    for secret in ("publickey", "verysecret", "proxypassword"):
        assert secret not in told
    return trouble


def test_a_host_that_has_no_address() -> None:
    trouble = trouble_with("errors.example.invalid")
    assert trouble.stage == "name" and "not known" in trouble.text
    assert "name service" in trouble.mend


def test_a_port_where_nobody_listens() -> None:
    with server(answering(b"")) as address:
        pass
    trouble = trouble_with(address)
    assert trouble.stage == "connection" and "refused" in trouble.text


def test_a_server_that_hangs_up() -> None:
    with server(request_of) as address:  # type: ignore[arg-type]
        trouble = trouble_with(address)
    assert trouble.stage == "answer" and "closed without an answer" in trouble.text


def test_a_server_that_resets_the_connection() -> None:
    def reset(connection: socket.socket) -> None:
        request_of(connection)
        linger = b"\1\0\0\0\0\0\0\0"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with server(reset) as address:
        trouble = trouble_with(address)
    assert trouble.stage == "answer" and "closed without an answer" in trouble.text


def test_a_server_that_does_not_answer() -> None:
    is_over = threading.Event()

    def hang(connection: socket.socket) -> None:
        is_over.wait(20)

    with server(hang) as address:
        trouble = trouble_with(address, seconds=0.1)
        is_over.set()
    assert trouble.stage == "answer" and "no answer in time" in trouble.text


@pytest.mark.parametrize(
    "nonsense",
    [b"220 smtp.example.com ESMTP\r\n", b"\0\1\2\r\n\r\n", b"HTTP/1.1 ?\r\n"],
)
def test_a_server_of_another_protocol(nonsense: bytes) -> None:
    with server(answering(nonsense)) as address:
        trouble = trouble_with(address)
    assert trouble.stage == "answer" and "no HTTP" in trouble.text
    assert "wrong port" in trouble.mend


def test_a_server_without_tls() -> None:
    with server(speaking_plainly) as address:
        trouble = trouble_with(address, scheme="https")
    assert trouble.stage == "TLS" and "no TLS connection" in trouble.text
    assert "https" in trouble.mend


def dripping(start: bytes, drop: bytes, is_over: threading.Event) -> Talk:
    """Answer a little at a time, for ever."""

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(start)
        while not is_over.wait(0.01):
            connection.sendall(drop)

    return talk


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "headers", "continue"],
)
def test_an_answer_that_never_ends_has_a_deadline(start: bytes, drop: bytes) -> None:
    is_over = threading.Event()
    with server(dripping(start, drop, is_over)) as address:
        begin = time.monotonic()
        trouble = trouble_with(address, seconds=0.3)
        took_seconds = time.monotonic() - begin
        is_over.set()
    assert trouble.stage == "answer" and "no answer in time" in trouble.text
    # 64 KiB of a line, or a hundred headers, would take minutes.
    assert took_seconds < 20


def test_a_proxy_that_is_not_there() -> None:
    with server(answering(b"")) as address:
        pass
    trouble = trouble_with(
        "errors.example.invalid", proxy=f"http://me:proxypassword@{address}"
    )
    assert (
        trouble.is_of_proxy and "the proxy: the connection was refused" in trouble.text
    )
    assert "option proxies" in trouble.mend


def test_a_proxy_that_wants_to_know_who_asks() -> None:
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with server(answering(answer)) as address:
        trouble = trouble_with(
            "errors.example.invalid", "https", f"http://me:proxypassword@{address}"
        )
    assert trouble.is_of_proxy and "407 Proxy Authentication Required" in trouble.text
    assert "user and password" in trouble.mend


def test_a_connection_that_was_closed_while_idle_costs_nothing() -> None:
    answers: list[bytes] = []

    def once(connection: socket.socket) -> None:
        request_of(connection)
        answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.sendall(answers[-1])

    with server(once) as address:
        transport = HttpTransport(Dsn.parse(f"http://k@{address}/1"), "me/1.0")
        for _ in range(3):
            transport.send(Envelope.from_event(new_event()))
            connection_is_closed(transport)
        transport.close()
    assert len(answers) == 3


def connection_is_closed(transport: HttpTransport) -> None:
    """Wait until the server's end of the kept connection is here."""
    adapter = transport._session.get_adapter("http://")
    pools = adapter.poolmanager.pools  # type: ignore[attr-defined]
    for key in pools.keys():
        connection = pools[key].pool.queue[-1]
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(20)
            connection.sock.recv(1, socket.MSG_PEEK)


@pytest.mark.parametrize(
    ("error", "stage", "text"),
    [
        (requests.ConnectionError(), "connection", "ConnectionError"),
        (OSError(errno.EHOSTUNREACH, "x"), "connection", "no route to the host"),
        (OSError(errno.EIO, "x"), "connection", "OSError"),
        (ssl.SSLCertVerificationError("x"), "TLS", "not trusted"),
        (requests.exceptions.InvalidProxyURL("http://a:b@c"), "connection", "ProxyURL"),
    ],
)
def test_other_errors_are_told_without_their_text(
    error: Exception, stage: str, text: str
) -> None:
    trouble = trouble_of(error)
    assert trouble.stage == stage and text in trouble.text
    assert "a:b" not in trouble.text


def test_what_a_server_wrote_is_short_and_has_no_escapes() -> None:
    assert printable("a\x1b[31m\nb" + "c" * 999) == "a [31m b" + "c" * 192
