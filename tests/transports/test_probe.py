"""The way to a server, tested for real: how far it got, and what to do."""

from __future__ import annotations

import json

import pytest
from talking_server import answering, request_of, server, speaking_plainly

from flask_errtrack.protocol.envelope import Envelope
from flask_errtrack.settings.dsn import Dsn
from flask_errtrack.transports.http import HttpTransport
from flask_errtrack.transports.probe import Step, probe


def steps_to(address: str, scheme: str = "http", proxy: str = "") -> list[Step]:
    """Test the way to a server."""
    dsn = Dsn.parse(f"{scheme}://publickey@{address}/1")
    proxies = {scheme: proxy} if proxy else {}
    transport = HttpTransport(dsn, "me/1.0", 2, proxies, encoding="gzip")
    steps = probe(transport)
    transport.close()
    assert [step.is_fine for step in steps[:-1]] == [True] * (len(steps) - 1)
    assert "publickey" not in str(steps)
    return steps


def status(line: str, headers: str = "") -> bytes:
    return f"HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\n\r\n".encode()


def test_a_way_that_works_is_walked_to_its_end() -> None:
    with server(answering(status("200 OK"))) as address:
        steps = steps_to(address)
    assert [step.stage for step in steps] == [
        "name",
        "connection",
        "answer",
        "key",
        "quota",
    ]
    assert steps[-1].is_fine


@pytest.mark.parametrize(
    ("answer", "stage", "text"),
    [
        (status("401 Unauthorized"), "key", "copy the DSN anew"),
        (status("403 Forbidden"), "key", "check the project"),
        (status("404 Not Found"), "key", "path and project id"),
        (status("301 Moved", "Location: https://x/\r\n"), "answer", "https://x/"),
        (status("500 Oops"), "answer", "answered 500"),
        (status("429 Slow", "Retry-After: 7200\r\n"), "quota", "a pause of 2 h"),
        (
            status("200 OK", "X-Sentry-Rate-Limits: 60:error:key\r\n"),
            "quota",
            "a pause of 1 min",
        ),
        (b"+OK POP3 ready\r\n", "answer", "no HTTP"),
    ],
)
def test_it_says_where_the_way_ends_and_what_to_do(
    answer: bytes, stage: str, text: str
) -> None:
    with server(answering(answer)) as address:
        last = steps_to(address)[-1]
    assert last.stage == stage and text in last.text
    assert not last.is_fine and last.mend


def test_a_limit_for_something_else_is_no_problem() -> None:
    limits = "X-Sentry-Rate-Limits: 60:internal;feedback:key\r\n"
    with server(answering(status("429 Slow", limits))) as address:
        steps = steps_to(address)
    assert steps[-1].stage == "quota" and steps[-1].is_fine


def test_without_tls_there_is_nothing_to_trust() -> None:
    with server(speaking_plainly) as address:
        steps = steps_to(address, "https")
    assert [step.stage for step in steps] == ["name", "connection", "TLS"]
    assert not steps[-1].is_fine and "https" in steps[-1].mend


def test_a_name_that_nobody_knows_ends_it_at_once() -> None:
    (step,) = steps_to("errors.example.invalid")
    assert step.stage == "name" and not step.is_fine


def test_a_proxy_that_is_not_there_is_named() -> None:
    with server(answering(b"")) as address:
        pass
    last = steps_to("errors.example.invalid", proxy=f"http://{address}")[-1]
    assert last.stage == "connection" and "the proxy: " in last.text
    assert "option proxies" in last.mend


def test_nothing_is_sent_that_a_server_would_keep() -> None:
    heads: list[bytes] = []

    def listen(connection: object) -> None:
        heads.append(request_of(connection))  # type: ignore[arg-type]
        connection.sendall(status("200 OK"))  # type: ignore[attr-defined]

    with server(listen) as address:
        steps_to(address)
    (head,) = heads
    assert head.startswith(b"POST /api/1/envelope/ HTTP/1.1")
    (item,) = Envelope.from_drops({}, "2026-01-01T00:00:00Z").items
    assert item.type == "client_report"
    assert json.loads(item.payload)["discarded_events"] == []
