"""Content that is made to break things: what is answered 200 is stored and shown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from ..samples import NOW
from ..stores import stored
from .site import EVENT_ID, Site, event_ids

HTML = "<script>alert(1)</script>\"'&{{7*7}}{% x %}"
TEXTS = [
    "",
    "\0",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u2028",
    "🦜" * 300,
    HTML,
    "x" * 9999,
]
NUMBERS = [0, -1, 2**31, 2**63, -(2**64), 1e308, -0.0, 1e-300, math.nan, math.inf]
ODD: list[Any] = [
    *TEXTS,
    *NUMBERS,
    None,
    True,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"values": None},
    {"values": 5},
    {"values": [None, 1, "x", []]},
    {"": {"": {"": []}}},
    {HTML: HTML},
]
FIELDS = """
    event_id timestamp platform level logger transaction transaction_info server_name
    release dist environment fingerprint exception logentry message request user tags
    extra contexts breadcrumbs modules errors sdk _meta threads
""".split()


def frames(*made: Any) -> dict[str, Any]:
    error = {"type": "KeyError", "value": "'EUR'", "stacktrace": {"frames": [*made]}}
    return {"exception": {"values": [error]}}


def test_any_type_in_any_field_is_stored_and_shown(any_site: Site) -> None:
    for odd in ODD:
        response = any_site.send(("event", dict.fromkeys(FIELDS, odd)))
        assert response.status_code == 200, (odd, response.text)
    assert len(event_ids(any_site.store)) == len(ODD)
    any_site.assert_pages_work(max_linked=60)


INSIDE: dict[str, Callable[[Any], dict[str, Any]]] = {
    "frame": lambda odd: frames(odd),
    "frame's function": lambda odd: frames({"function": odd, "lineno": odd}),
    "frame's source": lambda odd: frames(
        {"context_line": odd, "pre_context": odd, "post_context": [odd], "vars": odd}
    ),
    "frame's place": lambda odd: frames(
        {"filename": odd, "abs_path": odd, "module": odd, "in_app": odd, "colno": odd}
    ),
    "exception": lambda odd: {"exception": [odd, {"type": odd, "value": odd}]},
    "stacktrace": lambda odd: {"exception": {"type": "E", "stacktrace": odd}},
    "mechanism": lambda odd: {
        "exception": [
            {"type": "A", "mechanism": {"exception_id": 1, "parent_id": odd}},
            {"type": "B", "mechanism": {"exception_id": odd, "data": odd}},
            {"type": "C", "mechanism": odd},
        ]
    },
    "crumb": lambda odd: {
        "breadcrumbs": [
            odd,
            {"timestamp": odd, "data": odd, "message": odd, "type": odd},
        ]
    },
    "request": lambda odd: {
        "request": {
            "url": odd,
            "method": odd,
            "headers": odd,
            "cookies": odd,
            "query_string": odd,
            "data": odd,
            "env": odd,
        }
    },
    "user": lambda odd: {"user": {"id": odd, "email": odd, "data": odd, "other": odd}},
    "tags": lambda odd: {"tags": {"a": odd, "b": [odd]}},
    "tag pairs": lambda odd: {"tags": [[odd, odd], odd, [odd]]},
    "contexts": lambda odd: {"contexts": {"runtime": odd, "os": {"name": odd}}},
    "logentry": lambda odd: {"logentry": {"message": odd, "params": odd}},
    "errors": lambda odd: {"errors": [odd, {"type": odd, "name": odd, "value": odd}]},
    "sdk": lambda odd: {"sdk": {"name": odd, "version": odd}},
}


@pytest.mark.parametrize("where", INSIDE)
def test_any_type_deep_inside_is_stored_and_shown(site: Site, where: str) -> None:
    for number, odd in enumerate(ODD):
        payload = {"event_id": f"{number:032x}", **INSIDE[where](odd)}
        response = site.send(("event", payload))
        assert response.status_code == 200, (odd, response.text)
    assert len(event_ids(site.store)) == len(ODD)
    site.assert_pages_work()


OTHER_KINDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "user_report": lambda odd: {
        "event_id": EVENT_ID,
        "comments": odd,
        "name": odd,
        "email": odd,
    },
    "feedback": lambda odd: {
        "contexts": {
            "feedback": dict.fromkeys(("message", "contact_email", "url"), odd)
        }
    },
    "check_in": lambda odd: {
        "monitor_slug": "nightly",
        "status": "ok",
        "check_in_id": odd,
        "duration": odd,
        "environment": odd,
        "release": odd,
        "monitor_config": {
            "schedule": {"type": "interval", "value": odd, "unit": "minute"},
            "timezone": odd,
            "max_runtime": odd,
        },
    },
    "session": lambda odd: {"sid": odd},
    "client_report": lambda odd: {"discarded_events": odd},
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_any_type_in_other_items_is_stored_and_shown(any_site: Site, kind: str) -> None:
    any_site.send(("event", {"event_id": EVENT_ID, "message": "no price"}))
    for odd in ODD:
        payload = OTHER_KINDS[kind](odd)
        response = any_site.send((kind, payload), event_id=EVENT_ID)
        assert response.status_code == 200, (odd, response.text)
    any_site.assert_pages_work(max_linked=20)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_items_of_any_type_are_taken_or_refused(
    any_site: Site, kind: str
) -> None:
    for odd in ODD:
        for payload in (odd, dict.fromkeys(("event_id", "contexts", "status"), odd)):
            response = any_site.send((kind, payload))
            assert response.status_code in (200, 400), (odd, response.text)
    any_site.assert_pages_work()


LARGE = {
    "tags": {"tags": {f"key{n}": f"value{n}" for n in range(1000)}},
    "empty frames": frames(*({} for _ in range(100_000))),
    "frames": frames(*({"function": "f", "lineno": n} for n in range(30_000))),
    "breadcrumbs": {"breadcrumbs": [{"message": "x"}] * 30_000},
    "exceptions": {"exception": [{"type": "E"}] * 50_000},
    "one text": {"message": "no price " * 100_000},
    "one name": {"user": {"id": "x" * 1_000_000}},
    "fields": {f"field{n}": n for n in range(50_000)},
    "secrets": {"extra": {f"password{n}": f"secret-{n:09}" for n in range(20_000)}},
    "extra": {"extra": {f"{n}": [n] * 9 for n in range(15_000)}},
    "depth": {"extra": json.loads("[" * 500 + "]" * 500)},
    "headers": {"request": {"headers": [["a", "b"]] * 60_000}},
    "fingerprint": {"fingerprint": ["x" * 1000] * 900},
    "modules": {"modules": {f"m{n}": "1" for n in range(50_000)}},
}


@pytest.mark.parametrize("what", LARGE)
def test_as_much_as_fits_is_stored_and_shown(site: Site, what: str) -> None:
    payload = json.dumps({"event_id": EVENT_ID, **LARGE[what]}, separators=(",", ":"))
    assert 500 < len(payload) < 2**20
    response = site.send(("event", payload.encode()))
    assert response.status_code == 200, response.text
    assert event_ids(site.store) == [EVENT_ID]
    site.assert_pages_work()


@pytest.mark.parametrize(
    "payload",
    [
        b'{"extra":{"n":' + b"9" * 5000 + b"}}",
        b'{"extra":{"n":-' + b"9" * 500_000 + b"}}",
        b'{"extra":{"n":1e999999},"timestamp":-Infinity,"tags":{"n":NaN}}',
        b'{"message":"\\ud83d","extra":{"\\u0000\\udc00":"\\udfff"}}',
        b'{"message":"\xff\xfe broken \xed\xa0\x80"}',
        b'{"message":"a","message":"b","message":{"message":"c"}}',
        b' \t\r {"message" : "spaces"} \r ',
        b'\xef\xbb\xbf{"message":"mark"}',
    ],
)
def test_json_at_its_borders_is_stored_and_shown(
    any_site: Site, payload: bytes
) -> None:
    response = any_site.send(("event", payload), event_id=EVENT_ID)
    assert response.status_code == 200, response.text
    assert event_ids(any_site.store) == [EVENT_ID]
    any_site.assert_pages_work()


@pytest.mark.parametrize("brackets", [b"[]", b"{}"])
def test_at_no_depth_more_than_a_refusal_happens(site: Site, brackets: bytes) -> None:
    opening, closing = brackets[:1], brackets[1:]
    opening += b'"a":' if opening == b"{" else b""
    statuses = []
    for depth in (
        *range(10, 1000, 90),
        *range(960, 1000, 3),
        *range(1000, 60_000, 4000),
    ):
        deep = opening * depth + b"1" + closing * depth
        response = site.send(("event", b'{"extra":{"a":' + deep + b"}}"))
        statuses.append(response.status_code)
    assert {*statuses} == {200, 400} and statuses[0] == 200 and statuses[-1] == 400
    assert len(event_ids(site.store)) == statuses.count(200)
    site.assert_pages_work()


@pytest.mark.parametrize(
    "timestamp",
    [0, -1, 1e300, "", "garbage", "3000-01-01T00:00:00Z", "1970-01-01", "24:00", {}]
    + ["2026-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
    + [NOW * 1000, str(NOW), True, 253402300800, -62135596801, "1e400", "nan"],
)
def test_a_time_that_cannot_be_true_becomes_one_that_can(
    site: Site, timestamp: object
) -> None:
    crumbs = [{"message": "x", "timestamp": timestamp}]
    payload = {"timestamp": timestamp, "breadcrumbs": crumbs}
    assert site.send(("event", payload)).status_code == 200
    kept = stored(site.store)[0]["timestamp"]
    assert kept.startswith("2026-") and kept.endswith("Z")
    site.assert_pages_work()
