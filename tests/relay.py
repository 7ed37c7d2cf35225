"""What Sentry's own Relay makes of an event: the code that every event there passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from sentry_relay.processing import StoreNormalizer

from flask_errtrack.event import Event

_NORMALIZER = StoreNormalizer()
_KEPT = (
    "event_id",
    "level",
    "platform",
    "logger",
    "transaction",
    "environment",
    "release",
    "dist",
    "fingerprint",
    "modules",
)


def problems_of(event: Event) -> list[str]:
    """Return what Relay finds wrong with an event, and what it would not keep."""
    # Relay makes the server a tag.
    tags = {"server_name": event.get("server_name"), **event.get("tags", {})}
    kept = _NORMALIZER.normalize_event(event)
    problems = [f"{where}: {error}" for where, error in _errors(kept.get("_meta"))]
    came, went = _contents(kept), _contents({**event, "tags": tags})
    for name, value in went.items():
        if came[name] != value:
            problems.append(f"{name}: sent {value!r:.300}, kept {came[name]!r:.300}")
    return problems


def _errors(meta: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(meta, dict):
        for name, value in meta.items():
            if name == "" and "err" in value:
                yield path, value
            yield from _errors(value, f"{path}.{name}")


def _contents(event: Any) -> dict[str, Any]:
    """What counts in an event, in a form that does not tell who wrote it."""
    values = event.get("exception", {}).get("values", [])
    user, request = event.get("user") or {}, event.get("request") or {}
    entry, tags = event.get("logentry") or {}, event.get("tags") or {}
    return {
        **{name: event.get(name) or None for name in _KEPT},
        "exceptions": [
            (one.get("type"), one.get("value") or None, one.get("module"))
            for one in values
        ],
        "mechanisms": [one.get("mechanism") for one in values],
        "frames": [
            [
                [frame.get(name) for name in ("function", "lineno", "in_app")]
                for frame in one.get("stacktrace", {}).get("frames", [])
            ]
            for one in values
        ],
        "message": entry.get("formatted") or entry.get("message"),
        "params": entry.get("params"),
        "tags": {key: value for key, value in dict(tags).items() if value},
        "user": {name: user.get(name) for name in ("id", "email", "username")},
        "url": unquote(str(request.get("url")).partition("?")[0]),
        "method": request.get("method"),
        "crumbs": len((event.get("breadcrumbs") or {}).get("values", [])),
        "extra": sorted(event.get("extra") or {}),
        "contexts": sorted(set(event.get("contexts") or {}) - {"trace"}),
    }
