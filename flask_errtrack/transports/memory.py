"""What is kept in memory: a transport for tests, and an outbox without a disk."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import Refused
from ..event import Event
from ..protocol.envelope import Envelope
from .ledger import Ledger


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


class MemoryOutbox:
    """An outbox that lives as long as its process."""

    def __init__(self, max_bytes: int) -> None:
        self.ledger = Ledger(None)
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[str, bytes] = OrderedDict()
        self._size_bytes = 0
        self._numbers = itertools.count()
        self._lock = threading.RLock()
        self._turn = threading.Lock()

    def put(self, data: bytes, category: str) -> None:
        """Keep one envelope."""
        with self._lock:
            if self._size_bytes + len(data) > self._max_bytes:
                raise Refused(f"the outbox is full ({self._max_bytes} bytes)")
            self._size_bytes += len(data)
            self._waiting[f"{next(self._numbers):020}.{category}"] = data

    def hold(self, data: bytes, category: str) -> Callable[[], None]:
        """Keep nothing: memory is no safer than where the envelope is."""
        return lambda: None

    def names(self) -> list[str]:
        """Return the names of what waits, the oldest first."""
        with self._lock:
            return list(self._waiting)

    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._waiting

    def category_of(self, name: str) -> str:
        """Return the category that a name tells."""
        return name.partition(".")[2]

    def read(self, name: str) -> bytes | None:
        """Return an envelope, or None if it is gone."""
        return self._waiting.get(name)

    def remove(self, name: str) -> None:
        """Forget an envelope."""
        with self._lock:
            self._size_bytes -= len(self._waiting.pop(name, b""))

    def set_aside(self, name: str) -> None:
        """Forget an envelope: memory has no place for what is of no use."""
        self.remove(name)

    def sweep(self) -> list[str]:
        """Keep everything: a process does not live that long."""
        return []

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Let one thread deliver: a closed worker may still be at its last envelope."""
        has_turn = self._turn.acquire(blocking=False)
        try:
            yield has_turn
        finally:
            if has_turn:
                self._turn.release()
