"""For the tests of an app: see the events it would have sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from .client import Client
from .envelope import Envelope
from .errors import ErrTrackError
from .event import Event


@contextmanager
def capture_events(app: Flask) -> Iterator[list[Event]]:
    """Yield a list that fills with the app's events, as they would be on the wire.

    ::

        with capture_events(app) as events:
            app.test_client().get("/broken")
        assert events[0]["exception"]["values"][-1]["type"] == "KeyError"

    Nothing is written or sent meanwhile.

    :raises ErrTrackError: the app has no ErrTrack.
    """
    client = app.extensions.get("errtrack")
    if not isinstance(client, Client):
        raise ErrTrackError(f"{app!r} has no ErrTrack; call init_app first")
    events: list[Event] = []
    outer, client.diversion = client.diversion, _EventList(events)
    try:
        yield events
    finally:
        client.diversion = outer


class _EventList:
    """A transport into a list."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def send(self, envelope: Envelope) -> None:
        self._events.extend(envelope.events)
