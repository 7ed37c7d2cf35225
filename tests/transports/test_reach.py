"""Why a server could not be reached, told by real servers that behave badly."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import requests
from talking_server import Talk, answering, request_of, server, speaking_plainly

from flask_errtrack.errors import TransportError
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.reading.exceptions import new_event
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.transports.http import HttpTransport
from flask_errtrack.transports.reach import Trouble, printable, trouble_of


def trouble_with(
    address: str,
    scheme: str = "http",
    proxy: str | None = None,
    seconds: float = 5,
    ca_certs: str | None = None,
) -> Trouble:
    """Send to a server, and return what goes wrong."""
    dsn = Dsn.parse(f"{scheme}://publickey:verysecret@{address}/1")
    proxies = {"http": proxy, "https": proxy} if proxy else {}
    transport = HttpTransport(dsn, "me/1.0", seconds, proxies, ca_certs)
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


def test_a_port_that_takes_no_more_connections() -> None:
    with socket.socket() as full, contextlib.ExitStack() as others:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        trouble = trouble_with(f"127.0.0.1:{full.getsockname()[1]}", seconds=0.2)
    assert trouble.stage == "connection" and "in time" in trouble.text
    assert "firewall" in trouble.mend


@pytest.mark.parametrize("host", ["a" * 64 + ".example.com", "a..example.com"])
def test_what_is_no_name_of_a_host(host: str) -> None:
    trouble = trouble_with(host)
    assert trouble.stage == "name" and "no valid name" in trouble.text
    assert "DSN" in trouble.mend


def test_a_proxy_of_a_kind_that_cannot_be_used() -> None:
    proxy = "nonsense://me:proxypassword@127.0.0.1:9"
    trouble = trouble_with("errors.example.invalid", proxy=proxy)
    assert trouble.stage == "connection" and "URL of the proxy" in trouble.text
    assert "option proxies" in trouble.mend and "PySocks" in trouble.mend


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


def test_a_server_that_says_nothing_to_who_asks_for_tls() -> None:
    is_over = threading.Event()

    def hang(connection: socket.socket) -> None:
        is_over.wait(20)

    with server(hang) as address:
        trouble = trouble_with(address, scheme="https", seconds=0.1)
        is_over.set()
    assert trouble.stage == "TLS" and "handshake" in trouble.text


def test_a_server_that_hangs_up_on_who_asks_for_tls() -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(65536)
        linger = b"\1\0\0\0\0\0\0\0"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with server(reset) as address:
        trouble = trouble_with(address, scheme="https")
    assert trouble.stage == "TLS" and "no TLS connection" in trouble.text


def test_a_file_of_authorities_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "authorities.pem"
    with server(lambda connection: None) as address:
        trouble = trouble_with(address, "https", ca_certs=str(path))
        assert trouble.stage == "TLS" and "is not there" in trouble.text
        path.write_text("no certificate")
        trouble = trouble_with(address, "https", ca_certs=str(path))
    assert trouble.stage == "TLS" and "holds no certificate" in trouble.text
    assert "option ca_certs" in trouble.mend


def dripping(
    start: bytes, drop: bytes, is_over: threading.Event, gap_seconds: float
) -> Talk:
    """Answer a little at a time, for ever."""

    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(start)
        while not is_over.wait(gap_seconds):
            connection.sendall(drop)

    return talk


@pytest.mark.parametrize(
    ("start", "drop", "gap_seconds"),
    [
        (b"", b"H", 0.01),
        (b"HTTP/1.1 200 OK\r\n", b"x", 0.01),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0),
    ],
    ids=["status line", "headers", "continue", "a flood"],
)
def test_an_answer_that_never_ends_has_a_deadline(
    start: bytes, drop: bytes, gap_seconds: float
) -> None:
    is_over = threading.Event()
    with server(dripping(start, drop, is_over, gap_seconds)) as address:
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
    assert trouble.text == "the proxy: the connection was refused"
    assert "option proxies" in trouble.mend


def test_a_proxy_that_wants_to_know_who_asks() -> None:
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with server(answering(answer)) as address:
        trouble = trouble_with(
            "errors.example.invalid", "https", f"http://me:proxypassword@{address}"
        )
    assert trouble.text == "the proxy: it answered 407 Proxy Authentication Required"
    assert "user and password" in trouble.mend


def test_a_connection_that_was_closed_while_idle_costs_nothing() -> None:
    answers: list[bytes] = []

    def once(connection: socket.socket) -> None:
        request_of(connection)
        answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.sendall(answers[-1])

    with server(once) as address:
        transport = HttpTransport(Dsn.parse(f"http://k@{address}/1"), "me/1.0")
        with contextlib.closing(transport):
            for _ in range(3):
                transport.send(Envelope.from_event(new_event()))
                # Wait until it is heard that the server has closed it.
                kept = kept_socket(transport)
                kept.settimeout(20)
                assert kept.recv(1, socket.MSG_PEEK) == b""
    assert len(answers) == 3


def test_on_a_kept_connection_each_request_has_all_of_its_time() -> None:
    def twice(connection: socket.socket) -> None:
        for _ in range(2):
            request_of(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with server(twice) as address:
        transport = HttpTransport(Dsn.parse(f"http://k@{address}/1"), "me/1.0", 20)
        with contextlib.closing(transport):
            for _ in range(2):
                transport.send(Envelope.from_event(new_event()))
                assert kept_socket(transport).gettimeout() == 20


def kept_socket(transport: HttpTransport) -> socket.socket:
    """Return the socket of the connection that is kept."""
    adapter = transport._session.get_adapter("http://")
    pools = adapter.poolmanager.pools  # type: ignore[attr-defined]
    (key,) = pools.keys()
    found = pools[key].pool.queue[-1].sock
    assert isinstance(found, socket.socket)
    return found


@pytest.mark.parametrize(
    ("error", "stage", "text"),
    [
        (requests.ConnectionError(), "connection", "ConnectionError"),
        (OSError(errno.EHOSTUNREACH, "x"), "connection", "no route to the host"),
        (OSError(errno.EIO, "x"), "connection", "OSError"),
        (ssl.SSLCertVerificationError("x"), "TLS", "not trusted"),
        (requests.exceptions.InvalidProxyURL("http://a:b@c"), "connection", "proxy"),
        (requests.exceptions.InvalidSchema("no SOCKS here"), "connection", "proxy"),
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
