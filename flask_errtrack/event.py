"""The event: the one shape from raise to page.

An event is a plain, JSON-ready dict. The types below name the fields that
Flask-ErrTrack writes and reads; they follow the event payload of the Sentry
protocol ("Event Payloads" in the developer documentation). Everything is
optional but ``event_id``, ``timestamp`` and ``platform``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NotRequired, Required, TypedDict

Level = Literal["debug", "info", "warning", "error", "fatal"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error", "fatal")
CheckInStatus = Literal["in_progress", "ok", "error"]


class Frame(TypedDict, total=False):
    """One call of the stack. ``lineno`` and ``colno`` count from 1."""

    filename: str
    abs_path: str
    module: str | None
    function: str
    lineno: int
    colno: int
    pre_context: list[str]
    context_line: str
    post_context: list[str]
    in_app: bool
    vars: dict[str, Any]


class Stacktrace(TypedDict):
    """``frames``: the caller first, the frame that raised last."""

    frames: list[Frame]


class Mechanism(TypedDict, total=False):
    """How an exception was caught, and its place in the chain.

    ``exception_id`` 0 is the outermost exception, the last of the list.
    ``source`` names the link to the parent: ``__cause__``, ``__context__`` or
    ``exceptions[3]`` for a member of a group. ``data["frame_ends"]`` holds a
    ``[end_lineno, end_colno]`` or ``None`` for each frame: the end of the code
    that failed, where ``lineno`` and ``colno`` are its start.
    """

    type: Required[str]
    handled: bool
    source: str
    exception_id: int
    parent_id: int
    is_exception_group: bool
    data: dict[str, Any]


class ExceptionValue(TypedDict, total=False):
    """One exception of the chain. Notes are lines at the end of ``value``."""

    type: Required[str]
    value: str
    module: str | None
    thread_id: int
    mechanism: Mechanism
    stacktrace: Stacktrace


class ExceptionChain(TypedDict):
    """``values``: the oldest exception first, the outermost last."""

    values: list[ExceptionValue]


class Thread(TypedDict, total=False):
    """A thread; its exceptions name it by ``id``, and have its stack if it failed."""

    id: int
    name: str
    current: bool
    crashed: bool
    stacktrace: Stacktrace


class Threads(TypedDict):
    """``values``: the threads that ran, as far as they are told of."""

    values: list[Thread]


class LogEntry(TypedDict, total=False):
    """A message: its template, its arguments, and both together."""

    message: str
    params: list[Any]
    formatted: str


class Request(TypedDict, total=False):
    """The request as Flask saw it. Headers are pairs, so that none is lost."""

    method: str
    url: str
    query_string: str
    headers: list[list[str]]
    cookies: dict[str, str]
    data: Any
    env: dict[str, str]


class User(TypedDict, total=False):
    """Who met the error; ``data`` takes everything without a field of its own."""

    id: str | None
    username: str
    email: str
    name: str
    ip_address: str
    data: dict[str, Any]


class Breadcrumb(TypedDict, total=False):
    """Something that happened before the event; ``timestamp`` is RFC 3339 UTC."""

    type: str
    category: str
    message: str
    level: Level
    timestamp: str
    data: dict[str, Any]


class Breadcrumbs(TypedDict):
    """``values``: the oldest first."""

    values: list[Breadcrumb]


class ProcessingError(TypedDict, total=False):
    """A note about what could not be collected, or what was cut, and where."""

    type: Required[str]
    name: str
    value: Any


class Sdk(TypedDict):
    """The client that made the event."""

    name: str
    version: str


class Event(TypedDict, total=False):
    """One captured exception or message. ``event_id`` is 32 hex digits.

    ``timestamp`` is in seconds since 1970; the tracker makes it RFC 3339 text.
    """

    event_id: Required[str]
    timestamp: Required[float | str]
    platform: Required[str]
    level: Level
    logger: str
    transaction: str
    transaction_info: dict[str, str]
    server_name: str
    release: str
    dist: str
    environment: str
    fingerprint: list[str]
    exception: ExceptionChain
    threads: Threads
    logentry: LogEntry
    request: Request
    user: User
    tags: dict[str, str]
    extra: dict[str, Any]
    contexts: dict[str, dict[str, Any]]
    breadcrumbs: Breadcrumbs
    modules: dict[str, str]
    errors: list[ProcessingError]
    sdk: Sdk


class UserReport(TypedDict):
    """What a person wrote in the feedback dialog, about one event."""

    event_id: str
    name: NotRequired[str]
    email: NotRequired[str]
    comments: str


class CheckIn(TypedDict):
    """A sign of life of a scheduled job; ``duration`` is in seconds."""

    check_in_id: str
    monitor_slug: str
    status: CheckInStatus
    duration: NotRequired[float]
    environment: NotRequired[str]
    release: NotRequired[str]
    monitor_config: NotRequired[dict[str, Any]]


def timestamp_now() -> str:
    """Return the time as RFC 3339 text in UTC."""
    now = time.time()
    seconds = int(now)
    return f"{_second(seconds)}.{int((now - seconds) * 1e6):06}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    # Not strftime: it imports, which an interpreter that ends cannot.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def exceptions_of(event: Event) -> Iterator[ExceptionValue]:
    """Yield every exception of an event, which a hook may have put out of shape."""
    yield from parts_of(event.get("exception"), "values")


def frames_of(event: Event) -> Iterator[Frame]:
    """Yield every frame of every exception and thread of an event."""
    for value in (*exceptions_of(event), *parts_of(event.get("threads"), "values")):
        yield from parts_of(value.get("stacktrace"), "frames")


def parts_of(holder: Any, name: str) -> list[Any]:
    """Return the dicts in the list ``name`` of what may be of any shape."""
    found = holder.get(name) if isinstance(holder, dict) else None
    parts = found if isinstance(found, list) else []
    return [part for part in parts if isinstance(part, dict)]
