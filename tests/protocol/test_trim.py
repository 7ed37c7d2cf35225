"""An event never exceeds its size, loses the least useful first, and says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from flask_errtrack.event import Event, exceptions_of, frames_of
from flask_errtrack.protocol.trim import MAX_EVENT_BYTES, trimmed
from flask_errtrack.reading.exceptions import new_event

SCHEMA = Draft7Validator(
    json.loads((Path(__file__).parents[1] / "event.schema.json").read_text())
)
MIB = 1024 * 1024
STEPS = [
    "local variables of libraries",
    "local variables",
    "source lines around the failing ones",
    "breadcrumbs but the newest",
    "request body",
    "extra and contexts",
]


def frame(in_app: bool, variables: str = "", source: str = "") -> Any:
    return {
        "function": "f",
        "in_app": in_app,
        "context_line": "fail()",
        "pre_context": [source],
        "post_context": [source],
        "vars": {"v": variables},
    }


def big_event(*big: str, size: int = 2 * MIB) -> Event:
    """An event with something of everything, and much of some parts."""
    text = {part: "x" * size if part in big else "x" for part in ALL}
    event = new_event()
    value: Any = {"type": "KeyError", "value": text["message"]}
    frames = [
        frame(False, text["library variables"]),
        frame(True, text["variables"], text["source"]),
    ]
    value["stacktrace"] = {"frames": frames}
    event["exception"] = {"values": [value]}
    crumbs: list[Any] = [{"message": text["breadcrumbs"]}]
    crumbs += [{"message": f"newer {n}", "data": {"d": "x"}} for n in range(12)]
    event["breadcrumbs"] = {"values": crumbs}
    event["request"] = {"url": "http://h/", "data": text["body"]}
    event["extra"] = {"e": text["extra"]}
    event["tags"] = {"t": text["tags"]}
    event["user"] = {"id": "7", "data": {"a": "b"}}
    return event


ALL = [
    "library variables",
    "variables",
    "source",
    "breadcrumbs",
    "body",
    "extra",
    "message",
    "tags",
]


def cuts(event: Event) -> list[str]:
    return [entry["name"] for entry in event.get("errors", [])]


def test_a_small_event_stays_as_it_is() -> None:
    event = big_event()
    before = json.dumps(event)
    made, payload = trimmed(event)
    assert json.loads(payload) == made == json.loads(before)


@pytest.mark.parametrize(("number", "part"), [*enumerate(ALL[:6], start=1)])
def test_cuts_go_in_order_and_no_further_than_needed(number: int, part: str) -> None:
    made, payload = trimmed(big_event(part))
    assert len(payload) <= MAX_EVENT_BYTES and json.loads(payload) == made
    assert cuts(made) == STEPS[:number]
    assert {entry["type"] for entry in made["errors"]} == {"too_large"}
    assert not [*SCHEMA.iter_errors(made)]


def test_a_cut_leaves_what_matters() -> None:
    made, _ = trimmed(big_event("extra"))
    library, own = frames_of(made)
    assert own["context_line"] == "fail()" and "vars" not in own
    assert "vars" not in library and "pre_context" not in library
    crumbs = made["breadcrumbs"]["values"]
    assert [crumb["message"] for crumb in crumbs] == [
        f"newer {n}" for n in range(2, 12)
    ]
    assert not any("data" in crumb for crumb in crumbs)
    assert made["request"] == {"url": "http://h/"} and made["user"] == {"id": "7"}
    assert made["tags"] == {"t": "x"}
    assert "extra" not in made


def test_only_variables_of_libraries_go_first() -> None:
    made, _ = trimmed(big_event("library variables"))
    library, own = frames_of(made)
    assert "vars" not in library and own["vars"] == {"v": "x"}


@pytest.mark.parametrize("part", ["message", "tags"])
def test_of_an_event_with_one_huge_text_types_and_places_are_left(part: str) -> None:
    event = big_event(part)
    made, payload = trimmed(event)
    assert len(payload) < 10_000 and not [*SCHEMA.iter_errors(made)]
    assert (made["event_id"], made["level"]) == (event["event_id"], "error")
    (value,) = exceptions_of(made)
    assert value["type"] == "KeyError" and len(value["value"]) <= 200
    assert [frame["context_line"] for frame in frames_of(made)] == ["fail()"] * 2
    assert cuts(made) == ["event"]


def test_a_huge_message_keeps_its_beginning() -> None:
    event = new_event()
    event["logentry"] = {"message": "begins " + "x" * 2 * MIB}
    made, payload = trimmed(event)
    assert made["logentry"]["message"].startswith("begins x")
    assert len(payload) < 2_000 and not [*SCHEMA.iter_errors(made)]


def test_the_worst_of_all_is_small_enough() -> None:
    wide = "\U0001f600" * 300_000
    event = new_event()
    values: list[Any] = []
    for number in range(40):
        frames = [
            dict.fromkeys(
                ("filename", "module", "function", "context_line"), wide[:9000]
            )
            for _ in range(20)
        ]
        text = wide[: 9000 + number]
        values.append({"type": text, "value": text, "stacktrace": {"frames": frames}})
    event["exception"] = {"values": values}
    event["environment"] = event["release"] = wide
    made, payload = trimmed(event)
    assert len(payload) <= MAX_EVENT_BYTES
    assert not [*SCHEMA.iter_errors(made)]


@pytest.mark.parametrize("shape", [None, 7, "text", [], [None], {}, {"values": 7}])
def test_a_hook_may_have_left_any_shape(shape: Any) -> None:
    event: Any = new_event()
    event.update(exception=shape, breadcrumbs=shape, request=shape, user=shape)
    event.update(logentry=shape, errors=shape, note="x" * 2 * MIB)
    made, payload = trimmed(event)
    assert len(payload) <= MAX_EVENT_BYTES
    assert made["event_id"] == event["event_id"]


def test_the_limit_is_the_callers() -> None:
    event = big_event("variables", size=50_000)
    assert cuts(trimmed(event, 10_000)[0]) == STEPS[:2]
    assert len(trimmed(big_event("variables", size=50_000), 10_000)[1]) <= 10_000
