"""From an exception to an event: the chain, each with its type, text and stack.

The order and the links are those of the Sentry protocol ("Exception
Interface"): oldest first, ``exception_id`` 0 is the outermost.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from ..errors import guard
from ..event import Event, ExceptionValue, Level, LogEntry, Mechanism
from ..notes import note
from .marks import contexts_of, leaves_of, stored_in
from .serialize import VARIABLE_LIMITS, Serializer, safe_text
from .stacktrace import Stack, StackReader

#: A chain or group with more exceptions is cut.
MAX_EXCEPTIONS = 30
MAX_NOTES = 20


def new_event(level: Level = "error") -> Event:
    """Return an event with nothing but its identity, time and level."""
    return Event(
        event_id=uuid.uuid4().hex,
        timestamp=time.time(),
        platform="python",
        level=level,
    )


def event_from_exception(
    error: BaseException, reader: StackReader, mechanism: Mechanism
) -> Event:
    """Return an event with the whole chain of an exception, or its type at least.

    :param mechanism: ``type`` and ``handled`` of the outermost exception.
    """
    with guard("reading an exception") as reading:
        return _event_from_chain(error, reader, mechanism)
    event = new_event()
    event["exception"] = {
        "values": [{"type": type(error).__name__, "mechanism": mechanism}]
    }
    note(event, "failed", "exception", type(reading.error).__name__)
    return event


def exception_in(given: Any) -> BaseException | None:
    """Return the exception that is meant: given, in ``exc_info``, or being handled."""
    if given is None:
        given = sys.exception()
    elif isinstance(given, tuple) and len(given) == 3:
        given = given[1]
    return given if isinstance(given, BaseException) else None


def is_error(error: BaseException | None) -> bool:
    """Tell whether there is an error, and not a way to end, such as SystemExit.

    A group of both is one.
    """
    return error is not None and any(
        isinstance(one, Exception) or _is_timeout(one) for one in leaves_of(error)
    )


def _is_timeout(error: BaseException) -> bool:
    """Tell whether it is one of gevent: no ``Exception``, so that few catch it."""
    return any(
        f"{kind.__module__}.{kind.__qualname__}" == "gevent.timeout.Timeout"
        for kind in type(error).__mro__
    )


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The exceptions from which an exception came, or that it holds; newest first."""
    return (link.error for link in islice(_links(error), 1, MAX_EXCEPTIONS))


def _event_from_chain(
    error: BaseException, reader: StackReader, mechanism: Mechanism
) -> Event:
    event = new_event()
    serialize = Serializer(VARIABLE_LIMITS)
    values = []
    for number, link in enumerate(_links(error)):
        if number == MAX_EXCEPTIONS:
            note(event, "left_out", "exception.values", f"more than {number}")
            break
        stack = reader.read(link.error.__traceback__, serialize)
        if stack.left_out:
            where = f"exception {number}: frames"
            note(event, "left_out", where, f"{stack.left_out} in the middle")
        values.append(_value(link, mechanism, stack))
    event["exception"] = {"values": values[::-1]}
    event["contexts"] = contexts_of(error)
    return event


def event_from_message(
    message: str,
    level: Level = "info",
    params: Any = None,
    logger: str | None = None,
    formatted: str | None = None,
) -> Event:
    """Return an event with a message: its template, arguments and full text."""
    event = new_event(level)
    event["logentry"] = LogEntry(message=message)
    if params:
        event["logentry"]["params"] = params
        event["logentry"]["formatted"] = formatted or message
    if logger:
        event["logger"] = logger
    return event


class _Link(NamedTuple):
    """An exception and its place in the tree."""

    error: BaseException
    number: int
    parent: int | None
    source: str

    def children(self) -> list[tuple[BaseException, str]]:
        error = self.error
        found: list[tuple[BaseException, str]] = []
        if error.__cause__ is not None:
            found.append((error.__cause__, "__cause__"))
        elif error.__context__ is not None and not error.__suppress_context__:
            found.append((error.__context__, "__context__"))
        if isinstance(error, BaseExceptionGroup):
            for position, member in enumerate(error.exceptions):
                found.append((member, f"exceptions[{position}]"))
        return found


def _links(error: BaseException) -> Iterator[_Link]:
    """The exceptions of a chain or tree, the outermost first, each once."""
    seen = {id(error)}
    waiting: list[tuple[BaseException, int | None, str]] = [(error, None, "")]
    number = 0
    while waiting:
        current, parent, source = waiting.pop()
        link = _Link(current, number, parent, source)
        yield link
        fresh = []
        for child, child_source in link.children():
            if id(child) not in seen:
                seen.add(id(child))
                fresh.append((child, number, child_source))
        waiting += reversed(fresh)
        number += 1


def _value(link: _Link, outermost: Mechanism, stack: Stack) -> ExceptionValue:
    error = link.error
    value = ExceptionValue(type=type(error).__name__, value=_text(error))
    if type(error).__module__ != "builtins":
        value["module"] = type(error).__module__
    value["mechanism"] = _mechanism(link, outermost, stack.ends)
    if stack.frames:
        value["stacktrace"] = {"frames": stack.frames}
    return value


def _mechanism(link: _Link, outermost: Mechanism, ends: list[Any]) -> Mechanism:
    mechanism = Mechanism(type="chained", exception_id=link.number)
    if link.parent is None:
        mechanism.update(outermost)
    else:
        mechanism["parent_id"] = link.parent
        mechanism["source"] = link.source
    if isinstance(link.error, BaseExceptionGroup):
        mechanism["is_exception_group"] = True
    if any(ends):
        mechanism["data"] = {"frame_ends": [end and list(end) for end in ends]}
    return mechanism


def _text(error: BaseException) -> str:
    # Not getattr: the exception's class may have one that fails.
    notes = stored_in(error).get("__notes__")
    texts = [safe_text(error)]
    if isinstance(notes, list | tuple):
        texts += [safe_text(note) for note in notes[:MAX_NOTES]]
    return "\n".join(texts)
