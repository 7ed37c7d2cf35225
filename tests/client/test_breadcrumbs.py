"""The forms of a breadcrumb, and how many are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask

from flask_errtrack import ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport


def messages(event: Event) -> list[str]:
    crumbs = event.get("breadcrumbs", {"values": []})["values"]
    return [crumb["message"] for crumb in crumbs]


WHEN = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("crumb", "fields", "expected"),
    [
        ({"message": "a"}, {}, {"message": "a"}),
        (None, {"message": "a", "level": "warn"}, {"message": "a", "level": "warning"}),
        ({"message": "a"}, {"message": "b"}, {"message": "b"}),
        (lambda: {"message": "late"}, {}, {"message": "late"}),
        (lambda: None, {}, None),
        (None, {"data": {"a": 1}}, {"data": {"a": 1}}),
        (None, {"data": [1]}, {"data": {"value": [1]}}),
        (None, {"category": 5, "type": None}, {"category": "5"}),
        (None, {"timestamp": WHEN}, {"timestamp": "2026-05-01T12:00:00+00:00"}),
        (
            None,
            {"timestamp": WHEN.timestamp()},
            {"timestamp": "2026-05-01T12:00:00+00:00"},
        ),
    ],
)
def test_the_forms_of_a_breadcrumb(
    app: Flask,
    sent: MemoryTransport,
    errtrack: ErrTrack,
    crumb: Any,
    fields: dict[str, Any],
    expected: dict[str, Any] | None,
) -> None:
    with app.app_context():
        errtrack.add_breadcrumb(crumb, **fields)
        with errtrack.configure_scope() as scope:
            scope.add_breadcrumb(crumb, **fields)
        errtrack.capture_message("hello")
    crumbs: list[Any] = sent.events[0].get("breadcrumbs", {"values": []})["values"]
    assert len(crumbs) == (0 if expected is None else 2)
    for found in crumbs:
        assert "timestamp" in found
        assert {**found, **(expected or {})} == found


@pytest.mark.parametrize(("limit", "kept"), [(0, []), (2, ["1", "2"])])
def test_the_oldest_breadcrumbs_make_room(
    make_app: MakeApp, sent: MemoryTransport, limit: int, kept: list[str]
) -> None:
    errtrack = ErrTrack()
    app = make_app(errtrack=errtrack, transport=sent, max_breadcrumbs=limit)
    asked: list[int] = []

    def late() -> dict[str, str]:
        asked.append(1)
        return {"message": "2"}

    with app.app_context():
        errtrack.add_breadcrumb(message="0")
        errtrack.add_breadcrumb(message="1")
        errtrack.add_breadcrumb(late)
        errtrack.capture_message("hello")
    assert messages(sent.events[0]) == kept
    assert len(asked) == (1 if limit else 0)
