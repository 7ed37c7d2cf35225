"""Envelopes: there and back, and what breaks the framing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_errtrack.errors import EnvelopeError
from flask_errtrack.protocol.envelope import Envelope, Item, encode_json
from flask_errtrack.reading.exceptions import new_event


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"\n", b"a\nb\n\n", b"\r\n", bytes(range(256)), b"x" * 100_000],
)
def test_what_is_encoded_is_parsed_again(payload: bytes) -> None:
    envelope = Envelope((Item("event", b"{}"), Item("attachment", payload)), {"a": 1})
    parsed = Envelope.parse(envelope.encode())
    assert parsed.headers == {"a": 1}
    assert [(item.type, item.payload) for item in parsed.items] == [
        ("event", b"{}"),
        ("attachment", payload),
    ]
    assert Envelope.parse(parsed.encode()) == parsed


def test_an_event_travels_with_its_id() -> None:
    event = new_event("warning")
    parsed = Envelope.parse(Envelope.from_event(event).encode(sent_at="now"))
    assert parsed.event_id == event["event_id"]
    assert parsed.headers["sent_at"] == "now"
    assert [item.json() for item in parsed.items] == [event]


def test_a_user_report_travels_with_the_id_of_its_event() -> None:
    envelope = Envelope.from_user_report({"event_id": "ab" * 16, "comments": "é\n"})
    (item,) = Envelope.parse(envelope.encode()).items
    assert envelope.event_id == "ab" * 16
    assert (item.type, item.json()["comments"]) == ("user_report", "é\n")


@pytest.mark.parametrize("event_id", [None, 7, ["a"]])
def test_an_envelope_may_be_about_no_event(event_id: Any) -> None:
    assert Envelope((), {"event_id": event_id}).event_id is None
    assert Envelope(()).event_id is None


@pytest.mark.parametrize(
    ("data", "payloads"),
    [
        (b"{}", []),
        (b"{}\n", []),
        (b"{}\n\n\n", []),
        (b'{}\n{"type":"a"}\nbody', [b"body"]),
        (b'{}\n{"type":"a"}\nbody\n', [b"body"]),
        (b'{}\n{"type":"a"}\none\n\n\n{"type":"b"}\ntwo\n\n', [b"one", b"two"]),
        (b'{}\n{"type":"a","length":3}\na\nb', [b"a\nb"]),
        (b'{}\n{"type":"a","length":2}\nab\n{"type":"b"}\nc', [b"ab", b"c"]),
        (b'{}\n{"type":"a","length":0}\n\n{"type":"b"}\nc', [b"", b"c"]),
        (b'{}\n{"type":"a","length":0}\n', [b""]),
        (b'{}\n{"type":"a","length":0}', [b""]),
        (b'{}\n{"type":"a"}', [b""]),
        (b'{}\n{"type":"a","length":null}\nb', [b"b"]),
    ],
)
def test_lines_may_end_as_the_protocol_allows(
    data: bytes, payloads: list[bytes]
) -> None:
    assert [item.payload for item in Envelope.parse(data).items] == payloads


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the envelope header at byte 0 is not JSON"),
        (b"nonsense\n", "the envelope header at byte 0 is not JSON"),
        (b"\xff{}\n", "the envelope header at byte 0 is not JSON"),
        (b"[" * 100_000, "the envelope header at byte 0 is not JSON"),
        (b"[]\n", "the envelope header at byte 0 is a list; expected a JSON object"),
        (b"{}\n{\n", "the item header at byte 3 is not JSON"),
        (b"{}\n7\n", "the item header at byte 3 is a int"),
        (b'{}\n{"length":1}\na', "the item header at byte 3 has no type"),
        (b'{}\n{"type":7}\na', "the item header at byte 3 has no type"),
        (b'{}\n{"type":"a","length":5}\nabc', "says length 5, but 3 bytes follow"),
        (b'{}\n{"type":"a","length":1}', "says length 1, but 0 bytes follow"),
        (b'{}\n{"type":"a","length":-1}\na', "says length -1, but 1 bytes"),
        (b'{}\n{"type":"a","length":true}\na', "says length True"),
        (b'{}\n{"type":"a","length":"1"}\na', "says length '1'"),
        (b'{}\n{"type":"a","length":1}\nabc', "length 1, but no line ends there"),
    ],
)
def test_broken_framing_is_told_with_its_place(data: bytes, problem: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope.parse(data)
    assert problem in str(caught.value)


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"[" * 100_000, b""])
def test_a_payload_that_is_no_json_is_told_with_its_type(payload: bytes) -> None:
    with pytest.raises(EnvelopeError, match="an item of type 'event' is not JSON"):
        Item("event", payload).json()


def test_json_is_one_line_of_ascii_and_never_nan() -> None:
    text = encode_json({"a": "é\n\ud800", "b": [1, None]})
    assert text.isascii() and b"\n" not in text and b" " not in text
    assert json.loads(text) == {"a": "é\n\ud800", "b": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json(float("nan"))
