"""What an event says besides its stack."""

from __future__ import annotations

from typing import Any

import pytest

from flask_errtrack.tracker.dashboard.event import details
from flask_errtrack.tracker.dashboard.event.event_view import route_of

from .. import samples


def pairs(rows: tuple[details.Row, ...]) -> list[tuple[str, str]]:
    return [(row.name, row.value.text) for row in rows]


def test_the_request_has_its_line_its_tables_and_its_body() -> None:
    found = details.request_of(samples.order_event())
    assert found is not None
    assert (found.method, found.url) == (
        "POST",
        "https://shop.example/orders/7/pay?from=cart&coupon=",
    )
    assert [group.title for group in found.groups] == ["Query", "Headers"]
    assert pairs(found.groups[0].rows) == [("from", "cart"), ("coupon", "")]
    assert found.data is not None and '"note": "it\'s a gift"' in found.data.text


def test_a_body_that_is_not_there_is_explained() -> None:
    event = {
        "request": {"url": "https://shop.example"},
        "contexts": {"flask": {"request_body": "not read by the app"}},
    }
    found = details.request_of(event)
    assert found is not None
    assert (found.data, found.data_note) == (None, "not read by the app")


@pytest.mark.parametrize("kind", ["flask", "asgi"])
def test_the_route_is_told_by_method_and_template(kind: str) -> None:
    event = {
        "transaction": "shop.order",
        "request": {"url": "https://shop.example/orders/7", "method": "GET"},
        "contexts": {kind: {"rule": "/orders/{number}"}},
    }
    assert route_of(event) == "GET /orders/{number}"


def test_only_a_web_address_is_linked() -> None:
    found = details.request_of(samples.hostile_event())
    assert found is not None and found.address is None and found.curl is None


def test_the_user_is_flat_and_empty_fields_are_left_out() -> None:
    user = {"id": "7", "username": "", "email": None, "data": {"id": "8", "plan": "x"}}
    assert pairs(details.user_rows({"user": user})) == [("id", "7"), ("plan", "x")]


def test_breadcrumbs_say_how_long_before_the_error_they_were() -> None:
    found = details.breadcrumbs_of(samples.order_event())
    assert [crumb.when for crumb in found.last] == [
        "1 min before",
        "2.3 s before",
        "120 ms before",
    ]


def test_breadcrumbs_of_libraries_read_like_a_line_of_a_log() -> None:
    values = [
        {
            "type": "http",
            "data": {
                "url": "https://rates.example/v1",
                "method": "GET",
                "status_code": 503,
                "reason": "Service Unavailable",
                "duration_ms": 1234.5,
            },
        },
        {"type": "http", "data": {"url": "https://x.example", "method": "GET"}},
        {"type": "http", "message": "asked", "data": {"url": "https://x.example"}},
        {
            "type": "query",
            "message": "SELECT id \nFROM todo",
            "data": {"duration_ms": 0.14, "times": 1500, "rows": 3},
        },
        {"data": {"url": 5, "duration_ms": "long", "times": True}},
        {"message": "x", "data": {"duration_ms": 1e400, "times": 10**30}},
    ]
    found = details.breadcrumbs_of({"breadcrumbs": {"values": values}}).last
    assert [(one.message.text, pairs(one.data)) for one in found] == [
        (
            "GET https://rates.example/v1 503 Service Unavailable",
            [("took", "1.2 s")],
        ),
        ("GET https://x.example", []),
        ("asked", [("url", "https://x.example")]),
        (
            "SELECT id FROM todo",
            [("times", "1,500"), ("took", "0.14 ms"), ("rows", "3")],
        ),
        ("", [("url", "5"), ("duration_ms", "long"), ("times", "true")]),
        ("x", [("times", "1.0e+30"), ("duration_ms", "Infinity")]),
    ]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2026-11-21T01:40:00Z", "just before"),
        ("2026-11-21T01:40:02Z", "2.0 s after"),
        ("soon", ""),
        (None, ""),
    ],
)
def test_a_breadcrumb_may_come_late_or_have_no_time(
    timestamp: str | None, expected: str
) -> None:
    crumb = {"timestamp": timestamp, "message": "x"}
    event = samples.order_event(breadcrumbs={"values": [None, crumb]})
    assert [crumb.when for crumb in details.breadcrumbs_of(event).last] == [expected]


def test_of_many_breadcrumbs_the_earlier_ones_are_folded() -> None:
    event = {"breadcrumbs": {"values": [{"message": str(n)} for n in range(500)]}}
    found = details.breadcrumbs_of(event)
    assert (len(found.earlier), len(found.last)) == (80, 20)
    assert found.last[-1].message.text == "499"


def test_a_context_does_not_repeat_its_name_as_its_type() -> None:
    contexts = {"os": {"type": "os", "name": "Linux"}, "trace": {"type": "trace"}}
    (group,) = details.context_groups({"contexts": contexts})
    assert (group.title, pairs(group.rows)) == ("os", [("name", "Linux")])


def test_contexts_tell_of_the_job_before_they_tell_of_the_machine() -> None:
    names = ["runtime", "os", "celery", "monitor"]
    contexts = {name: {"name": "x"} for name in names}
    groups = details.context_groups({"contexts": contexts})
    assert [group.title for group in groups] == ["celery", "monitor", "runtime", "os"]


def test_too_many_rows_are_counted() -> None:
    rows = details.rows_of({str(n): n for n in range(105)})
    assert len(rows) == 101 and rows[-1].value.text == "5 more"


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (
            {"type": "left_out", "name": "exception 0: frames", "value": "9 frames"},
            "exception 0: frames: left out: 9 frames",
        ),
        ({"type": "invalid_data", "name": "user"}, "user: was not of the expected"),
        ({"type": "some_new_kind"}, "some new kind"),
        ({"name": "x", "value": {"a": 1}}, 'x: note: {"a": 1}'),
    ],
)
def test_notes_are_in_plain_words(note: dict[str, Any], expected: str) -> None:
    (found,) = details.notes_of({"errors": [note, None, note]})
    assert found.startswith(expected)


def test_an_empty_event_has_nothing() -> None:
    empty: dict[str, Any] = dict.fromkeys(
        ("request", "user", "tags", "extra", "contexts", "breadcrumbs", "errors")
    )
    for event in ({}, empty):
        assert details.request_of(event) is None
        assert details.breadcrumbs_of(event) == details.Breadcrumbs((), ())
        assert not details.user_rows(event) + details.tag_rows(event)
        assert not details.extra_rows(event) + details.context_groups(event)
        assert details.notes_of(event) == ()
