"""A transport that keeps envelopes in a list, for tests and for looking at."""

from __future__ import annotations

from ..envelope import Envelope
from ..event import Event


class MemoryTransport:
    """Keeps what is sent in :attr:`envelopes`."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    def send(self, envelope: Envelope) -> None:
        """Keep one envelope."""
        self.envelopes.append(envelope)

    @property
    def events(self) -> list[Event]:
        """The events, as they would be on the wire, the oldest first."""
        return [event for envelope in self.envelopes for event in envelope.events]
