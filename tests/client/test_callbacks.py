"""The hooks of the app's developer, and what happens when one fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_errtrack.client.callbacks import (
    before_breadcrumb,
    before_send,
    sampling_rate,
)
from flask_errtrack.event import Event
from flask_errtrack.privacy.rule import REDACTED
from flask_errtrack.reading.exceptions import new_event

SECRET = "very private"


def event_of_a_failure() -> Event:
    event = new_event()
    event["transaction"] = "shop.buy"
    event["user"] = {"id": SECRET, "email": SECRET}
    event["request"] = {"url": f"http://h/?q={SECRET}", "data": SECRET}
    event["extra"] = {"cart": SECRET}
    event["tags"] = {"customer": SECRET}
    event["contexts"] = {"shop": {"customer": SECRET}}
    event["breadcrumbs"] = {"values": [{"message": SECRET}]}
    frame: Any = {"function": "buy", "lineno": 7, "vars": {"name": SECRET}}
    value: Any = {"type": "KeyError", "value": SECRET}
    value["stacktrace"] = {"frames": [frame]}
    event["exception"] = {"values": [value]}
    return event


def fails(*args: Any) -> Any:
    raise LookupError(SECRET)


def test_without_a_hook_everything_stays() -> None:
    event = event_of_a_failure()
    assert before_send(None, event, {}) is event
    crumb = {"message": "m"}
    assert before_breadcrumb(None, crumb, {}) is crumb


def test_a_hook_gets_the_hint_and_decides() -> None:
    event, hint = event_of_a_failure(), {"exception": KeyError()}
    seen: list[Any] = []
    assert before_send(lambda *both: seen.append(both), event, hint) is None
    assert seen == [(event, hint)]
    other = new_event()
    assert before_send(lambda event, hint: other, event, hint) is other


@pytest.mark.swallows_errors
@pytest.mark.parametrize("hook", [fails, lambda event, hint: 7])
def test_a_failing_before_send_costs_everything_but_the_event(hook: Any) -> None:
    event = event_of_a_failure()
    made = before_send(hook, event, {})
    assert SECRET not in json.dumps(made)
    assert made["event_id"] == event["event_id"]
    assert made["transaction"] == "shop.buy"
    (value,) = made["exception"]["values"]
    assert (value["type"], value["value"]) == ("KeyError", REDACTED)
    assert value["stacktrace"] == {"frames": [{"function": "buy", "lineno": 7}]}
    (note,) = made["errors"]
    assert (note["type"], note["name"]) == ("hook_failed", "before_send")


@pytest.mark.swallows_errors
def test_a_message_is_redacted_too() -> None:
    event = new_event("info")
    event["logentry"] = {"message": SECRET, "params": [SECRET], "formatted": SECRET}
    made = before_send(fails, event, {})
    assert made["logentry"] == {"message": REDACTED}


@pytest.mark.swallows_errors
@pytest.mark.parametrize(
    "damage",
    [
        {"exception": None},
        {"exception": {"values": None}},
        {"exception": {"values": [None, 7, {}, {"stacktrace": None}]}},
        {"exception": {"values": [{"stacktrace": {"frames": [None, 7]}}]}},
        {"errors": None},
        {"errors": 7},
    ],
)
def test_a_hook_that_breaks_the_event_and_fails_costs_no_event(
    damage: dict[str, Any],
) -> None:
    def break_it(event: Any, hint: Any) -> Any:
        event.update(damage)
        raise LookupError

    event = event_of_a_failure()
    made = before_send(break_it, event, {})
    assert made["event_id"] == event["event_id"]
    assert made["errors"][-1]["value"] == "LookupError"


@pytest.mark.swallows_errors
@pytest.mark.parametrize("hook", [fails, lambda crumb, hint: "text"])
def test_a_failing_before_breadcrumb_costs_message_and_data(hook: Any) -> None:
    crumb = {
        "timestamp": "2024-01-01T00:00:00Z",
        "category": "sql",
        "level": "info",
        "message": SECRET,
        "data": {"a": SECRET},
    }
    assert before_breadcrumb(hook, crumb, {}) == {
        "timestamp": "2024-01-01T00:00:00Z",
        "category": "sql",
        "level": "info",
        "message": REDACTED,
    }


def test_a_breadcrumb_can_be_changed_and_dropped() -> None:
    crumb = {"message": "a"}
    assert before_breadcrumb(lambda *both: None, crumb, {}) is None
    made = before_breadcrumb(lambda crumb, hint: {**crumb, **hint}, crumb, {"b": 1})
    assert made == {"message": "a", "b": 1}


@pytest.mark.parametrize("rate", [0.0, 0.25, 1])
def test_a_rate_is_a_number_or_what_a_callable_makes_of_the_hint(rate: float) -> None:
    assert sampling_rate(rate, {}) == (rate, None)
    assert sampling_rate(lambda hint: hint["rate"], {"rate": rate}) == (rate, None)


@pytest.mark.swallows_errors
@pytest.mark.parametrize("answer", [None, "all", 1.5, -1, float("nan")])
def test_a_rate_that_is_none_keeps_everything_and_is_told(answer: Any) -> None:
    rate, error = sampling_rate(lambda hint: answer, {})
    assert rate == 1.0 and isinstance(error, TypeError | ValueError)
    assert isinstance(sampling_rate(fails, {})[1], LookupError)
