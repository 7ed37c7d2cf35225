"""Keeps an event below the size that every server takes.

Cuts in a fixed order, least useful first, and notes in the event what was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from .envelope import encode_json
from .event import Event, ExceptionValue, Frame
from .notes import note

MAX_EVENT_BYTES = 1024 * 1024
_FEW_BREADCRUMBS = 10


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


def frames_of(event: Event) -> Iterator[Frame]:
    """Yield every frame of every exception of an event."""
    for value in event.get("exception", {"values": []})["values"]:
        yield from value.get("stacktrace", {"frames": []})["frames"]


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
    crumbs = event.get("breadcrumbs", {"values": []})["values"][-_FEW_BREADCRUMBS:]
    for crumb in crumbs:
        crumb.pop("data", None)
    event["breadcrumbs"] = {"values": crumbs}


def _cut_body(event: Event) -> None:
    event.get("request", {}).pop("data", None)


def _cut_extra(event: Event) -> None:
    event.pop("extra", None)
    event.pop("contexts", None)
    event.get("user", {}).pop("data", None)


_STEPS: tuple[tuple[str, Callable[[Event], None]], ...] = (
    ("local variables of libraries", _cut_library_variables),
    ("local variables", _cut_variables),
    ("source lines around the failing ones", _cut_source),
    ("breadcrumbs but the newest", _cut_breadcrumbs),
    ("request body", _cut_body),
    ("extra and contexts", _cut_extra),
)


def _bare(event: Event) -> Event:
    """The event's identity and types: what is left when one text is too large."""
    kept = {key: event[key] for key in _IDENTITY if key in event}  # type: ignore[literal-required]
    made = cast("Event", kept)
    values = event.get("exception", {"values": []})["values"][-5:]
    if values:
        made["exception"] = {"values": [_bare_value(value) for value in values]}
    note(made, "too_large", "event", "only types are left")
    return made


def _bare_value(value: ExceptionValue) -> ExceptionValue:
    text = str(value.get("value", ""))
    return ExceptionValue(type=str(value["type"])[:200], value=text[:1000])


_IDENTITY = ("event_id", "timestamp", "platform", "level", "environment", "release")
