"""From an exception to an event: chains, trees, notes, and what cannot be read."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from flask_errtrack.event import Event, ExceptionValue, timestamp_now
from flask_errtrack.reading.exceptions import (
    MAX_EXCEPTIONS,
    MAX_NOTES,
    event_from_exception,
    event_from_message,
    new_event,
)
from flask_errtrack.reading.stacktrace import StackReader

SCHEMA = Draft7Validator(
    json.loads((Path(__file__).parents[1] / "event.schema.json").read_text())
)


def event_of(error: BaseException) -> Event:
    event = event_from_exception(
        error, StackReader(), {"type": "test", "handled": False}
    )
    assert [*SCHEMA.iter_errors(event)] == []
    json.dumps(event, allow_nan=False)
    return event


def values_of(error: BaseException) -> list[ExceptionValue]:
    """The exceptions of an event, the outermost first."""
    return event_of(error)["exception"]["values"][::-1]


def raised(error: BaseException, cause: BaseException | None = None) -> Any:
    with pytest.raises(type(error)):
        if cause is None:
            raise error
        raise error from cause
    return error


def links(error: BaseException) -> list[tuple[str, int, int | None, str | None]]:
    """Text, id, parent's id and the way from the parent of each exception."""
    return [
        (
            value["value"],
            value["mechanism"]["exception_id"],
            value["mechanism"].get("parent_id"),
            value["mechanism"].get("source"),
        )
        for value in values_of(error)
    ]


def test_an_event_tells_type_text_and_place() -> None:
    event = event_of(raised(KeyError("due")))
    assert (event["level"], event["platform"]) == ("error", "python")
    assert re.fullmatch("[0-9a-f]{32}", event["event_id"])
    (value,) = event["exception"]["values"]
    assert (value["type"], value["value"]) == ("KeyError", "'due'")
    assert "module" not in value
    (frame,) = value["stacktrace"]["frames"]
    assert frame["function"] == "raised"
    mechanism = value["mechanism"]
    assert (mechanism["type"], mechanism["handled"]) == ("test", False)
    assert mechanism["exception_id"] == 0 and "parent_id" not in mechanism
    ((end_line, end_column),) = mechanism["data"]["frame_ends"]
    assert end_line == frame["lineno"]
    line = frame["context_line"]
    assert line[frame["colno"] - 1 : end_column - 1] == "raise error"


def test_an_exception_of_a_module_says_which() -> None:
    (value,) = values_of(json.JSONDecodeError("bad", "{", 0))
    assert (value["type"], value["module"]) == ("JSONDecodeError", "json.decoder")


def test_an_exception_that_was_never_raised_has_no_stack() -> None:
    (value,) = values_of(ValueError("made"))
    assert "stacktrace" not in value and "data" not in value["mechanism"]


def test_a_cause_is_linked() -> None:
    error = raised(ValueError("outer"), raised(KeyError(1)))
    assert links(error) == [("outer", 0, None, None), ("1", 1, 0, "__cause__")]
    assert values_of(error)[1]["mechanism"]["type"] == "chained"


def in_a_handler(error: Exception, *, from_none: bool) -> Exception:
    with pytest.raises(type(error)):
        try:
            raise KeyError(1)
        except KeyError:
            if from_none:
                raise error from None
            raise error  # noqa: B904 - that it is no cause is the point
    return error


def test_a_context_is_linked_unless_it_is_suppressed() -> None:
    assert links(in_a_handler(ValueError("outer"), from_none=False)) == [
        ("outer", 0, None, None),
        ("1", 1, 0, "__context__"),
    ]
    assert links(in_a_handler(ValueError("outer"), from_none=True)) == [
        ("outer", 0, None, None)
    ]


def test_a_cause_hides_the_context() -> None:
    error = in_a_handler(ValueError("outer"), from_none=False)
    error.__cause__ = OSError("cause")
    assert [link[0] for link in links(error)] == ["outer", "cause"]


def test_the_oldest_exception_comes_first() -> None:
    error = raised(ValueError("b"), raised(ValueError("a")))
    values = event_of(raised(ValueError("c"), error))["exception"]["values"]
    assert [value["value"] for value in values] == ["a", "b", "c"]


def test_a_group_is_a_tree() -> None:
    inner = ExceptionGroup("inner", [ValueError("c"), raised(ValueError("d"))])
    group = raised(
        ExceptionGroup("outer", [raised(ValueError("a"), KeyError("b")), inner]),
        OSError("cause"),
    )
    assert links(group) == [
        ("outer (2 sub-exceptions)", 0, None, None),
        ("cause", 1, 0, "__cause__"),
        ("a", 2, 0, "exceptions[0]"),
        ("'b'", 3, 2, "__cause__"),
        ("inner (2 sub-exceptions)", 4, 0, "exceptions[1]"),
        ("c", 5, 4, "exceptions[0]"),
        ("d", 6, 4, "exceptions[1]"),
    ]
    groups = [
        value["mechanism"]["exception_id"]
        for value in values_of(group)
        if value["mechanism"].get("is_exception_group")
    ]
    assert groups == [0, 4]


def test_an_exception_that_is_met_twice_is_told_once() -> None:
    shared = ValueError("shared")
    group = ExceptionGroup("g", [shared, raised(KeyError(1), shared), shared])
    assert [link[0] for link in links(group)] == ["g (3 sub-exceptions)", "shared", "1"]


def test_cyclic_causes_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert [link[0] for link in links(first)] == ["first", "second"]
    itself = ValueError("itself")
    itself.__cause__ = itself
    assert len(links(itself)) == 1


def test_a_long_chain_is_cut_and_says_so() -> None:
    error: Exception = ValueError(0)
    for number in range(1, 2000):
        outer = ValueError(number)
        outer.__context__ = error
        error = outer
    event = event_of(error)
    texts = [value["value"] for value in event["exception"]["values"][::-1]]
    assert texts == [str(1999 - number) for number in range(MAX_EXCEPTIONS)]
    assert event["errors"] == [
        {"type": "left_out", "name": "exception.values", "value": "more than 30"}
    ]


def test_a_wide_group_is_cut_and_says_so() -> None:
    event = event_of(ExceptionGroup("g", [ValueError(n) for n in range(5000)]))
    assert len(event["exception"]["values"]) == MAX_EXCEPTIONS
    assert event["errors"][0]["name"] == "exception.values"


def recurse() -> None:
    recurse()


def test_an_endless_recursion_is_bounded_and_says_so() -> None:
    with pytest.raises(RecursionError) as caught:
        recurse()
    event = event_of(caught.value)
    (value,) = event["exception"]["values"]
    assert len(value["stacktrace"]["frames"]) == 100
    assert len(value["mechanism"]["data"]["frame_ends"]) == 100
    (note,) = event["errors"]
    assert note["name"] == "exception 0: frames"
    assert re.fullmatch(r"\d+ in the middle", note["value"])
    assert int(note["value"].split()[0]) > sys.getrecursionlimit() // 2


def test_notes_are_lines_of_the_text() -> None:
    error = ValueError("text")
    error.add_note("one")
    error.add_note("two\nlines")
    assert values_of(error)[0]["value"] == "text\none\ntwo\nlines"


def test_notes_may_be_anything() -> None:
    error = ValueError("text")
    for notes, expected in [
        ([7, None, "three"], "text\n7\nNone\nthree"),
        (("a",), "text\na"),
        ("no list", "text"),
        (None, "text"),
        ([Unreadable()], "text\n<Unreadable: str failed with LookupError>"),
    ]:
        error.__notes__ = notes  # type: ignore[assignment]
        assert values_of(error)[0]["value"] == expected


def test_texts_and_notes_are_bounded() -> None:
    huge = "x" * 3_000_000
    error = ValueError(huge)
    for _ in range(1000):
        error.add_note(huge)
    text = values_of(error)[0]["value"]
    assert len(text) < 8200 * (MAX_NOTES + 1) and text.count("\n") == MAX_NOTES


class Unreadable(Exception):
    def __str__(self) -> str:
        raise LookupError

    __repr__ = __str__


class Hostile(Exception):
    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unreadable(), "<Unreadable: str failed with LookupError>"),
        (Hostile("a"), "a"),
        (ValueError("\ud800\0"), "\ud800\0"),
        (ValueError(), ""),
        (ValueError(Unreadable()), "<ValueError: str failed with LookupError>"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "'utf-8' codec can't"),
        (SyntaxError("bad", ("a.py", 1, 2, "x y")), "bad (a.py, line 1)"),
        (SystemExit(3), "3"),
        (KeyboardInterrupt(), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_exception_has_a_text(error: BaseException, text: str) -> None:
    (value,) = values_of(raised(error))
    assert value["value"].startswith(text) and value["type"] == type(error).__name__
    assert value["stacktrace"]["frames"]


def test_a_message_is_its_template_arguments_and_text() -> None:
    event = event_from_message("hello", "info")
    assert event["logentry"] == {"message": "hello"} and event["level"] == "info"
    assert "logger" not in event and "exception" not in event
    event = event_from_message("a %s", "warning", ["b"], "shop.cart", "a b")
    assert event["logentry"] == {"message": "a %s", "params": ["b"], "formatted": "a b"}
    assert event["logger"] == "shop.cart"
    assert [*SCHEMA.iter_errors(event)] == []


def test_each_event_has_an_id_and_a_time_of_its_own() -> None:
    first, second = new_event(), new_event("fatal")
    assert first["event_id"] != second["event_id"]
    assert float(first["timestamp"]) <= float(second["timestamp"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", timestamp_now())
