"""The way through a proxy, a real one on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificate, make_certificate
from proxy import Proxy, proxy_to
from talking_server import Talk, answering, request_of, server

from flask_errtrack.errors import TransportError
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.reading.exceptions import new_event
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.transports.http import HttpTransport
from flask_errtrack.transports.probe import probe

# Only the proxy knows where that is.
HOST = "errors.example.invalid"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path, f"DNS:{HOST}")


class Secure:
    """Speaks TLS, answers every request of a connection, and keeps its head."""

    def __init__(self, certificate: Certificate, answer: bytes = OK) -> None:
        self.context = certificate.context
        self.answer = answer
        self.heads: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            with self.context.wrap_socket(connection, server_side=True) as secure:
                while True:
                    self.heads.append(request_of(secure))
                    secure.sendall(self.answer)


@contextlib.contextmanager
def transport_to(dsn: str, **options: Any) -> Iterator[HttpTransport]:
    transport = HttpTransport(Dsn.parse(dsn), "me/1.0", **options)
    try:
        yield transport
    finally:
        transport.close()


def envelope() -> Envelope:
    return Envelope.from_event(new_event())


def through(proxy: Proxy, credentials: str = "") -> dict[str, str]:
    """Return the option ``proxies``."""
    url = f"http://{credentials}{proxy.address}"
    return {"http": url, "https": url}


def keeping_heads(heads: list[bytes]) -> Talk:
    def talk(connection: socket.socket) -> None:
        heads.append(request_of(connection))
        connection.sendall(OK)

    return talk


def test_a_proxy_forwards_and_only_it_hears_its_password() -> None:
    heads: list[bytes] = []
    with (
        server(keeping_heads(heads)) as address,
        proxy_to(address, "me:proxypassword") as proxy,
        transport_to(
            f"http://publickey@{HOST}/1", proxies=through(proxy, "me:proxypassword@")
        ) as transport,
    ):
        transport.send(envelope())
    assert proxy.requests == [f"POST http://{HOST}/api/1/envelope/ HTTP/1.1"]
    (head,) = heads
    assert b"sentry_key=publickey" in head and b"uthorization" not in head


def test_a_tunnel_keeps_the_key_from_the_proxy_and_stays_open(
    certificate: Certificate,
) -> None:
    secure = Secure(certificate)
    with (
        server(secure) as address,
        proxy_to(address, "me:proxypassword") as proxy,
        transport_to(
            f"https://publickey@{HOST}/1",
            proxies=through(proxy, "me:proxypassword@"),
            ca_certs=str(certificate.public),
        ) as transport,
    ):
        for _ in range(3):
            transport.send(envelope())
    # Before Python 3.12 it is HTTP/1.0.
    assert [line.rpartition(" ")[0] for line in proxy.requests] == [
        f"CONNECT {HOST}:443"
    ]
    assert len(secure.heads) == 3
    assert b"sentry_key=publickey" in secure.heads[0]
    assert b"uthorization" not in secure.heads[0]
    assert b"publickey" not in proxy.passed_on


def test_behind_a_proxy_a_server_has_to_prove_who_it_is(
    certificate: Certificate,
) -> None:
    secure = Secure(certificate)
    with (
        server(secure) as address,
        proxy_to(address) as proxy,
        transport_to(f"https://k@{HOST}/1", proxies=through(proxy)) as transport,
        pytest.raises(TransportError, match="certificate of the server is not trusted"),
    ):
        transport.send(envelope())
    assert secure.heads == []


def test_a_certificate_for_another_host_is_not_trusted(
    certificate: Certificate,
) -> None:
    with (
        server(Secure(certificate)) as address,
        transport_to(
            f"https://k@{address}/1", ca_certs=str(certificate.public)
        ) as transport,
        pytest.raises(TransportError, match="not trusted: IP address mismatch"),
    ):
        transport.send(envelope())


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_the_environment_names_a_proxy_and_the_authorities(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    secure = Secure(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.public))
    with server(secure) as address, proxy_to(address) as proxy:
        monkeypatch.setenv(name, f"http://{proxy.address}")
        with transport_to(f"https://k@{HOST}/1") as transport:
            transport.send(envelope())
    assert len(secure.heads) == len(proxy.requests) == 1


def test_the_environment_names_hosts_that_need_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server(answering(OK)) as address, proxy_to(address) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
        with transport_to(f"http://k@{address}/1") as transport:
            transport.send(envelope())
            assert len(proxy.requests) == 1
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with transport_to(f"http://k@{address}/1") as transport:
            transport.send(envelope())
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_wrong_password_of_a_proxy_loses_nothing(scheme: str) -> None:
    with (
        server(answering(OK)) as address,
        proxy_to(address, "me:right") as proxy,
        transport_to(
            f"{scheme}://publickey@{HOST}/1",
            proxies=through(proxy, "me:proxypassword@"),
        ) as transport,
        pytest.raises(TransportError, match="407") as caught,
    ):
        transport.send(envelope())
    assert "the proxy" in str(caught.value)
    assert caught.value.retry_after_seconds is None
    assert "proxypassword" not in f"{caught.value} {transport!r}"
    assert proxy.passed_on == b""


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"),
        (b"220 smtp.example.com ESMTP\r\n", "no HTTP"),
        (b"", "closed without an answer"),
    ],
)
def test_a_tunnel_that_fails_is_not_blamed_on_the_server(
    answer: bytes, text: str
) -> None:
    with server(answering(answer)) as address:
        options = {"https": f"http://{address}"}
        with transport_to(f"https://k@{HOST}/1", proxies=options) as transport:
            *passed, last = probe(transport)
    assert [step.stage for step in passed] == ["name"]
    assert last.stage == "connection" and not last.is_fine
    assert last.text.startswith("the proxy: ") and text in last.text
    assert "option proxies" in last.mend


def test_the_answer_of_a_proxy_has_a_deadline() -> None:
    is_over = threading.Event()

    def drip(connection: socket.socket) -> None:
        request_of(connection)
        while not is_over.wait(0.01):
            connection.sendall(b"x")

    with server(drip) as address:
        options = {"https": f"http://{address}"}
        with (
            transport_to(
                f"https://k@{HOST}/1", proxies=options, timeout_seconds=0.3
            ) as transport,
            pytest.raises(TransportError, match="the proxy: no answer in time"),
        ):
            transport.send(envelope())
        is_over.set()


def test_behind_a_proxy_an_answer_has_a_deadline(certificate: Certificate) -> None:
    is_over = threading.Event()

    def drip(connection: socket.socket) -> None:
        context = certificate.context
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(connection, server_side=True) as secure,
        ):
            request_of(secure)
            secure.sendall(OK)
            request_of(secure)
            while not is_over.wait(0.01):
                secure.sendall(b"x")

    with (
        server(drip) as address,
        proxy_to(address) as proxy,
        transport_to(
            f"https://k@{HOST}/1",
            proxies=through(proxy),
            ca_certs=str(certificate.public),
        ) as transport,
    ):
        transport.send(envelope())
        transport.timeout_seconds = 0.2
        with pytest.raises(TransportError, match="reached: no answer in time"):
            transport.send(envelope())
        is_over.set()
    assert len(proxy.requests) == 1


def test_the_way_through_a_proxy_is_tested_to_its_end(
    certificate: Certificate,
) -> None:
    with (
        server(Secure(certificate)) as address,
        proxy_to(address, "me:proxypassword") as proxy,
        transport_to(
            f"https://k@{HOST}/1",
            proxies=through(proxy, "me:proxypassword@"),
            ca_certs=str(certificate.public),
        ) as transport,
    ):
        steps = probe(transport)
    assert all(step.is_fine for step in steps)
    where = f"the proxy {proxy.address}"
    assert [where in step.text for step in steps] == [True] * 2 + [False] * 4
    assert "proxypassword" not in str(steps)
    assert [step.stage for step in steps] == [
        "name",
        "connection",
        "TLS",
        "answer",
        "key",
        "quota",
    ]
    assert len(proxy.requests) == 1
