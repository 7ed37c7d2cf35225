"""Normalising: whatever came, an event of the known shape comes out of it."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from jsonschema.protocols import Validator

from flask_errtrack.event import Event
from flask_errtrack.protocol.envelope import encode_json
from flask_errtrack.tracker.events.checkers import seconds_of
from flask_errtrack.tracker.events.grouping import culprit_of, grouping_of, title_of
from flask_errtrack.tracker.events.normalize import normalize_event, normalize_report
from flask_errtrack.tracker.storing.placing import Arrival

from .samples import (
    NOW,
    chained_event,
    event_id,
    group_event,
    hostile_event,
    message_event,
    order_event,
    rfc3339,
)

MIB = 1024 * 1024


def normal(**raw: Any) -> dict[str, Any]:
    """Return what a client sent, normalised."""
    return cast("dict[str, Any]", normalize_event(raw, NOW))


def notes(event: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the notes of an event as tuples."""
    return [
        (entry["type"], entry["name"], entry["value"])
        for entry in event.get("errors", [])
    ]


@pytest.mark.parametrize(
    "raw", [order_event(), chained_event(), message_event()], ids=["a", "b", "c"]
)
def test_what_our_own_client_sends_is_not_changed(raw: dict[str, Any]) -> None:
    assert normalize_event(raw, NOW) == raw


def test_null_is_the_same_as_absent() -> None:
    raw = group_event()

    assert "request" in raw
    assert "request" not in normalize_event(raw, NOW)
    assert "errors" not in normal(level=None, tags=None, exception=None)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("event_id", "FC6D8C0C-43FC-4630-AD85-0EE518F1B9D0", None),
        ("level", "WARN", "warning"),
        ("level", "critical", "fatal"),
        ("level", 40, "error"),
        ("fingerprint", "one", ["one"]),
        ("fingerprint", ["a", 1, True], ["a", "1", "True"]),
        ("dist", 7, "7"),
        ("tags", [["a", "b"], ["c", 1], ["d", None]], {"a": "b", "c": "1"}),
        ("tags", {"a": 1.5, "b": True}, {"a": "1.5", "b": "True"}),
        ("user", {"id": 7}, {"id": "7"}),
        ("user", {"id": 7, "plan": "pro"}, {"id": "7", "data": {"plan": "pro"}}),
        ("user", {"a": 1, "data": {"a": 2}}, {"data": {"a": 2}}),
        ("extra", {"a": [1, None, {"b": 0.5}]}, {"a": [1, None, {"b": 0.5}]}),
        ("extra", {"n": 10**400}, {"n": "<int of 1329 bits>"}),
        ("extra", {"n": 2**64}, {"n": str(2**64)}),
        ("extra", {"n": float("nan")}, {"n": "nan"}),
        ("contexts", {"os": {"name": "x"}, "bad": 1}, {"os": {"name": "x"}}),
        ("modules", {"flask": "3.1", "bad": 3}, {"flask": "3.1"}),
        ("sdk", {"name": "raven"}, {"name": "raven", "version": ""}),
        ("transaction_info", {"source": "route", "x": 1}, {"source": "route"}),
        ("release", "a\x00b\ud800c", "a\ufffdb\ufffdc"),
        ("platform", "x" * 99, "x" * 64 + "…"),
    ],
)
def test_a_field_gets_its_shape(field: str, value: Any, expected: Any) -> None:
    expected = expected or value.replace("-", "").lower()

    assert normal(**{field: value})[field] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"query_string": {"a": "1", "b": [2]}}, {"query_string": "a=1&b=%5B2%5D"}),
        ({"query_string": [["a", "ä"], ["b", None]]}, {"query_string": "a=%C3%A4&b="}),
        ({"query_string": "a=%20"}, {"query_string": "a=%20"}),
        ({"headers": {"A": "b", "C": ["d", 1]}}, None),
        ({"headers": [["A", "b"], ["C", "d"], ["C", 1], "x"]}, None),
        ({"cookies": "a=b; c=d=e; ;"}, {"cookies": {"a": "b", "c": "d=e"}}),
        ({"cookies": [["a", "b"]]}, {"cookies": {"a": "b"}}),
        ({"env": {"PORT": 80, "X": None, "Y": []}}, {"env": {"PORT": "80"}}),
        ({"data": [{"any": 1}]}, {"data": [{"any": 1}]}),
        ({"url": 5, "method": "GET"}, {"method": "GET"}),
    ],
)
def test_a_request_gets_its_shape(
    raw: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    expected = expected or {"headers": [["A", "b"], ["C", "d"], ["C", "1"]]}

    assert normal(request=raw)["request"] == expected


FRAME = {"function": "f", "lineno": 3, "in_app": True}
EXCEPTION = {"type": "E", "stacktrace": {"frames": [FRAME]}}


@pytest.mark.parametrize(
    "raw",
    [
        {"exception": {"values": [EXCEPTION]}},
        {"exception": [EXCEPTION]},
        {"exception": EXCEPTION},
        {"sentry.interfaces.Exception": {"values": [EXCEPTION]}},
        {"exception": {"values": [None, "x", EXCEPTION]}},
        {"exception": [{**EXCEPTION, "raw_stacktrace": {}, "thread_id": {}}]},
        {"exception": [{**EXCEPTION, "stacktrace": {"frames": [None, FRAME, 5]}}]},
        {"exception": [{"type": "E", "stacktrace": {"frames": [FRAME | {"x": 1}]}}]},
    ],
)
def test_an_exception_gets_its_shape(raw: dict[str, Any]) -> None:
    assert normal(**raw)["exception"] == {"values": [EXCEPTION]}


def test_required_fields_of_an_exception_are_always_there() -> None:
    bare = {"value": {"code": 5}, "mechanism": {}, "stacktrace": {}}

    assert normal(exception=[bare])["exception"]["values"] == [
        {
            "type": "Error",
            "value": '{"code":5}',
            "mechanism": {"type": "generic"},
            "stacktrace": {"frames": []},
        }
    ]


def test_lines_of_source_keep_their_places() -> None:
    frame = {"pre_context": ["a", None, 5, "b"]}
    event = normal(exception=[{"type": "E", "stacktrace": {"frames": [frame]}}])

    (kept,) = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert kept["pre_context"] == ["a", "", "", "b"]


@pytest.mark.parametrize(
    ("raw", "entry"),
    [
        ({"message": "hi"}, {"message": "hi"}),
        ({"logentry": "hi"}, {"message": "hi"}),
        ({"message": {"formatted": "hi"}}, {"formatted": "hi"}),
        ({"message": "no", "logentry": {"message": "hi"}}, {"message": "hi"}),
        ({"sentry.interfaces.Message": {"message": "hi"}}, {"message": "hi"}),
        (
            {"logentry": {"message": "hi", "params": {"a": 1}}},
            {"message": "hi", "params": [{"a": 1}]},
        ),
    ],
)
def test_a_message_gets_its_shape(raw: dict[str, Any], entry: dict[str, Any]) -> None:
    assert normal(**raw)["logentry"] == entry


def test_breadcrumbs_get_their_shape() -> None:
    crumbs = [
        {"timestamp": NOW, "level": "log", "message": {"a": 1}, "event_id": "x"},
        {"timestamp": "soon", "category": "sql"},
    ]

    event = normal(breadcrumbs=crumbs)

    assert event["breadcrumbs"] == {
        "values": [
            {"timestamp": rfc3339(NOW), "level": "info", "message": '{"a":1}'},
            {"category": "sql"},
        ]
    }
    assert notes(event) == [("invalid_data", "breadcrumbs.values.1.timestamp", "soon")]


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        ({"level": "loud"}, "level", "loud"),
        ({"release": 17}, "release", "17"),
        ({"logger": ["a"]}, "logger", "<list of 1>"),
        ({"user": "ada"}, "user", "ada"),
        ({"event_id": "latest"}, "event_id", "latest"),
        ({"tags": {"a": {}}}, "tags.a", "<object of 0>"),
        ({"exception": 5}, "exception", "5"),
        ({"exception": [5]}, "exception.values.0", "5"),
        ({"request": {"url": True}}, "request.url", "True"),
        (
            {"platform": "x", "server_name": 10**200},
            "server_name",
            "1" + "0" * 99 + "…",
        ),
        (
            {"exception": [{"type": "E", "stacktrace": {"frames": [{"lineno": "x"}]}}]},
            "exception.values.0.stacktrace.frames.0.lineno",
            "x",
        ),
    ],
)
def test_what_is_wrong_is_dropped_with_a_note(
    raw: dict[str, Any], name: str, value: str
) -> None:
    event = normal(**raw)

    assert notes(event) == [("invalid_data", name, value)]
    assert event.get(name) != value


def test_notes_come_after_those_of_the_client_and_end_somewhere() -> None:
    event = normal(errors=[{"type": "failed"}], tags={f"k{n}": [] for n in range(99)})

    assert event["errors"][0] == {"type": "failed"}
    assert len(event["errors"]) == 51


@pytest.mark.parametrize("raw", [None, 5, "text", [], [1], True])
def test_what_is_no_object_is_an_event_with_a_note(raw: Any) -> None:
    event = normalize_event(raw, NOW)

    assert event["platform"] == "other"
    assert len(event["event_id"]) == 32
    assert event["errors"][0]["type"] == "invalid_data"


@pytest.mark.parametrize(
    ("timestamp", "seconds"),
    [
        (NOW - 5, NOW - 5),
        (str(NOW - 5), NOW - 5),
        (rfc3339(NOW - 5), NOW - 5),
        (rfc3339(NOW - 5).replace("Z", "+00:00"), NOW - 5),
        (rfc3339(NOW - 5)[:-1], NOW - 5),
        (rfc3339(NOW + 7195)[:-1] + "+02:00", NOW - 5),
        (NOW + 60, NOW + 60),
        (None, NOW),
    ],
)
def test_times_become_rfc_3339(timestamp: Any, seconds: float) -> None:
    event = normal(timestamp=timestamp)

    assert event["timestamp"] == rfc3339(seconds)
    assert "errors" not in event


@pytest.mark.parametrize(
    ("timestamp", "seconds", "kind"),
    [
        (0, NOW - 30 * 86400, "past_timestamp"),
        (NOW + 3600, NOW + 60, "future_timestamp"),
        ("0001-01-02T00:00:00+14:00", NOW - 30 * 86400, "past_timestamp"),
        ("0001-01-01T00:00:00+14:00", NOW, "invalid_data"),
        ("9999-12-31T23:59:59-14:00", NOW, "invalid_data"),
        ("soon", NOW, "invalid_data"),
        ("-", NOW, "invalid_data"),
        ("", NOW, "invalid_data"),
        (1e300, NOW, "invalid_data"),
        (float("inf"), NOW, "invalid_data"),
        (True, NOW, "invalid_data"),
        ([], NOW, "invalid_data"),
    ],
)
def test_impossible_times_are_replaced_with_a_note(
    timestamp: Any, seconds: float, kind: str
) -> None:
    event = normal(timestamp=timestamp)

    assert event["timestamp"] == rfc3339(seconds)
    assert [entry["type"] for entry in event["errors"]] == [kind]


def test_a_clamped_time_keeps_the_original_in_the_note() -> None:
    event = normal(timestamp="1999-01-01T00:00:00Z")

    assert notes(event) == [
        ("past_timestamp", "timestamp", "1999-01-01T00:00:00.000000Z")
    ]


def test_sizes_are_cut_and_the_inner_frames_stay() -> None:
    frames = [
        {"lineno": n, "vars": {str(v): v for v in range(150)}} for n in range(999)
    ]
    event = normal(
        message="x" * 9000,
        exception=[
            {"type": "E", "value": "y" * 9000, "stacktrace": {"frames": frames}}
        ],
        breadcrumbs=[{"message": str(n)} for n in range(150)],
        extra={"long": "z" * 9000, "many": list(range(999))},
        tags={str(n): "t" * 300 for n in range(999)},
    )

    value = event["exception"]["values"][0]
    kept = [frame["lineno"] for frame in value["stacktrace"]["frames"]]
    assert kept == [*range(50), *range(799, 999)]
    assert len(value["value"]) == len(event["logentry"]["message"]) == 8193
    assert event["breadcrumbs"]["values"][-1] == {"message": "149"}
    assert len(event["breadcrumbs"]["values"]) == 100
    assert len(event["extra"]["long"]) == 8193
    assert event["extra"]["many"][-2:] == [199, "<799 more>"]
    assert len(event["tags"]) == 200
    assert {len(tag) for tag in event["tags"].values()} == {201}


def test_variables_of_a_frame_are_cut_to_a_hundred() -> None:
    frame = {"vars": {f"v{n}": n for n in range(150)}}
    event = normal(exception=[{"type": "E", "stacktrace": {"frames": [frame]}}])

    (kept,) = event["exception"]["values"][0]["stacktrace"]["frames"]
    assert len(kept["vars"]) == 101
    assert kept["vars"]["…"] == "<50 more>"


def test_depth_is_bounded() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]

    event = normal(extra={"deep": deep})

    assert json.dumps(event["extra"]) == '{"deep": [[[[[[["<1 items>"]]]]]]]}'


def test_the_largest_event_stays_below_a_mebibyte() -> None:
    frame = {"vars": {str(n): "x" * 9000 for n in range(20)}, "in_app": True}
    stack = {"frames": [frame] * 10}
    values = [{"type": "E", "value": "v" * 9000, "stacktrace": stack}]
    extra = {str(n): "y" * 9000 for n in range(200)}

    event = normal(exception=values * 60, extra=extra)
    payload = zlib.decompress(Arrival.of(cast("Event", event), 1, NOW).payload)

    assert len(payload) <= MIB
    assert "too_large" in {entry["type"] for entry in json.loads(payload)["errors"]}


@pytest.mark.parametrize(
    ("raw", "report"),
    [
        (
            {"event_id": event_id(1), "comments": "Hi", "name": None, "email": "a@b.c"},
            {"event_id": event_id(1), "comments": "Hi", "email": "a@b.c"},
        ),
        ({"event_id": event_id(1)}, {"event_id": event_id(1), "comments": ""}),
        (
            {"event_id": event_id(1), "comments": 5, "name": [], "more": 1},
            {"event_id": event_id(1), "comments": ""},
        ),
        ({"comments": "Hi"}, None),
        ({"event_id": 5, "comments": "Hi"}, None),
        ([], None),
    ],
)
def test_a_user_report_gets_its_shape(raw: Any, report: dict[str, Any] | None) -> None:
    assert normalize_report(raw) == report


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2026-11-21T01:40:00.500Z", 1_795_225_200.5),
        ("2026-11-21T01:40:00", 1_795_225_200.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_timestamp_is_read_or_is_none(
    timestamp: str | None, expected: float | None
) -> None:
    assert seconds_of(timestamp) == expected


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["error", "2024-01-01T00:00:00Z", "\ud800\x00", "a" * 32])
)
FIELDS = st.sampled_from(
    sorted(Event.__annotations__)
    + ["values", "frames", "stacktrace", "mechanism", "vars", "type", "value", "data"]
    + ["lineno", "headers", "cookies", "query_string", "id", "message", "params", "env"]
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(FIELDS | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FIELDS, ANY_JSON, max_size=12) | ANY_JSON)
@example({"threads": {"id": False}})
@example(hostile_event())
@example(order_event())
@example(group_event())
def test_any_json_becomes_an_event_that_everything_can_use(raw: Any) -> None:
    event = normalize_event(raw, NOW)

    encoded = encode_json(event)
    assert list(_validator().iter_errors(json.loads(encoded))) == []
    assert "\x00" not in json.loads(encoded).get("release", "")
    json.dumps(event, ensure_ascii=False).encode()
    assert grouping_of(event).words
    assert title_of(event)
    assert isinstance(culprit_of(event), str)
    assert normalize_event(json.loads(encoded), NOW).get("exception") == event.get(
        "exception"
    )


@cache
def _validator() -> Validator:
    path = Path(__file__).parent.parent / "event.schema.json"
    return Draft7Validator(json.loads(path.read_text()))


@pytest.mark.parametrize("drift_seconds", [-7200.0, 7200.0, 40 * 365 * 86400.0])
def test_the_times_of_a_clock_that_is_wrong_are_corrected(drift_seconds: float) -> None:
    then = NOW - 30 - drift_seconds
    crumbs = {"values": [{"message": "x", "timestamp": then - 10}, {"message": "y"}]}
    raw = {"timestamp": then, "breadcrumbs": crumbs}
    event = normalize_event(raw, NOW, rfc3339(NOW - drift_seconds))
    first, second = event["breadcrumbs"]["values"]
    told = [seconds_of(event["timestamp"]), seconds_of(first["timestamp"])]
    assert told == pytest.approx([NOW - 30, NOW - 40])
    assert "timestamp" not in second
    (note,) = event["errors"]
    assert note == {
        "type": "clock_drift",
        "name": "timestamp",
        "value": rfc3339(then),
    }


@pytest.mark.parametrize("sent_at", [NOW - 3000, None, "soon", {}, True, 1e400, "nan"])
def test_who_takes_long_or_tells_no_time_keeps_the_event_s(sent_at: object) -> None:
    event = normalize_event({"timestamp": NOW - 9000}, NOW, sent_at)
    assert seconds_of(event["timestamp"]) == NOW - 9000
    assert "errors" not in event


def test_no_time_of_a_clock_that_is_wrong_is_refused() -> None:
    for timestamp in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 0, NOW):
        for sent_at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 0):
            event = normalize_event({"timestamp": timestamp}, NOW, sent_at)
            assert abs((seconds_of(event["timestamp"]) or 0) - NOW) <= 31 * 86400


_FRAMES = {"frames": [{"function": "pay", "lineno": 3}]}


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({"values": [{"name": "a"}, {"name": "b", "current": True}]}, "b"),
        ([{"name": "a", "current": True}, {"name": "b", "crashed": True}], "b"),
        ({"values": [None, 7, {"name": "a", "current": "yes"}]}, "a"),
        ({"values": [{"name": "a"}, {"name": "b"}]}, "a"),
        ({"name": "a"}, "a"),
    ],
)
def test_of_all_threads_the_one_stays_that_the_event_is_about(
    raw: Any, name: str
) -> None:
    (thread,) = normal(threads=raw)["threads"]["values"]
    assert thread["name"] == name


@pytest.mark.parametrize("raw", [7, "text", {"values": 7}, [], {"values": []}])
def test_threads_of_a_wrong_shape_cost_no_event(raw: Any) -> None:
    event = normal(threads=raw, logentry={"message": "hello"})
    assert not (event.get("threads") or {}).get("values")
    assert event["logentry"] == {"message": "hello"}


def test_a_thread_of_our_own_client_is_not_changed() -> None:
    threads = {
        "values": [
            {
                "id": 139_942_106_957_504,
                "name": "stock-taker",
                "current": True,
                "crashed": False,
                "stacktrace": _FRAMES,
            }
        ]
    }
    assert normal(threads=threads)["threads"] == threads
