"""Envelopes over HTTP, to a real server on the loopback device."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, repeat
from pathlib import Path
from typing import Any

import brotli
import pytest
from certificates import make_certificate
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from flask_errtrack.errors import Refused, TransportError
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.reading.exceptions import new_event
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.transports.http import HttpTransport


class Server(ThreadingHTTPServer):
    """Answers as told, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answer: Iterable[bytes] = (b"{}",)
        self.answer_bytes = 2
        self.written_bytes = 0
        self.answer_encodings: dict[str, int] = {}
        self.connections: set[int] = set()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.server.connections.add(self.client_address[1])
        encoding = self.headers["Content-Encoding"]
        status = self.server.answer_encodings.get(encoding, self.server.status)
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(self.server.answer_bytes))
        self.end_headers()
        with suppress(OSError):
            for part in self.server.answer:
                self.server.written_bytes += self.wfile.write(part)

    do_GET = do_POST

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def make(
    server: Server, request: pytest.FixtureRequest
) -> Callable[..., HttpTransport]:
    """Make transports to the server."""

    def make_transport(path: str = "/1", **options: Any) -> HttpTransport:
        dsn = Dsn.parse(f"http://publickey:verysecret@{server.address}{path}")
        options = {"encoding": "gzip", **options}
        transport = HttpTransport(dsn, "me/1.0", **options)
        request.addfinalizer(transport.close)
        return transport

    return make_transport


def envelope() -> Envelope:
    return Envelope.from_event(new_event())


def test_an_envelope_is_posted_as_the_protocol_has_it(
    server: Server, make: Any
) -> None:
    sent = envelope()
    make("/errors/42").send(sent)
    ((path, headers, body),) = server.requests
    assert path == "/errors/api/42/envelope/"
    assert headers["Content-Type"] == "application/x-sentry-envelope"
    assert headers["Content-Encoding"] == "gzip"
    assert headers["User-Agent"] == "me/1.0"
    assert headers["X-Sentry-Auth"] == (
        "Sentry sentry_version=7, sentry_client=me/1.0, sentry_key=publickey, "
        "sentry_secret=verysecret"
    )
    received = Envelope.parse(gzip.decompress(body))
    assert [item.json() for item in received.items] == [sent.items[0].json()]
    assert received.event_id == sent.event_id
    sent_at = datetime.fromisoformat(received.headers["sent_at"])
    assert abs(datetime.now(UTC) - sent_at) < timedelta(minutes=1)


def test_the_connection_is_kept_for_the_next(server: Server, make: Any) -> None:
    transport = make()
    for _ in range(3):
        transport.send(envelope())
    assert len(server.requests) == 3 and len(server.connections) == 1


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_huge_answer_is_not_read(server: Server, make: Any, status: int) -> None:
    server.status, server.answer_bytes = status, 600_000_000
    server.answer = repeat(bytes(100_000), 6000)
    with suppress(Refused, TransportError):
        make().send(envelope())
    # What the sockets hold was written, too.
    assert server.written_bytes < 100_000_000


@pytest.mark.parametrize(
    ("timeout_seconds", "clock"), [(0.05, lambda: 0.0), (30, count(0, 2).__next__)]
)
def test_an_answer_that_drips_is_not_waited_for(
    server: Server, make: Any, timeout_seconds: float, clock: Callable[[], float]
) -> None:
    is_delivered, waited = threading.Event(), []

    def drip() -> Iterator[bytes]:
        yield b"{"
        waited.append(is_delivered.wait(5))

    server.answer, server.answer_bytes = drip(), 100
    make(timeout_seconds=timeout_seconds, clock=clock).send(envelope())
    assert waited == []
    is_delivered.set()


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (400, "is it a Sentry-protocol server?"),
        (401, "copy the DSN anew"),
        (403, "check the project's settings"),
        (404, "check the path and project id"),
        (413, "raise the server's limit"),
    ],
)
def test_what_is_refused_is_refused_for_good_and_says_how_to_mend_it(
    server: Server, make: Any, status: int, mend: str
) -> None:
    server.status = status
    with pytest.raises(Refused) as caught:
        make().send(envelope())
    assert f"answered {status}: " in str(caught.value) and mend in str(caught.value)
    assert "publickey" not in str(caught.value)
    assert "verysecret" not in str(caught.value)


@pytest.mark.parametrize("status", [405, 407, 408, 409, 415, 418, 425, 600, 999])
def test_what_says_nothing_of_envelopes_loses_none(
    server: Server, make: Any, status: int
) -> None:
    server.status = status
    transport = make(encoding="gzip")
    with pytest.raises(TransportError, match=f"answered {status}") as caught:
        transport.send(envelope())
    assert caught.value.retry_after_seconds is None
    server.status = 200
    transport.send(envelope())
    assert len(server.requests) == 2


def test_a_redirect_is_not_followed_and_says_where_it_leads(
    server: Server, make: Any
) -> None:
    server.status = 307
    server.headers = {"Location": f"http://{server.address}/elsewhere"}
    with pytest.raises(TransportError, match="set the DSN to .*/elsewhere") as caught:
        make().send(envelope())
    assert caught.value.retry_after_seconds is None
    assert [path for path, _, _ in server.requests] == ["/api/1/envelope/"]


def test_the_password_in_a_redirect_is_not_told(server: Server, make: Any) -> None:
    server.status = 301
    server.headers = {"Location": "https://me:mypassword@errors.example.com/"}
    with pytest.raises(TransportError, match="//[*]{3}@errors.example.com/") as caught:
        make().send(envelope())
    assert "mypassword" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "answer", "said"),
    [
        ({"X-Sentry-Error": "bad key"}, b"{}", "(bad key)"),
        ({}, b'{"detail": "no such project"}', "(no such project)"),
        ({}, b'{"detail": "\\u001b[31mred \\u0007"}', "([31mred)"),
        (
            {},
            b'{"detail": "publickey:verysecret is not known"}',
            "(***:*** is not known)",
        ),
        ({}, b'{"detail": ["no text"]}', None),
        ({}, b'{"detail": "' + b"x" * 999 + b'"}', "x" * 200 + ")"),
        ({}, b"<html>", None),
        ({}, b"[" * 4000, None),
    ],
)
def test_what_the_server_says_is_passed_on_without_keys_and_escapes(
    server: Server, make: Any, headers: Any, answer: bytes, said: str | None
) -> None:
    server.status, server.headers = 400, headers
    server.answer, server.answer_bytes = (answer,), len(answer)
    with pytest.raises(Refused) as caught:
        make().send(envelope())
    text = str(caught.value)
    assert text.endswith("Sentry-protocol server?" if said is None else said)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_fails_is_tried_again_later(
    server: Server, make: Any, status: int
) -> None:
    server.status = status
    transport = make()
    with pytest.raises(TransportError, match=f"answered {status}") as caught:
        transport.send(envelope())
    assert caught.value.retry_after_seconds is None
    server.status = 200
    transport.send(envelope())
    assert len(server.requests) == 2


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_asked(
    server: Server, make: Any
) -> None:
    times = [100.0]
    transport = make(clock=lambda: times[-1])
    server.status, server.headers = 429, {"Retry-After": "60"}
    with pytest.raises(TransportError, match="pause") as caught:
        transport.send(envelope())
    assert caught.value.retry_after_seconds == 60
    server.status, server.headers = 200, {}
    times.append(159.0)
    with pytest.raises(TransportError, match="pause") as caught:
        transport.send(envelope())
    assert caught.value.retry_after_seconds == 1 and len(server.requests) == 1
    times.append(161.0)
    transport.send(envelope())
    assert len(server.requests) == 2


def test_a_limit_may_come_with_a_good_answer(server: Server, make: Any) -> None:
    transport = make(clock=lambda: 0.0)
    server.headers = {"X-Sentry-Rate-Limits": "30:error:organization"}
    transport.send(envelope())
    with pytest.raises(TransportError) as caught:
        transport.send(envelope())
    assert caught.value.retry_after_seconds == 30 and len(server.requests) == 1


def test_a_limit_of_a_category_holds_for_that_alone(server: Server, make: Any) -> None:
    transport = make(clock=lambda: 0.0)
    server.status = 429
    server.headers = {"X-Sentry-Rate-Limits": "30:error;monitor:organization"}
    with pytest.raises(TransportError) as caught:
        transport.send(envelope())
    assert caught.value.categories == {"error"}
    server.status, server.headers = 200, {}
    report: Any = {"event_id": "a" * 32, "comments": "it broke"}
    transport.send(Envelope.from_user_report(report))
    with pytest.raises(TransportError):
        transport.send(envelope())
    assert len(server.requests) == 2


def test_a_pause_of_no_time_is_none_the_less_a_pause(server: Server, make: Any) -> None:
    server.status, server.headers = 429, {"Retry-After": "0"}
    with pytest.raises(TransportError) as caught:
        make().send(envelope())
    assert caught.value.retry_after_seconds == 0


def test_with_brotli_a_body_is_smaller_and_still_the_same(
    server: Server, make: Any
) -> None:
    sent = envelope()
    make(encoding="br").send(sent)
    ((_, headers, body),) = server.requests
    assert headers["Content-Encoding"] == "br"
    assert Envelope.parse(brotli.decompress(body)).event_id == sent.event_id


@pytest.mark.parametrize("status", [400, 415])
def test_a_server_that_cannot_read_brotli_gets_gzip(
    server: Server, make: Any, status: int
) -> None:
    server.answer_encodings = {"br": status}
    transport = make(encoding="br")
    for _ in range(2):
        transport.send(envelope())
    encodings = [headers["Content-Encoding"] for _, headers, _ in server.requests]
    assert encodings == ["br", "gzip", "gzip"]


def test_a_server_gets_no_credentials_but_the_dsn(
    server: Server, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.headers = {"Set-Cookie": "tracking=1; Path=/"}
    transport = make()
    for _ in range(2):
        transport.send(envelope())
    for _, headers, _ in server.requests:
        assert not {"Authorization", "Cookie"} & headers.keys()


def test_a_server_that_is_not_there_is_tried_again_later(server: Server) -> None:
    server.server_close()
    dsn = Dsn.parse(f"http://publickey:verysecret@{server.address}/1")
    with pytest.raises(TransportError, match="could not be reached") as caught:
        HttpTransport(dsn, "me/1.0").send(envelope())
    assert "publickey" not in str(caught.value)


def test_a_server_that_is_too_slow_is_tried_again_later() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as silent:
        dsn = Dsn.parse(f"http://k@127.0.0.1:{silent.server_port}/1")
        with pytest.raises(TransportError, match="no answer in time"):
            HttpTransport(dsn, "me/1.0", timeout_seconds=0.05).send(envelope())


def test_a_server_has_to_prove_who_it_is(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    server.socket = certificate.context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    dsn = Dsn.parse(f"https://k@{server.address}/1")
    with pytest.raises(
        TransportError, match="certificate of the server is not trusted: self-signed"
    ):
        HttpTransport(dsn, "me/1.0").send(envelope())
    assert server.requests == []
    # What the option names wins over what the environment names.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", DEFAULT_CA_BUNDLE_PATH)
    trusted = str(certificate.public)
    HttpTransport(dsn, "me/1.0", ca_certs=trusted).send(envelope())
    assert len(server.requests) == 1


def test_a_proxy_is_used_before_that_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    dsn = Dsn.parse("http://k@errors.example.invalid/1")
    proxies = {"http": f"http://{server.address}"}
    HttpTransport(dsn, "me/1.0", proxies=proxies).send(envelope())
    ((path, _, _),) = server.requests
    assert path == "http://errors.example.invalid/api/1/envelope/"


def test_event_ids_are_in_the_header_of_the_envelope(server: Server, make: Any) -> None:
    sent = envelope()
    make().send(sent)
    first = gzip.decompress(server.requests[0][2]).split(b"\n")[0]
    assert json.loads(first)["event_id"] == sent.event_id


AT_THE_END = """
from gevent import monkey; monkey.patch_all()
import atexit
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.errors import TransportError
from flask_errtrack.reading.exceptions import new_event
from flask_errtrack.transports.http import HttpTransport

def send():
    try:
        HttpTransport(Dsn.parse("http://key@localhost:9/1"), "me/1.0").send(
            Envelope.from_event(new_event())
        )
    except TransportError:
        print("later")

atexit.register(send)
"""


def test_what_a_program_that_ends_cannot_send_is_to_be_tried_again() -> None:
    """Newer Pythons start no thread any more, in which gevent looks names up."""
    command = [sys.executable, "-c", AT_THE_END]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("later\n", 0), done.stderr
