"""From an event's exceptions to what a person reads of them.

Owns the order of the chain, the folding of library code and of recursion, and
the marking of the failing columns. Knows nothing of HTML or of the store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from ....words import MAX_VALUE_LENGTH, Value, count, one_line, python_value, value
from .chain import Link, chain_of, mechanism_of
from .source import SourceLine, source_lines

#: More exceptions, frames and variables than these stay in the event's JSON.
MAX_EXCEPTIONS = 50
MAX_FRAMES = 250
MAX_VARIABLES = 100
#: Frames of the app beyond these begin folded.
MAX_OPEN_FRAMES = 12
#: The variables of the first open frame are open, too, unless they are more.
MAX_OPEN_VARIABLES = 15
_CYCLE_LENGTHS = (1, 2, 3)
_MIN_REPEATS = 3

#: A frame, and the end of its failing code.
Call = tuple[Mapping[str, Any], Any]


@dataclass(frozen=True)
class Variable:
    """A local variable of a frame."""

    name: str
    value: Value


@dataclass(frozen=True)
class FrameView:
    """One call of the stack; ``place`` is ``shop/orders.py:42``."""

    function: str
    place: str
    path: str
    lines: tuple[SourceLine, ...]
    variables: tuple[Variable, ...]
    variables_words: str
    is_in_app: bool
    is_open: bool
    has_open_variables: bool
    kind: Literal["frame"] = "frame"


@dataclass(frozen=True)
class Repeat:
    """A run of frames that are the same as those shown right above it."""

    words: str
    kind: Literal["repeat"] = "repeat"


@dataclass(frozen=True)
class LibraryRun:
    """Frames of libraries with none of the app between them."""

    words: str
    items: tuple[FrameView | Repeat, ...]
    kind: Literal["library"] = "library"


@dataclass(frozen=True)
class ExceptionView:
    """One exception of the chain; ``items`` are its calls, the last call first.

    ``link`` says how it belongs to the exception above it, and ``depth`` in how
    many exception groups it is.
    """

    anchor: str
    type: str
    module: str
    value: Value
    link: str
    depth: int
    note: str
    items: tuple[FrameView | LibraryRun | Repeat, ...]


def exceptions_of(event: Mapping[str, Any]) -> list[ExceptionView]:
    """Return the exceptions of an event, each one before what led to it.

    The stack of a thread comes last, where there is one.
    """
    links = [*chain_of(event)[:MAX_EXCEPTIONS], *_stacks_of_threads(event)]
    return [_exception_view(place, link) for place, link in enumerate(links)]


def raising_frame(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the innermost in-app frame of the outermost exception, or its last.

    Without an exception, that of the thread's stack.
    """
    chain = chain_of(event) or _stacks_of_threads(event)
    calls = _calls_of(chain[0].exception) if chain else []
    frames = [frame for frame, _ in calls]
    in_app = [frame for frame in frames if frame.get("in_app")]
    return next(reversed(in_app or frames), None)


def thread_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the thread that an event is about; empty if that is not known."""
    values = (event.get("threads") or {}).get("values") or []
    return (values[0] if values else None) or {}


def _stacks_of_threads(event: Mapping[str, Any]) -> list[Link]:
    thread = thread_of(event)
    stacktrace = thread.get("stacktrace") or {}
    if not stacktrace.get("frames"):
        return []
    name = f"Thread {thread.get('name') or thread.get('id') or '?'}"
    return [Link({"type": name, "stacktrace": stacktrace}, "", 0)]


def place_of(frame: Mapping[str, Any]) -> str:
    """Return where a frame is: ``shop/orders.py:42``."""
    path = frame.get("filename") or frame.get("abs_path") or frame.get("module")
    line = frame.get("lineno")
    return one_line(f"{path or '?'}:{line}" if line else path or "?")


def fold_repeats(keys: Sequence[Any]) -> list[tuple[int, int, int]]:
    """Find where a sequence goes in circles.

    :return: ``(start, stop, times)``: the run ``keys[start:stop]`` comes ``times``
        times in a row. What does not repeat comes once.
    """
    found = []
    start = 0
    while start < len(keys):
        length, times = _cycle_at(keys, start)
        found.append((start, start + length, times))
        start += length * times
    return found


def _cycle_at(keys: Sequence[Any], start: int) -> tuple[int, int]:
    for length in _CYCLE_LENGTHS:
        first = keys[start : start + length]
        times = 1
        while keys[start + times * length : start + (times + 1) * length] == first:
            times += 1
        if times >= _MIN_REPEATS:
            return length, times
    return 1, 1


def _exception_view(place: int, link: Link) -> ExceptionView:
    found = link.exception
    calls = _calls_of(found)
    left_out = max(len(calls) - MAX_FRAMES, 0)
    return ExceptionView(
        anchor=f"exception-{place + 1}",
        type=one_line(found.get("type") or "Exception"),
        module=one_line(found.get("module") or ""),
        value=value(found.get("value") or "", 2 * MAX_VALUE_LENGTH),
        link=link.words,
        depth=link.depth,
        note=f"{count(left_out, 'earlier call')} left out" if left_out else "",
        items=tuple(_items(calls[left_out:][::-1])),
    )


def _calls_of(found: Mapping[str, Any]) -> list[Call]:
    """The calls of an exception, the outermost first."""
    frames = (found.get("stacktrace") or {}).get("frames") or []
    ends = (mechanism_of(found).get("data") or {}).get("frame_ends")
    if not isinstance(ends, list) or len(ends) != len(frames):
        ends = [None] * len(frames)
    return [
        call for call in zip(frames, ends, strict=True) if isinstance(call[0], dict)
    ]


def _items(calls: Sequence[Call]) -> list[FrameView | LibraryRun | Repeat]:
    """Fold the calls of one exception, the last one first."""
    has_app = any(frame.get("in_app") for frame, _ in calls)
    # Each with the package it is of, if that is a library.
    views: list[tuple[str, FrameView | Repeat]] = []
    opened = 0
    for call in _without_repeats(calls):
        if isinstance(call, Repeat):
            views.append((views[-1][0], call))
            continue
        frame, end = call
        is_app = bool(frame.get("in_app"))
        # Without any frame of the app, where it broke is all there is to see.
        is_open = is_app and opened < MAX_OPEN_FRAMES or not has_app and not views
        opened += is_open
        library = "" if is_app or is_open else _package(frame)
        is_first = is_open and opened == 1
        views.append((library, _frame_view(frame, end, is_open, is_first)))
    return _fold_libraries(views)


def _without_repeats(calls: Sequence[Call]) -> list[Call | Repeat]:
    keys = [
        (frame.get("module"), frame.get("function"), frame.get("lineno"))
        for frame, _ in calls
    ]
    shown: list[Call | Repeat] = []
    cycle: set[Any] = set()
    for start, stop, times in fold_repeats(keys):
        # Where frames were left out, the same cycle begins anew at another call.
        if times > 1 and set(keys[start:stop]) == cycle:
            shown.append(Repeat(f"the same, {count(times, 'more time')}"))
            continue
        shown += calls[start:stop]
        if times > 1:
            cycle = set(keys[start:stop])
            shown.append(Repeat(_repeat_words(stop - start, times - 1)))
    return shown


def _fold_libraries(
    views: list[tuple[str, FrameView | Repeat]],
) -> list[FrameView | LibraryRun | Repeat]:
    folded: list[FrameView | LibraryRun | Repeat] = []
    for is_library, pairs in groupby(views, key=lambda pair: bool(pair[0])):
        run = list(pairs)
        if not is_library:
            folded += [view for _, view in run]
            continue
        packages = list(dict.fromkeys(package for package, _ in run))
        names = ", ".join(packages[:4]) + (" …" if len(packages) > 4 else "")
        frames = sum(view.kind == "frame" for _, view in run)
        words = f"{count(frames, 'frame')} of {names}"
        folded.append(LibraryRun(words, tuple(view for _, view in run)))
    return folded


def _repeat_words(length: int, times: int) -> str:
    above = "the call above" if length == 1 else f"the {length} calls above"
    return f"{above}, {count(times, 'more time')}"


def _package(frame: Mapping[str, Any]) -> str:
    module = frame.get("module") or ""
    if not module:
        path = str(frame.get("filename") or frame.get("abs_path") or "?")
        module = re.split(r"[/\\]", path)[0] or path
    return one_line(module.partition(".")[0], 40)


def _frame_view(
    frame: Mapping[str, Any], end: Any, is_open: bool, is_first: bool
) -> FrameView:
    found = list((frame.get("vars") or {}).items())
    variables = [
        Variable(one_line(name, 80), python_value(found))
        for name, found in found[:MAX_VARIABLES]
    ]
    return FrameView(
        function=one_line(frame.get("function") or "?", 120),
        place=place_of(frame),
        path=one_line(frame.get("abs_path") or ""),
        lines=source_lines(frame, end),
        variables=tuple(variables),
        variables_words=count(len(found), "local variable"),
        is_in_app=bool(frame.get("in_app")),
        is_open=is_open,
        has_open_variables=is_first and len(found) <= MAX_OPEN_VARIABLES,
    )
