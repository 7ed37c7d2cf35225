"""Every kind of envelope, as bytes on the wire, read by the letter of the protocol.

The reader here takes nothing on trust and shares no code with the package: what the
protocol merely tolerates ("Envelopes", "Serialization Format") fails here.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http.client import parse_headers
from typing import Any

import brotli
import pytest
from talking_server import Talk, server

from flask_errtrack import Client

EVENT_ID = "ab" * 16
NASTY = 'größer\n{"type":"event"}\r\n\u2028\x00 \ud800 👩‍🚀'
MIB = 1 << 20
MAX_BYTES = {"event": MIB, "feedback": MIB, "check_in": 100 << 10}
MAX_BYTES |= {"client_report": 4 << 10, "user_report": 100 << 10}
DECODE = {"gzip": gzip.decompress, "br": brotli.decompress, None: bytes}

Headers = dict[str, Any]


@dataclass(frozen=True)
class Framed:
    """An envelope as the strict reader found it."""

    headers: Headers
    items: list[tuple[Headers, bytes]]


def strictly_read(data: bytes) -> Framed:
    line, lf, rest = data.partition(b"\n")
    assert lf, "the envelope header has no line end"
    headers, items = json_object(line), []
    while rest:
        line, lf, rest = rest.partition(b"\n")
        assert lf, "an item header has no line end"
        header = json_object(line)
        length = header["length"]
        assert type(length) is int and 0 <= length <= len(rest), "it is cut"
        payload, rest = rest[:length], rest[length:]
        assert rest[:1] == b"\n", "no line end behind a payload"
        rest = rest[1:]
        items.append((header, payload))
    assert items, "there is nothing in it"
    return Framed(headers, items)


def json_object(text: bytes) -> dict[str, Any]:
    def each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a name stands there twice"
        return dict(pairs)

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    assert text == text.strip() and b"\r" not in text, "blanks around JSON"
    found = json.loads(
        text.decode(), object_pairs_hook=each_name_once, parse_constant=no_constant
    )
    assert isinstance(found, dict), "JSON, but no object"
    # Strict readers refuse half a surrogate pair, and the envelope with it.
    json.dumps(found, ensure_ascii=False).encode()
    return found


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{}", "no line end"),
        (b"{}\n", "nothing in it"),
        (b"{}\n\n", "Expecting value"),
        (b" {}\n", "blanks"),
        (b"{}\r\n", "blanks"),
        (b"[]\n", "no object"),
        (b'{"a":1,"a":2}\n', "twice"),
        (b'{"a":NaN}\n', "NaN is no JSON"),
        (rb'{"a":"\ud800"}' + b"\n", "surrogates not allowed"),
        (b'{}\n{"type":"event"}\n{}\n', "length"),
        (b'{}\n{"type":"event","length":3}\n{}', "cut"),
        (b'{}\n{"type":"event","length":2}\n{}', "no line end behind"),
        (b'{}\n{"type":"event","length":1}\n{}\n', "no line end behind"),
    ],
)
def test_the_strict_reader_is_strict(data: bytes, problem: str) -> None:
    with pytest.raises((AssertionError, ValueError, KeyError), match=problem):
        strictly_read(data)


def keeping(bodies: list[bytes]) -> Talk:
    """Accept what comes on one connection, and keep it as it is without compression."""

    def talk(connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while reader.readline():
                headers = parse_headers(reader)
                body = reader.read(int(headers["Content-Length"]))
                bodies.append(DECODE[headers["Content-Encoding"]](body))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    return talk


def delivered(make: Callable[[Client], object], **options: Any) -> list[Framed]:
    """Return what a server gets of what a client is told to do."""
    bodies: list[bytes] = []
    with server(keeping(bodies)) as address:
        client = Client(dsn=f"http://key@{address}/1", **options)
        make(client)
        assert client.flush(60)
        client.close()
    return [strictly_read(body) for body in bodies]


def fail(client: Client) -> None:
    try:
        raise ExceptionGroup(NASTY, [ValueError(NASTY)])
    except ExceptionGroup as error:
        client.capture_exception(error, tags={NASTY: NASTY}, extra={NASTY: 1e999})


def send_much(client: Client) -> None:
    client.capture_message("much", extra={f"n{n}": NASTY * 4000 for n in range(99)})


def write(client: Client) -> None:
    client.capture_user_report(
        {"event_id": EVENT_ID, "name": NASTY, "comments": NASTY * 400}
    )


def check_in(client: Client) -> None:
    schedule = {"type": "crontab", "value": NASTY}
    client.capture_check_in(NASTY, "ok", monitor_config={"schedule": schedule})


def drop_one(client: Client) -> None:
    fail(client)
    client.capture_message(NASTY)


def keep_messages(event: Any, hint: Any) -> Any:
    return event if "logentry" in event else None


KINDS: list[tuple[str, Callable[[Client], object], dict[str, Any]]] = [
    ("event", fail, {"release": NASTY}),
    ("event", lambda client: client.capture_message(NASTY, params=[NASTY]), {}),
    ("event", send_much, {}),
    ("user_report", write, {}),
    ("feedback", write, {"feedback_item": "feedback"}),
    ("check_in", check_in, {"environment": NASTY, "release": NASTY}),
    ("client_report", drop_one, {"before_send": keep_messages}),
]


@pytest.mark.parametrize(("kind", "make", "options"), KINDS)
def test_every_kind_of_envelope_keeps_to_the_letter_of_the_protocol(
    kind: str, make: Callable[[Client], object], options: dict[str, Any]
) -> None:
    found = delivered(make, **options)
    # What was dropped is reported together with the next event.
    assert len(found) == (2 if kind == "client_report" else 1)
    (envelope,) = (one for one in found if one.items[0][0]["type"] == kind)
    ((_, payload),) = envelope.items
    assert len(payload) <= MAX_BYTES[kind]
    about = json_object(payload).get("event_id")
    assert envelope.headers.get("event_id") == about
    assert (about is not None) == (kind in ("event", "user_report", "feedback"))
    assert about is None or re.fullmatch("[0-9a-f]{32}", about)
    sent_at = envelope.headers["sent_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", sent_at)
    assert b"\n" not in payload
