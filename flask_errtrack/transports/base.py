"""The seam between a client and wherever its events go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from ..protocol.envelope import Envelope


@runtime_checkable
class Transport(Protocol):
    """Takes envelopes.

    ``send`` is all that an object needs to be one. A transport may also have
    ``flush(timeout_seconds) -> bool`` (wait until everything is delivered) and
    ``close()`` (deliver what can be delivered, then stop), ``hold(envelope)`` (keep a
    copy on disk; returns what forgets it), ``timeout_seconds``, how long a ``send``
    may take, which may be set, and ``at_once``, how many threads may call ``send`` at
    once; without it, one.
    """

    def send(self, envelope: Envelope) -> None:
        """Take one envelope.

        :raises TransportError: not delivered now; try again.
        :raises Refused: will never be delivered.
        """


def flush(transport: object, timeout_seconds: float) -> bool:
    """Flush a transport, if it can be flushed: tell whether nothing waits."""
    flush_it = getattr(transport, "flush", None)
    return flush_it is None or bool(flush_it(timeout_seconds))


def hold(transport: object, envelope: Envelope) -> Callable[[], None]:
    """Have a transport keep a copy in case this process is killed, if it can.

    :return: what forgets the copy, when the envelope was sent or is not wanted.
    """
    hold_it = getattr(transport, "hold", None)
    return (lambda: None) if hold_it is None else hold_it(envelope)


def close(transport: object) -> None:
    """Close a transport, if it can be closed."""
    close_it = getattr(transport, "close", None)
    if close_it is not None:
        close_it()


def hurry(transport: object, timeout_seconds: float) -> None:
    """Have a transport that knows a time limit keep to a shorter one."""
    limit = getattr(transport, "timeout_seconds", None)
    if isinstance(limit, int | float) and limit > timeout_seconds:
        transport.timeout_seconds = timeout_seconds  # type: ignore[attr-defined]


def limit_at_once(transport: object) -> int:
    """Return how many envelopes a transport can send at once."""
    limit = getattr(transport, "at_once", 1)
    return limit if isinstance(limit, int) else 1
