"""Envelopes and events that nobody thought of, always the same ones."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_errtrack.event import Event
from flask_errtrack.tracker.ingest.reading import read_envelope

from ..samples import frame
from .site import EVENT_ID, Site, envelope, event_ids

FUZZ = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=150,
    # One site for all of them: what one left behind must not harm the next.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
BASE = envelope(
    [
        ("event", {"message": "no price", "tags": {"a": "b"}, "user": {"id": 7}}),
        ("user_report", {"event_id": EVENT_ID, "comments": "It broke."}),
        ("client_report", {"discarded_events": [{"reason": "x", "category": "error"}]}),
        ("attachment", b"\x00\n\xff"),
        ("check_in", {"monitor_slug": "nightly", "status": "ok", "duration": 1}),
        ("event", {"exception": [{"type": "KeyError", "value": "x"}]}),
        ("feedback", {"contexts": {"feedback": {"message": "It is slow."}}}),
    ],
    dsn=f"http://{'0' * 32}@localhost/1",
    sent_at="2026-03-01T12:00:00Z",
)
PIECES = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b"\n", b"\r\n", b"{}", b"[]", b"null", b'"', b"\\", b"1e999", b"-1", b"NaN"]
        + [
            b'"length":',
            b'"type":"event"',
            b"\xff",
            b"\x00",
            b"{",
            b"}",
            b"\xed\xa0\x80",
        ]
    ),
)
CHANGES = st.lists(
    st.tuples(st.integers(0, len(BASE)), st.integers(0, 40), PIECES), max_size=4
)


def new_pages_work(site: Site, known: set[str]) -> None:
    """Render the pages of the events that came since the last time."""
    for event_id in {*event_ids(site.store)} - known:
        known.add(event_id)
        for end in ("", ".json", ".md"):
            path = f"/errtrack/events/{event_id}{end}"
            assert site.browser.get(path).status_code == 200, path


def test_a_changed_envelope_is_stored_or_refused_and_breaks_nothing(
    site: Site,
) -> None:
    known: set[str] = set()

    @FUZZ
    @given(CHANGES)
    def check(changes: list[tuple[int, int, bytes]]) -> None:
        data = BASE
        for at, length, piece in changes:
            data = data[:at] + piece + data[at + length :]
        response = site.post(data)
        assert response.status_code in (200, 400, 413), response.text
        if response.status_code == 200:
            items = read_envelope(data).envelope.items
            has_event = any(item.type == "event" for item in items)
            assert not has_event or response.get_json()["id"] in event_ids(site.store)
        new_pages_work(site, known)

    check()
    assert known
    site.assert_pages_work(max_linked=60)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**400), max_value=10**400),
    st.floats(),
    st.text(max_size=12),
    # Half a surrogate pair has no UTF-8, but JSON can write it.
    st.sampled_from(["\ud800", "\0", "<b>", "{{ x }}", "2026-01-01", "a" * 3000, "%s"]),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=6), inner, max_size=4),
    ),
    max_leaves=8,
)


def partly(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with fields that pages read, of right or of any shape."""
    fields = {name: st.one_of(made, JSON) for name, made in known.items()}
    return st.fixed_dictionaries({}, optional=fields)


WORDS = st.sampled_from(["__cause__", "__context__", "exceptions[0]", "shop", "GET"])
MECHANISMS = partly(
    exception_id=st.integers(0, 4), parent_id=st.integers(0, 4), source=WORDS
)
FRAMES = st.one_of(
    st.just(frame()), partly(function=WORDS, lineno=JSON, vars=JSON, pre_context=JSON)
)
ERRORS = partly(
    type=WORDS,
    value=WORDS,
    mechanism=MECHANISMS,
    stacktrace=partly(frames=st.lists(FRAMES, max_size=4)),
)
LIKELY = {
    "exception": partly(values=st.lists(ERRORS, max_size=4)),
    "breadcrumbs": st.lists(
        partly(timestamp=JSON, data=JSON, message=WORDS), max_size=3
    ),
    "request": partly(url=WORDS, method=WORDS, headers=JSON, data=JSON, cookies=JSON),
    "user": partly(id=WORDS, email=JSON, data=JSON),
    "logentry": partly(message=WORDS, params=JSON),
    "contexts": partly(runtime=JSON, feedback=JSON),
}
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(LIKELY[name], JSON) if name in LIKELY else JSON
        for name in (*Event.__annotations__, "message")
        if name != "event_id"
    },
)


def test_any_json_in_any_field_is_stored_and_shown(site: Site) -> None:
    known: set[str] = set()

    @FUZZ
    @given(EVENTS)
    def check(event: dict[str, Any]) -> None:
        before = len(known)
        response = site.send(("event", json.dumps(event).encode()))
        assert response.status_code == 200, response.text
        new_pages_work(site, known)
        assert len(known) == before + 1

    check()
    site.assert_pages_work(max_linked=60)
