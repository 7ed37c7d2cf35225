"""What Sentry's Relay would not take is mended before it leaves, and the check sees it.

Every other test that keeps its events is checked in the same way (``conftest``).
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from conftest import MakeTransport
from relay import problems_of

from flask_errtrack import Client
from flask_errtrack.event import Event
from flask_errtrack.reading.exceptions import new_event


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ({"release": "shop/1.0"}, "release: sent 'shop/1.0', kept None"),
        ({"environment": "none"}, ".environment: "),
        ({"tags": {"a": "b\nc"}}, ".tags.0.1: "),
        ({"tags": {"release": "1"}}, "tags: sent {'release': '1'}, kept {}"),
        ({"user": {"ip_address": "here"}}, ".user.ip_address: "),
        ({"breadcrumbs": {"values": [{"category": 7}]}}, ".breadcrumbs.values.0"),
        (
            {
                "exception": {
                    "values": [
                        {"type": "E", "stacktrace": {"frames": [{"lineno": ""}]}}
                    ]
                }
            },
            "frames: sent [[[None, '', None]]]",
        ),
    ],
)
def test_the_check_sees_what_relay_would_drop(
    part: dict[str, Any], problem: str
) -> None:
    event = new_event()
    assert problems_of(event) == []
    assert any(
        one.startswith(problem) for one in problems_of(cast("Event", {**event, **part}))
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"release": "shop/1.0\n"}, {"release": "shop-1.0-"}),
        ({"release": "r" * 300}, {"release": "r" * 200}),
        ({"environment": "eu\\staging"}, {"environment": "eu-staging"}),
        ({"environment": " " + "e" * 70}, {"environment": "e" * 64}),
        ({"dist": "build 7 (arm)"}, {"dist": "build-7-arm-"}),
        ({"logger": "two\nlines"}, {"logger": "two lines"}),
        ({"tags": {"the way": "a\nb", "größe": "L"}}, {"the-way": "a b", "gr-e": "L"}),
        ({"tags": {"": "a", "b": "", "c": " \n", "d": "e"}}, {"d": "e"}),
        (
            {"logentry": {"message": "order %s", "params": 7, "formatted": "order 7"}},
            {
                "logentry": {
                    "message": "order %s",
                    "params": [7],
                    "formatted": "order 7",
                }
            },
        ),
    ],
)
def test_what_it_would_drop_is_mended(
    make_transport: MakeTransport, part: dict[str, Any], expected: dict[str, Any]
) -> None:
    event = captured(make_transport, part)
    if "tags" in part:
        assert event["tags"] == expected
    else:
        assert {name: event[name] for name in expected} == expected
    assert "errors" not in event


@pytest.mark.parametrize(
    ("name", "value"),
    [("release", "latest"), ("release", ".."), ("environment", "None")],
)
def test_what_cannot_be_mended_is_left_out_with_a_note(
    make_transport: MakeTransport, name: str, value: str
) -> None:
    event = captured(make_transport, {name: value})
    assert name not in event
    said = {"type": "left_out", "name": name, "value": f"{value!r} is no {name}"}
    assert event["errors"] == [said]


def captured(make_transport: MakeTransport, part: dict[str, Any]) -> dict[str, Any]:
    """An event with a part that a hook put into it; the fixture checks it."""
    transport = make_transport()

    def add(event: Event, hint: Any) -> Event:
        return cast("Event", {**event, **part})

    Client(transport=transport, before_send=add, environment="test").capture_message(
        "hello"
    )
    return cast("dict[str, Any]", transport.events[0])
