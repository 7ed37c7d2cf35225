"""The last step before JSON: an event in the shape that the protocol wants.

A hook of the developer may have put anything anywhere. What does not fit is left
out with a note; it never costs the event.
"""

from __future__ import annotations

from typing import Any, cast

from .event import LEVELS, Event, Level
from .exceptions import timestamp_now
from .notes import note
from .serialize import safe_text

_FIELDS = frozenset(Event.__annotations__)
_MAX_TAG_LENGTH = 200
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
    "release": str,
    "request": dict,
    "sdk": dict,
    "server_name": str,
    "tags": dict,
    "transaction": str,
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
    for name, kind in _TYPES.items():
        value = made.get(name)
        if not value or not isinstance(value, kind):
            made.pop(name, None)
        if value and not isinstance(value, kind):
            note(made, "left_out", name, f"a {type(value).__name__}")
    made["level"] = level_of(made.get("level"))
    made["platform"] = made.get("platform") or "python"
    made["timestamp"] = made.get("timestamp") or timestamp_now()
    for name, shape in _SHAPES.items():
        if name in made:
            made[name] = shape(made[name])
    if "breadcrumbs" in made and not made["breadcrumbs"]["values"]:
        del made["breadcrumbs"]
    return cast("Event", made)


def _tags(tags: dict[str, Any]) -> dict[str, str]:
    return {key: safe_text(value)[:_MAX_TAG_LENGTH] for key, value in tags.items()}


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
    return {"values": kept}


_SHAPES: dict[str, Any] = {
    "breadcrumbs": _breadcrumbs,
    "contexts": lambda found: {
        name: value for name, value in found.items() if isinstance(value, dict)
    },
    "fingerprint": lambda parts: [safe_text(part) for part in parts],
    "tags": _tags,
    "user": _user,
}
