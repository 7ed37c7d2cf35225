"""When the same error comes again and again."""

from __future__ import annotations

from collections.abc import Callable

from conftest import MakeApp
from places import fail

from flask_errtrack.client.storms import WITH_VARIABLES, Storms
from flask_errtrack.event import Event, Mechanism, exceptions_of, frames_of
from flask_errtrack.reading.stacktrace import StackReader
from flask_errtrack.transports import MemoryTransport


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def first(number: int) -> None:
    raise ValueError(number)


def second(number: int) -> None:
    raise ValueError(number)


def event_of(
    storms: Storms, raises: Callable[[int], None], handled: bool = False
) -> Event:
    try:
        raises(7)
    except ValueError as error:
        return storms.event_of(error, Mechanism(type="generic", handled=handled))
    raise AssertionError("it raises")


def has_variables(event: Event) -> bool:
    return any("vars" in frame for frame in frames_of(event))


def test_of_the_same_error_in_a_second_only_the_first_few_have_variables() -> None:
    storms = Storms(StackReader(), Clock())
    events = [event_of(storms, first) for _ in range(WITH_VARIABLES + 3)]
    assert [has_variables(one) for one in events] == [True] * WITH_VARIABLES + [
        False
    ] * 3


def test_what_is_left_out_in_a_storm_is_noted_and_the_rest_is_there() -> None:
    storms = Storms(StackReader(), Clock())
    whole, *_, brief = [event_of(storms, first) for _ in range(WITH_VARIABLES + 1)]
    assert "errors" not in whole
    assert brief["errors"] == [
        {
            "type": "left_out",
            "name": "local variables",
            "value": "only the first 5 of this error in a second have them",
        }
    ]
    (value,) = exceptions_of(brief)
    assert (value["type"], value["value"]) == ("ValueError", "7")
    places = [(frame["function"], frame["lineno"]) for frame in frames_of(whole)]
    assert [(one["function"], one["lineno"]) for one in frames_of(brief)] == places
    assert all("context_line" in frame for frame in frames_of(brief))


def test_another_place_is_another_error() -> None:
    storms = Storms(StackReader(), Clock())
    for _ in range(WITH_VARIABLES + 1):
        event_of(storms, first)
    assert has_variables(event_of(storms, second))


def test_what_is_captured_on_purpose_is_whole_however_often() -> None:
    storms = Storms(StackReader(), Clock())
    events = [event_of(storms, first, handled=True) for _ in range(WITH_VARIABLES + 1)]
    assert all(has_variables(one) for one in events)


def test_after_a_second_there_are_variables_again() -> None:
    clock = Clock()
    storms = Storms(StackReader(), clock)
    for _ in range(WITH_VARIABLES + 1):
        event_of(storms, first)
    clock.seconds += 1.0
    assert has_variables(event_of(storms, first))


def test_nothing_is_noted_where_no_variables_are_wanted() -> None:
    storms = Storms(StackReader(with_variables=False), Clock())
    events = [event_of(storms, first) for _ in range(WITH_VARIABLES + 1)]
    assert not any("errors" in event for event in events)


def test_each_error_of_a_storm_is_an_event_of_its_own(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    app = make_app(transport=sent)
    app.add_url_rule("/", "storm", fail)
    for _ in range(20):
        app.test_client().get("/")
    assert len({event["event_id"] for event in sent.events}) == 20
    assert all(event["request"]["url"] for event in sent.events)
