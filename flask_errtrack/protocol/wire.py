"""The last step before JSON: an event in the shape that the protocol wants.

A hook of the developer may have put anything anywhere. What does not fit is left
out with a note; it never costs the event.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from ..event import LEVELS, Event, Level
from ..notes import note
from ..reading.serialize import safe_text

_FIELDS = frozenset(Event.__annotations__)
_MAX_TAG_LENGTH = 200
_NOT_IN_TAG_KEYS = re.compile(r"[^a-zA-Z0-9_.:-]+")
# What Sentry's Relay does not take as a release or environment, and as a dist.
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f/\\]+")
_NOT_IN_DISTS = re.compile(r"[^a-zA-Z0-9_.-]+")
_TYPES: dict[str, type] = {
    "errors": list,
    "breadcrumbs": dict,
    "contexts": dict,
    "dist": str,
    "environment": str,
    "exception": dict,
    "extra": dict,
    "fingerprint": list,
    "logentry": dict,
    "logger": str,
    "modules": dict,
    "release": str,
    "request": dict,
    "sdk": dict,
    "server_name": str,
    "tags": dict,
    "threads": dict,
    "transaction": str,
    "transaction_info": dict,
    "user": dict,
}
_USER_TEXTS = ("id", "username", "email", "name", "ip_address")
_LEVELS: dict[str, Level] = {
    **{level: level for level in LEVELS},
    "warn": "warning",
    "critical": "fatal",
}


def level_of(value: Any) -> Level:
    """Return the level that a name or a number of logging means; else ``error``."""
    if not isinstance(value, int):
        return _LEVELS.get(str(value).lower(), "error")
    if value >= 50:
        return "fatal"
    if value >= 40:
        return "error"
    if value >= 30:
        return "warning"
    return "info" if value >= 20 else "debug"


def copied(value: Any) -> Any:
    """Return a copy of JSON values that shares no list and no dict with them."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def as_wire(event: Event) -> Event:
    """Return an event without what is empty, and with texts where texts belong."""
    made: Any = {name: event[name] for name in event if name in _FIELDS}  # type: ignore[literal-required]
    for name in event.keys() - _FIELDS:
        note(made, "left_out", name, "not a field of an event")
    _drop_wrong_types(made)
    made["level"] = level_of(made.get("level"))
    made["platform"] = made.get("platform") or "python"
    made["timestamp"] = _seconds(made.get("timestamp"))
    _reshape(made)
    return cast("Event", made)


def _drop_wrong_types(made: Any) -> None:
    """Leave out what is empty or of a wrong type, which is noted."""
    for name, kind in _TYPES.items():
        value = made.get(name)
        if not value or not isinstance(value, kind):
            made.pop(name, None)
        if value and not isinstance(value, kind):
            note(made, "left_out", name, f"a {type(value).__name__}")


def _reshape(made: Any) -> None:
    """Bring fields into their shapes; what then is empty is left out, a text noted."""
    for name in [one for one in _SHAPES if one in made]:
        value = made[name]
        made[name] = _SHAPES[name](value)
        if not made[name]:
            del made[name]
            if isinstance(value, str):
                note(made, "left_out", name, f"{value!r:.100} is no {name}")


def _seconds(value: Any) -> float:
    """Seconds since 1970: all receivers take them, and not all take text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        time_of_event = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return time.time()
    return time_of_event.replace(tzinfo=time_of_event.tzinfo or UTC).timestamp()


def _tags(tags: dict[str, Any]) -> dict[str, str]:
    """Tags as Sentry takes them; one without a key or value tells nothing."""
    texts = {
        _NOT_IN_TAG_KEYS.sub("-", key): " ".join(safe_text(value).splitlines()).strip()
        for key, value in tags.items()
    }
    return {key: text[:_MAX_TAG_LENGTH] for key, text in texts.items() if key and text}


def _name(
    forbidden: re.Pattern[str], limit: int, *reserved: str
) -> Callable[[str], str]:
    def shape(text: str) -> str:
        name = forbidden.sub("-", text).strip()[:limit].strip()
        return "" if name.lower() in reserved else name

    return shape


def _log_entry(entry: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        name: safe_text(entry[name])
        for name in ("message", "formatted")
        if entry.get(name)
    }
    params = entry.get("params")
    if made and params is not None:
        made["params"] = params if isinstance(params, list | dict) else [params]
    return made


def _user(user: dict[str, Any]) -> dict[str, Any]:
    return {
        key: safe_text(value) if key in _USER_TEXTS and value is not None else value
        for key, value in user.items()
    }


def _breadcrumbs(crumbs: dict[str, Any]) -> dict[str, Any]:
    values = crumbs.get("values")
    values = values if isinstance(values, list) else []
    kept = [one for one in values if isinstance(one, dict)]
    for crumb in kept:
        if "level" in crumb:
            crumb["level"] = level_of(crumb["level"])
    return {"values": kept} if kept else {}


_SHAPES: dict[str, Any] = {
    "breadcrumbs": _breadcrumbs,
    "contexts": lambda found: {
        name: value for name, value in found.items() if isinstance(value, dict)
    },
    "dist": _name(_NOT_IN_DISTS, 64),
    "environment": _name(_NOT_IN_NAMES, 64, "none", ".", ".."),
    "fingerprint": lambda parts: [safe_text(part) for part in parts],
    "logentry": _log_entry,
    "logger": lambda text: " ".join(text.splitlines()),
    "release": _name(_NOT_IN_NAMES, 200, "latest", ".", ".."),
    "tags": _tags,
    "user": _user,
}
