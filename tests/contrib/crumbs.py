"""What the tests of breadcrumbs ask: which ones an event has."""

from __future__ import annotations

from typing import Any

from flask_errtrack import Client, ErrTrack
from flask_errtrack.event import Event
from flask_errtrack.transports import MemoryTransport


def crumbs_of(
    errtrack: ErrTrack | Client, sent: MemoryTransport
) -> list[dict[str, Any]]:
    """Capture a message here and now; return the breadcrumbs that go with it."""
    errtrack.capture_message("what happened before?")
    crumbs: list[Any] = sent.events[-1].get("breadcrumbs", {"values": []})["values"]
    return crumbs


def lines_of(errtrack: ErrTrack | Client, sent: MemoryTransport) -> list[str]:
    """The messages of the breadcrumbs."""
    return [crumb["message"] for crumb in crumbs_of(errtrack, sent)]


def kept_in(client: Client) -> list[str]:
    """The messages of the breadcrumbs of whoever is at work, without an event."""
    event = Event(event_id="0" * 32, timestamp="", platform="python")
    made = client.scope.apply(event)
    return [crumb["message"] for crumb in made["breadcrumbs"]["values"]]
