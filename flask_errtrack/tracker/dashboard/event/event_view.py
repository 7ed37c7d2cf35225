"""One event as its page shows it: the stack, the request, and all the rest.

Pure: from the event's JSON to text. The parts are made in ``stack`` and
``details``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....words import MAX_VALUE_LENGTH, Moment, Value, moment, one_line, value
from ...events.checkers import seconds_of
from . import details, stack
from .chain import chain_of


@dataclass(frozen=True)
class EventView:
    """One event. ``route`` is ``POST /orders/<int:id>``, as far as known."""

    event_id: str
    time: Moment
    type: str
    text: str
    message: Value | None
    place: str
    function: str
    route: str
    facts: tuple[details.Row, ...]
    exceptions: tuple[stack.ExceptionView, ...]
    request: details.RequestView | None
    user: tuple[details.Row, ...]
    tags: tuple[details.Row, ...]
    breadcrumbs: details.Breadcrumbs
    extra: tuple[details.Row, ...]
    contexts: tuple[details.Group, ...]
    notes: tuple[str, ...]


def event_view(
    event: Mapping[str, Any], event_id: str, received_at: float, now: float
) -> EventView:
    """Return an event as it is shown.

    :param received_at: stands in for an event without a time of its own.
    """
    kind, text = headline_of(event)
    frame = stack.raising_frame(event)
    time = seconds_of(event.get("timestamp"))
    return EventView(
        event_id=event_id,
        time=moment(received_at if time is None else time, now),
        type=one_line(kind, 120),
        text=one_line(text.strip().partition("\n")[0], 400),
        message=_message(event),
        place=stack.place_of(frame) if frame else "",
        function=one_line(frame.get("function") or "", 120) if frame else "",
        route=one_line(route_of(event)),
        facts=_facts(event),
        exceptions=tuple(stack.exceptions_of(event)),
        request=details.request_of(event),
        user=details.user_rows(event),
        tags=details.tag_rows(event),
        breadcrumbs=details.breadcrumbs_of(event),
        extra=details.extra_rows(event),
        contexts=details.context_groups(event),
        notes=details.notes_of(event),
    )


def headline_of(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return type and text of what happened; a message has no type."""
    chain = chain_of(event)
    if chain:
        outermost = chain[0].exception
        return outermost.get("type") or "Exception", outermost.get("value") or ""
    return "", message_of(event)


def message_of(event: Mapping[str, Any]) -> str:
    """Return the text of an event's message, with its arguments filled in."""
    entry = event.get("logentry") or {}
    return entry.get("formatted") or entry.get("message") or ""


def route_of(event: Mapping[str, Any]) -> str:
    """Return method and route of the request, or else the transaction."""
    rule = details.route_context(event).get("rule")
    route = rule if isinstance(rule, str) else event.get("transaction") or ""
    method = (event.get("request") or {}).get("method") or ""
    return f"{method} {route}" if method and route.startswith("/") else route


def _message(event: Mapping[str, Any]) -> Value | None:
    text = message_of(event)
    return value(text, 2 * MAX_VALUE_LENGTH) if text else None


def _facts(event: Mapping[str, Any]) -> tuple[details.Row, ...]:
    sdk = event.get("sdk") or {}
    entry = event.get("logentry") or {}
    template = entry.get("message") if entry.get("params") else None
    found = {
        "Transaction": event.get("transaction"),
        "Release": event.get("release"),
        "Environment": event.get("environment"),
        "Server": event.get("server_name"),
        "Logger": event.get("logger"),
        "Thread": stack.thread_of(event).get("name"),
        "Message template": template,
        "Distribution": event.get("dist"),
        "Platform": event.get("platform"),
        "Client": " ".join(filter(None, [sdk.get("name"), sdk.get("version")])),
    }
    return details.rows_of({name: text for name, text in found.items() if text})
