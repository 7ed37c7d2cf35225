"""What an exception carries along: in which work it was met, and what it has to tell.

It is kept in the exception's own attributes, so that nobody has to hold the exception.
Knows nothing of work but its names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

_MARK = "__errtrack_ids__"
_CONTEXTS = "__errtrack_contexts__"
_ATTRIBUTES = vars(BaseException)["__dict__"]
# An exception that is one object for a whole program would gather marks for ever.
_MAX_MARKS = 64


def mark(error: BaseException, event_ids: Mapping[str, str | None]) -> None:
    """Note in which work an exception was met, and its event id, or None if dropped."""
    marks = stored_in(error).setdefault(_MARK, {})
    marks.update(event_ids)
    # Other threads may be at the same exception: the list is made at once.
    for name in list(marks)[:-_MAX_MARKS]:
        marks.pop(name, None)


def marks_of(error: BaseException) -> dict[str, str | None]:
    """Return the event ids of an exception by the work in which it was met."""
    marks: dict[str, str | None] = stored_in(error).get(_MARK, {})
    return marks


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """The exceptions of a group, and of groups in it; else the exception itself."""
    waiting = [error]
    while waiting:
        one = waiting.pop()
        # Not isinstance, which asks the exception's own attributes.
        if issubclass(type(one), BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[Any]", one).exceptions
        else:
            yield one


def was_met(error: BaseException) -> bool:
    """Tell whether an exception was met before, in any work."""
    return bool(marks_of(error))


def give_context(error: BaseException, key: str, value: dict[str, Any]) -> None:
    """Let an exception have something to tell in its event, whoever reports it."""
    stored_in(error).setdefault(_CONTEXTS, {}).setdefault(key, value)


def contexts_of(error: BaseException) -> dict[str, dict[str, Any]]:
    """Return what an exception has to tell in its event, by the names of contexts."""
    return dict(stored_in(error).get(_CONTEXTS, {}))


def stored_in(error: BaseException) -> dict[str, Any]:
    """The attributes of an exception, past what its class may make of a look."""
    stored: dict[str, Any] = _ATTRIBUTES.__get__(error)
    return stored
