"""From whatever JSON came to an event whose shape pages and grouping can trust.

The table :data:`EVENT` says what each field must be. Nothing is refused for a
field: what is wrong is dropped, and noted in the event's ``errors``. Shapes of
older clients are turned into today's. Knows no database.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, cast
from urllib.parse import urlencode

from ...event import LEVELS, Event, UserReport
from ...protocol.envelope import encode_json
from .checkers import (
    DROPPED,
    Notes,
    Path,
    Text,
    clean,
    data,
    fields,
    flag,
    lines,
    list_of,
    mapping,
    mapping_of,
    moment,
    one_of,
    pairs_in,
    reshaped,
    whole,
)
from .clocks import correct_clock, nearest

#: What a page can show and a person will read.
MAX_MESSAGE_LENGTH = 8192
MAX_TAGS = 200

_PLAIN_ID = re.compile("[0-9a-f]{32}")


def normalize_event(raw: object, received_at: float, sent_at: object = None) -> Event:
    """Return an event of exactly the shape of :class:`flask_errtrack.event.Event`.

    :param raw: what a client sent, as parsed JSON of any shape.
    :param received_at: seconds since 1970; its own time is kept near it.
    :param sent_at: the time that the sender's clock had then, as it came.
    """
    notes = Notes()
    found = EVENT(_modern(raw), (), notes)
    if found is DROPPED:
        found = {}
    correct_clock(found, sent_at, received_at, notes)
    event = {name: value for name, value in found.items() if not _is_empty(value)}
    if "event_id" not in event:
        event["event_id"] = uuid.uuid4().hex
    event.setdefault("platform", "other")
    event["timestamp"] = nearest(event.pop("timestamp", None), received_at, notes)
    if notes.entries:
        event["errors"] = event.get("errors", []) + notes.entries
    return cast("Event", event)


def normalize_report(raw: object) -> UserReport | None:
    """Return what a person wrote about an event; None if no event is named."""
    report = _REPORT(raw, (), Notes())
    if report is DROPPED or "event_id" not in report:
        return None
    return cast("UserReport", report)


def _event_id(raw: Any, path: Path, notes: Notes) -> Any:
    """An event id: 32 hex digits, however they were written."""
    if isinstance(raw, str):
        plain = raw.strip().replace("-", "").lower()
        if _PLAIN_ID.fullmatch(plain):
            return plain
    return notes.drop(path, raw)


def _modern(raw: object) -> object:
    """An event with the field names of today."""
    if not isinstance(raw, dict):
        return raw
    modern = {_LEGACY_NAMES.get(name, name): value for name, value in raw.items()}
    if modern.get("logentry") is None:
        modern["logentry"] = modern.get("message")
    return modern


def _is_empty(value: Any) -> bool:
    return value in ({}, [], {"values": []})


def _as_thread(raw: Any) -> Any:
    """The one thread that the event is about; others may be hundreds."""
    threads = _as_values(raw)
    values = threads.get("values") if isinstance(threads, dict) else None
    if not isinstance(values, list):
        return threads
    known = [one for one in values if isinstance(one, dict)]
    crashed = [one for one in known if one.get("crashed") is True]
    current = [one for one in known if one.get("current") is True]
    return {"values": (crashed or current or known or values)[:1]}


def _as_values(raw: Any) -> Any:
    """Lists that came bare, or with one entry alone."""
    if isinstance(raw, list):
        return {"values": raw}
    if isinstance(raw, dict) and "values" not in raw:
        return {"values": [raw]}
    return raw


def _as_log_entry(raw: Any) -> Any:
    if isinstance(raw, str):
        return {"message": raw}
    if isinstance(raw, dict) and raw.get("params") is not None:
        return {**raw, "params": _as_list(raw["params"])}
    return raw


def _as_text(raw: Any) -> Any:
    return _plain(raw) if isinstance(raw, dict | list) else raw


def _as_list(raw: Any) -> Any:
    return raw if isinstance(raw, list) else [raw]


def _as_query(raw: Any) -> Any:
    items = raw.items() if isinstance(raw, dict) else pairs_in(raw)
    if items is None:
        return raw
    pairs = [(_plain(key), _plain(value)) for key, value in items]
    return urlencode(pairs, errors="replace")


def _as_cookies(raw: Any) -> Any:
    if not isinstance(raw, str):
        return raw
    parts = [part.strip().partition("=") for part in raw.split(";")]
    return {name: value for name, _, value in parts if name}


def _as_user(raw: Any) -> Any:
    """Fields that have no place of their own stand in ``data``."""
    if not isinstance(raw, dict):
        return raw
    stored = raw.get("data")
    others = {
        name: value
        for name, value in raw.items()
        if name not in _USER_FIELDS and value is not None
    }
    if isinstance(stored, dict):
        others |= stored
    return {**raw, "data": others} if others else raw


def _headers(raw: Any, path: Path, notes: Notes) -> Any:
    items = raw.items() if isinstance(raw, dict) else pairs_in(raw)
    if items is None:
        return notes.drop(path, raw)
    return [
        [clean(_plain(name), 200), clean(_plain(value), MAX_MESSAGE_LENGTH)]
        for name, values in list(items)[:200]
        for value in (values if isinstance(values, list) else [values])[:20]
    ]


def _plain(raw: Any) -> str:
    """Any JSON as one text; nothing for ``null``."""
    if raw is None or isinstance(raw, str):
        return raw or ""
    return encode_json(data(raw, (), Notes())).decode()


_LEGACY_NAMES = {
    "sentry.interfaces.Exception": "exception",
    "sentry.interfaces.Http": "request",
    "sentry.interfaces.Message": "logentry",
    "sentry.interfaces.User": "user",
}

_USER_FIELDS = ("id", "username", "email", "name", "ip_address", "data")

_SHORT = Text(200)
_LONG = Text(MAX_MESSAGE_LENGTH)
_PATH = Text(2048)

_LEVEL = one_of(
    LEVELS,
    # What other languages, and Python's numeric levels, call them.
    {"warn": "warning", "critical": "fatal", "log": "info"}
    | {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "fatal"},
)

_FRAME = fields(
    {
        "filename": _PATH,
        "abs_path": _PATH,
        "module": _PATH,
        "function": _PATH,
        "lineno": whole,
        "colno": whole,
        "pre_context": lines(2048, 20),
        "context_line": Text(2048),
        "post_context": lines(2048, 20),
        "in_app": flag,
        "vars": mapping(100),
    }
)

_MECHANISM = fields(
    {
        "type": _SHORT,
        "handled": flag,
        "source": _SHORT,
        "exception_id": whole,
        "parent_id": whole,
        "is_exception_group": flag,
        "data": mapping(),
    },
    type="generic",
)

_STACKTRACE = fields({"frames": list_of(_FRAME, 50, 200)}, frames=[])


def _thread_id(raw: Any, path: Path, notes: Notes) -> Any:
    """A number or a text."""
    check = whole if type(raw) in (int, float) else Text(64)
    return check(raw, path, notes)


_THREAD = fields(
    {
        "id": _thread_id,
        "name": _SHORT,
        "current": flag,
        "crashed": flag,
        "stacktrace": _STACKTRACE,
    }
)

_EXCEPTION = fields(
    {
        "type": _SHORT,
        "value": reshaped(_as_text, Text(MAX_MESSAGE_LENGTH, of_scalars=True)),
        "module": _SHORT,
        "thread_id": whole,
        "mechanism": _MECHANISM,
        "stacktrace": _STACKTRACE,
    },
    type="Error",
)

_BREADCRUMB = fields(
    {
        "type": _SHORT,
        "category": _SHORT,
        "message": reshaped(_as_text, Text(MAX_MESSAGE_LENGTH, of_scalars=True)),
        "level": _LEVEL,
        "timestamp": moment,
        "data": mapping(),
    }
)

_REQUEST = fields(
    {
        "method": Text(20),
        "url": _LONG,
        "query_string": reshaped(_as_query, _LONG),
        "headers": _headers,
        "cookies": reshaped(_as_cookies, mapping_of(Text(4096, of_scalars=True), 100)),
        "data": data,
        "env": mapping_of(Text(2048, of_scalars=True), 100),
    }
)

_USER = fields(
    {
        "id": Text(200, of_scalars=True),
        "username": Text(200, of_scalars=True),
        "email": _SHORT,
        "name": _SHORT,
        "ip_address": _SHORT,
        "data": mapping(),
    }
)

_LOG_ENTRY = fields(
    {
        "message": _LONG,
        "params": data,
        "formatted": _LONG,
    }
)

_SOURCES = ("custom", "url", "route", "view", "component", "sanitized", "task")

EVENT = fields(
    {
        "event_id": _event_id,
        "timestamp": moment,
        "platform": Text(64),
        "level": _LEVEL,
        "logger": _SHORT,
        "transaction": _SHORT,
        "transaction_info": fields({"source": one_of((*_SOURCES, "unknown"))}),
        "server_name": _SHORT,
        "release": _SHORT,
        "dist": Text(64, of_scalars=True),
        "environment": Text(64),
        "fingerprint": reshaped(_as_list, list_of(Text(200, of_scalars=True), 10)),
        "exception": reshaped(
            _as_values, fields({"values": list_of(_EXCEPTION, 10, 40)}, values=[])
        ),
        "threads": reshaped(
            _as_thread, fields({"values": list_of(_THREAD, 1)}, values=[])
        ),
        "logentry": reshaped(_as_log_entry, _LOG_ENTRY),
        "request": _REQUEST,
        "user": reshaped(_as_user, _USER),
        "tags": mapping_of(Text(200, of_scalars=True), MAX_TAGS),
        "extra": mapping(),
        "contexts": mapping_of(mapping(), 50),
        "breadcrumbs": reshaped(
            _as_values, fields({"values": list_of(_BREADCRUMB, 0, 100)}, values=[])
        ),
        "modules": mapping_of(_SHORT, 1000),
        "errors": list_of(
            fields({"type": _SHORT, "name": _SHORT, "value": data}, type="unknown"), 50
        ),
        "sdk": fields({"name": _SHORT, "version": _SHORT}, name="", version=""),
    }
)

_REPORT = fields(
    {"event_id": _event_id, "name": _SHORT, "email": _SHORT, "comments": _LONG},
    comments="",
)
