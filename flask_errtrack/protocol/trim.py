"""Keeps an event below the size that every server takes.

Cuts in a fixed order, least useful first, and notes in the event what was cut.
Believes in no shape: a hook of the app may have changed the event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ..event import Event, ExceptionValue, Frame, exceptions_of, frames_of, parts_of
from ..notes import note
from .envelope import encode_json

MAX_EVENT_BYTES = 1024 * 1024
_FEW_BREADCRUMBS = 10
_FEW_EXCEPTIONS = 5
_FEW_FRAMES = 10
_FEW_CHARACTERS = 200


def trimmed(event: Event, max_bytes: int = MAX_EVENT_BYTES) -> tuple[Event, bytes]:
    """Return the event, cut as far as needed, and its JSON of at most ``max_bytes``."""
    payload = encode_json(event)
    for what, cut in _STEPS:
        if len(payload) <= max_bytes:
            break
        note(event, "too_large", what, "left out")
        cut(event)
        payload = encode_json(event)
    if len(payload) > max_bytes:
        event = _bare(event)
        payload = encode_json(event)
    return event, payload


def _cut_library_variables(event: Event) -> None:
    for frame in frames_of(event):
        if not frame.get("in_app"):
            frame.pop("vars", None)


def _cut_variables(event: Event) -> None:
    for frame in frames_of(event):
        frame.pop("vars", None)


def _cut_source(event: Event) -> None:
    for frame in frames_of(event):
        frame.pop("pre_context", None)
        frame.pop("post_context", None)


def _cut_breadcrumbs(event: Event) -> None:
    crumbs = parts_of(event.get("breadcrumbs"), "values")[-_FEW_BREADCRUMBS:]
    for crumb in crumbs:
        crumb.pop("data", None)
    event["breadcrumbs"] = {"values": crumbs}


def _cut_body(event: Event) -> None:
    _pop(event.get("request"), "data")


def _cut_extra(event: Event) -> None:
    event.pop("extra", None)
    event.pop("contexts", None)
    _pop(event.get("user"), "data")


def _pop(part: Any, name: str) -> None:
    if isinstance(part, dict):
        part.pop(name, None)


_STEPS: tuple[tuple[str, Callable[[Event], None]], ...] = (
    ("local variables of libraries", _cut_library_variables),
    ("local variables", _cut_variables),
    ("source lines around the failing ones", _cut_source),
    ("breadcrumbs but the newest", _cut_breadcrumbs),
    ("request body", _cut_body),
    ("extra and contexts", _cut_extra),
)


def _bare(event: Event) -> Event:
    """The event's identity, types and places: for one whose texts are too large."""
    made = cast("Event", _shortened(event, _IDENTITY))
    values = [*exceptions_of(event)][-_FEW_EXCEPTIONS:]
    if values:
        made["exception"] = {"values": [_bare_value(value) for value in values]}
    elif isinstance(event.get("logentry"), dict):
        made["logentry"] = cast("Any", _shortened(event["logentry"], ("message",)))
    note(made, "too_large", "event", "only types and places are left")
    return made


def _bare_value(value: ExceptionValue) -> ExceptionValue:
    made = cast("ExceptionValue", _shortened(value, ("type", "value", "module")))
    frames = parts_of(value.get("stacktrace"), "frames")[-_FEW_FRAMES:]
    if frames:
        places = [cast("Frame", _shortened(frame, _PLACE)) for frame in frames]
        made["stacktrace"] = {"frames": places}
    return made


def _shortened(part: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int) else str(value)[:_FEW_CHARACTERS]
        for name in names
        if (value := part.get(name)) is not None
    }


_IDENTITY = ("event_id", "timestamp", "platform", "level", "environment", "release")
_PLACE = ("filename", "module", "function", "lineno", "in_app", "context_line")
