"""What an event says besides its stack: request, user, breadcrumbs, contexts.

Turns the event into rows of text of bounded size. Knows nothing of HTML or of
the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ....words import (
    MAX_LINE_LENGTH,
    Value,
    duration,
    number,
    one_line,
    value,
    web_address,
)
from ...events.checkers import seconds_of
from .curl import Curl, curl_of, full_url

#: More rows, and more breadcrumbs, stay in the event's JSON.
MAX_ROWS = 100
#: Of the breadcrumbs the last ones are shown at once.
MAX_LAST_BREADCRUMBS = 20
# Contexts that are alike in most events.
_OF_MACHINE = {"app", "browser", "culture", "device", "gpu", "os", "runtime"}
# Longer than anything takes: some thirty years.
_MAX_MS = 1e12


@dataclass(frozen=True)
class Row:
    """A name and its value."""

    name: str
    value: Value


@dataclass(frozen=True)
class Group:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RequestView:
    """The request: its first line, its tables, and how to send it again."""

    method: str
    url: str
    address: str | None
    groups: tuple[Group, ...]
    data: Value | None
    data_note: str
    curl: Curl | None


@dataclass(frozen=True)
class BreadcrumbView:
    """Something that happened before the event; ``when`` is ``2.3 s before``."""

    when: str
    iso: str
    level: str
    category: str
    message: Value
    data: tuple[Row, ...]


@dataclass(frozen=True)
class Breadcrumbs:
    """The breadcrumbs, oldest first: those to fold, and the last ones."""

    earlier: tuple[BreadcrumbView, ...]
    last: tuple[BreadcrumbView, ...]


def request_of(event: Mapping[str, Any]) -> RequestView | None:
    """Return the request of an event, if it has one."""
    request = event.get("request")
    if not request:
        return None
    url = full_url(request)
    data = request.get("data")
    return RequestView(
        method=one_line(request.get("method") or "", 20),
        url=one_line(url, 1000),
        address=web_address(url) if len(url) <= 2000 else None,
        groups=_request_groups(request),
        data=None if data in (None, "", {}, []) else value(data),
        data_note=one_line(str(route_context(event).get("request_body") or "")),
        curl=curl_of(request),
    )


def route_context(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what our client tells of Flask or ASGI: route, body that was not read."""
    contexts = event.get("contexts") or {}
    return contexts.get("flask") or contexts.get("asgi") or {}


def user_rows(event: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return who met the error."""
    user = dict(event.get("user") or {})
    data = user.pop("data", None) or {}
    found = [(name, user[name]) for name in user if user[name] not in (None, "")]
    return rows_of(found + [pair for pair in data.items() if pair[0] not in user])


def tag_rows(event: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the tags of an event by name."""
    return rows_of(sorted((event.get("tags") or {}).items()))


def context_groups(event: Mapping[str, Any]) -> tuple[Group, ...]:
    """Return the contexts: what was at work first, where it runs last."""
    contexts = event.get("contexts") or {}
    groups = [
        Group(one_line(name), rows_of(_without_type(found, name)))
        for name, found in list(contexts.items())[:MAX_ROWS]
        if isinstance(found, Mapping)
    ]
    groups.sort(key=lambda group: group.title.lower() in _OF_MACHINE)
    return tuple(group for group in groups if group.rows)


def extra_rows(event: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the extra data that the app handed over."""
    return rows_of(event.get("extra") or {})


def breadcrumbs_of(event: Mapping[str, Any]) -> Breadcrumbs:
    """Return what happened before the event."""
    values = (event.get("breadcrumbs") or {}).get("values") or []
    end = seconds_of(event.get("timestamp"))
    views = [_breadcrumb(found, end) for found in values[-MAX_ROWS:] if found]
    return Breadcrumbs(
        tuple(views[:-MAX_LAST_BREADCRUMBS]), tuple(views[-MAX_LAST_BREADCRUMBS:])
    )


def notes_of(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Return in words what is missing from an event, or was changed in it."""
    notes = [_note(found) for found in event.get("errors") or [] if found]
    if len(notes) > MAX_ROWS:
        notes[MAX_ROWS:] = [f"{number(len(notes) - MAX_ROWS)} more notes"]
    return tuple(dict.fromkeys(notes))


def rows_of(found: Mapping[str, Any] | Iterable[Any]) -> tuple[Row, ...]:
    """Return a mapping, or pairs, as rows; those too many are counted in a last one."""
    pairs = list(found.items() if isinstance(found, Mapping) else found)
    rows = [
        Row(one_line(str(pair[0]), 120), value(pair[1]))
        for pair in pairs[:MAX_ROWS]
        if pair and len(pair) == 2
    ]
    if len(pairs) > MAX_ROWS:
        rows.append(Row("…", Value(f"{number(len(pairs) - MAX_ROWS)} more")))
    return tuple(rows)


def _request_groups(request: Mapping[str, Any]) -> tuple[Group, ...]:
    query = parse_qsl(request.get("query_string") or "", keep_blank_values=True)
    groups = (
        Group("Query", rows_of(query)),
        Group("Headers", rows_of(request.get("headers") or [])),
        Group("Cookies", rows_of(request.get("cookies") or {})),
        Group("Environment", rows_of(request.get("env") or {})),
    )
    return tuple(group for group in groups if group.rows)


def _without_type(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A context without the type that its name says already."""
    return {key: text for key, text in found.items() if (key, text) != ("type", name)}


def _breadcrumb(found: Mapping[str, Any], end: float | None) -> BreadcrumbView:
    time = seconds_of(found.get("timestamp"))
    when = ""
    if time is not None and end is not None:
        side = "before" if time <= end else "after"
        seconds = abs(end - time)
        when = f"{duration(seconds) if seconds >= 0.001 else 'just'} {side}"
    data = dict(found.get("data") or {})
    message = found.get("message") or _exchange(data)
    if found.get("type") == "query" and len(message) <= MAX_LINE_LENGTH:
        message = " ".join(message.split())
    return BreadcrumbView(
        when=when,
        iso=one_line(found.get("timestamp") or ""),
        level=one_line(found.get("level") or "info", 20),
        category=one_line(found.get("category") or found.get("type") or "", 80),
        message=value(message),
        data=(*_measures(data), *rows_of(data)),
    )


def _exchange(data: dict[str, Any]) -> str:
    """Take what tells of a request to another server, as one line.

    ``GET https://rates.example/v1 503 Service Unavailable``.
    """
    if not isinstance(data.get("url"), str):
        return ""
    parts = (data.pop(name, "") for name in ("method", "url", "status_code", "reason"))
    return " ".join(str(part) for part in parts if part not in ("", None))


def _measures(data: dict[str, Any]) -> Iterator[Row]:
    """Take how often something happened and how long it took, as a person says it."""
    times, took_ms = data.get("times"), data.get("duration_ms")
    if isinstance(times, int) and times > 1:
        yield Row("times", Value(number(data.pop("times"))))
    if isinstance(took_ms, int | float) and 0 <= took_ms < _MAX_MS:
        del data["duration_ms"]
        seconds = took_ms / 1e3
        is_short = took_ms < 10
        yield Row("took", Value(f"{took_ms:.2g} ms" if is_short else duration(seconds)))


_NOTE_WORDS = {
    "left_out": "left out",
    "too_large": "the event was too large",
    "failed": "could not be collected",
    "invalid_data": "was not of the expected type and is not shown",
    "value_too_long": "was too long and was cut",
    "past_timestamp": "lay too far in the past",
    "future_timestamp": "lay in the future",
    "clock_drift": "came from a clock that is wrong, and was corrected",
}


def _note(found: Mapping[str, Any]) -> str:
    kind = one_line(found.get("type") or "note", 80)
    words = _NOTE_WORDS.get(kind, kind.replace("_", " "))
    name = one_line(found.get("name") or "", 120)
    detail = found.get("value")
    said = one_line(value(detail).text) if detail not in (None, "") else ""
    return ": ".join(part for part in (name, words, said) if part)
