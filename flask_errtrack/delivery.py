"""Hands finished events to the transport, now or at the end of the request."""

from __future__ import annotations

from collections.abc import Callable

from .drops import Drops
from .envelope import Envelope
from .errors import Refused, guard
from .host import Host
from .scope import Work
from .transports import Transport

# Which of several events of one request its g.event_id names.
MESSAGE, HANDLED, UNHANDLED = range(3)
# How many events of one request may wait for a better report.
_MAX_HELD = 10


class Delivery:
    """The way out of a client.

    :param find_transport: returns the transport of the moment.
    :param drops: counts what could not be handed over, by reason.
    """

    def __init__(
        self,
        find_transport: Callable[[], Transport | None],
        host: Host,
        drops: Drops,
    ) -> None:
        self._find_transport = find_transport
        self._host = host
        self._drops = drops
        #: Where events wait: mostly nowhere, which spares a look at each request.
        self.holding: set[Work] = set()

    def send(
        self,
        event_id: str,
        envelope: Envelope | None,
        work: Work,
        rank: int,
        may_wait: bool = False,
    ) -> str | None:
        """Hand an event on; return its id, or None if it is dropped.

        :param envelope: None: a hook dropped the event.
        :param may_wait: keep it until the end of the request, for a report that
            knows more of the same error.
        """
        work.held.pop(event_id, None)
        is_accepted = envelope is not None and (may_wait or self.deliver(envelope))
        if is_accepted:
            work.accept(event_id, rank)
        else:
            work.discard(event_id)
        self._host.show_event_id(work.event_id)
        if envelope is not None and may_wait:
            work.held[event_id] = envelope
            self.holding.add(work)
            self.send_held(work, _MAX_HELD)
        return event_id if is_accepted else None

    def send_held(self, work: Work, keep: int = 0) -> None:
        """Send what waits, but for the newest ``keep`` events."""
        for event_id in list(work.held)[: max(len(work.held) - keep, 0)]:
            envelope = work.held.pop(event_id, None)
            if envelope is not None and not self.deliver(envelope):
                work.discard(event_id)
                self._host.show_event_id(work.event_id)
        if not work.held:
            self.holding.discard(work)

    def deliver(self, envelope: Envelope) -> bool:
        """Hand an envelope over; tell whether it was taken. What was not is counted."""
        transport = self._find_transport()
        if transport is None:
            return False
        with guard("sending an event") as sending:
            try:
                transport.send(envelope)
            except Refused:
                if getattr(transport, "drops", None) is not self._drops:
                    self._drops.count("send_error", envelope.category)
                return False
        if sending.error is not None:
            self._drops.count("send_error", envelope.category)
        return sending.error is None
