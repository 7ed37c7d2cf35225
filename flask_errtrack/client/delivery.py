"""Hands finished events to the transport, now or at the end of the work."""

from __future__ import annotations

import os
import time
import weakref

from ..errors import Refused, guard
from ..host.app import Host
from ..protocol.drops import Drops
from ..protocol.envelope import Envelope
from ..reading.exceptions import causes_of
from ..runtime.process import Exits
from ..scopes.scope import Scope
from ..scopes.work import Held, Work
from ..transports import Transport
from ..transports.base import close as close_transport
from ..transports.base import flush as flush_transport
from ..transports.base import hold
from .alarm import Alarm

# Which of several events of one work its event_id names.
MESSAGE, HANDLED, UNHANDLED = range(3)
# How many events of one work may wait for a better report, and how long.
_MAX_HELD = 10
_LONGEST_WAIT_SECONDS = 2.0


class Delivery:
    """The way out of a client.

    :param transport: where events go; None: nowhere.
    :param is_given: the developer has chosen it, also for tests.
    :param drops: counts what could not be handed over, by reason.
    """

    def __init__(
        self,
        transport: Transport | None,
        is_given: bool,
        host: Host,
        drops: Drops,
    ) -> None:
        self._transport = transport
        self._is_given = is_given
        self._host = host
        self._drops = drops
        #: The newest takes everything instead, for tests: see flask_errtrack.testing.
        self.diversions: list[Transport] = []
        #: Where events wait: mostly nowhere, which spares a look at each request.
        #: Work of a process that has forked is in there, too, and holds nothing here.
        self.holding: set[Work] = set()
        self._alarm = Alarm(self._send_late)
        self._exits: Exits | None = None

    def transport(self) -> Transport | None:
        """Return the transport of the moment."""
        if self.diversions:
            # Another thread may take the last one away meanwhile.
            for newest in self.diversions[-1:]:
                return newest
        is_silent = not self._is_given and self._host.is_silent()
        return None if is_silent else self._transport

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
        :param may_wait: keep it until the end of the work, for a report that
            knows more of the same error.
        """
        if envelope is None:
            # What the hook has let pass of other errors may wait on.
            return None
        earlier = work.release(event_id)
        is_accepted = (
            may_wait and self._hold(event_id, envelope, work)
        ) or self.deliver(envelope)
        if is_accepted:
            work.accept(event_id, rank)
        else:
            work.discard(event_id)
        if earlier is not None:
            earlier.forget()
        self._host.show_event_id(work.event_id)
        return event_id if is_accepted else None

    def _hold(self, event_id: str, envelope: Envelope, work: Work) -> bool:
        """Let an event wait; tell whether it does."""
        until = time.monotonic() + _LONGEST_WAIT_SECONDS
        with guard("letting an event wait") as starting:
            forget = hold(self.transport(), envelope)
            work.held[event_id] = Held(envelope, until, forget)
            self.holding.add(work)
            self._alarm.set(until)
        if starting.error is not None:
            work.discard(event_id)
            return False
        if self._exits is None or self._exits.pid != os.getpid():
            # The program may end before the work does.
            self._exits = _exits_of(self)
        self.send_held(work, _MAX_HELD)
        return True

    def _send_late(self) -> None:
        """Send what has waited too long: the work may go on for days."""
        now = time.monotonic()
        left = []
        for work in list(self.holding):
            for event_id, held in list(work.held.items()):
                if held.until_seconds <= now:
                    self._send_one(event_id, work)
                else:
                    left.append(held.until_seconds)
            self._forget(work)
        if left:
            self._alarm.set(min(left))

    def take_over(self, work: Work, here: Scope | None, error: BaseException) -> None:
        """Let what waits where code runs wait in the work that is to tell of an error.

        :param here: the scope of the running code, if there is one.
        """
        if here is not None and here.work is not work and here.work.held:
            for one in (error, *causes_of(error)):
                work.take_over(here.work, one)
            self._forget(here.work)
            self._forget(work)

    def send_all_held(self) -> None:
        """Send whatever waits."""
        for work in list(self.holding):
            self.send_held(work)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything is delivered; tell whether it is."""
        self.send_all_held()
        return flush_transport(self._transport, timeout_seconds)

    def close(self) -> None:
        """Deliver what can be delivered in time; nothing more comes."""
        self.send_all_held()
        self._alarm.close()
        if self._exits is not None:
            self._exits.forget()
        close_transport(self._transport)

    def send_held(self, work: Work, keep: int = 0) -> None:
        """Send what waits, but for the newest ``keep`` events."""
        for event_id in list(work.held)[: max(len(work.held) - keep, 0)]:
            self._send_one(event_id, work)
        self._forget(work)

    def _forget(self, work: Work) -> None:
        """Look at work no more in which nothing waits."""
        if not work.held:
            self.holding.discard(work)
        if work.held:
            # Another thread has added one meanwhile.
            self.holding.add(work)

    def _send_one(self, event_id: str, work: Work) -> None:
        held = work.release(event_id)
        if held is None:
            return
        if not self.deliver(held.envelope):
            self.drop(event_id, work)
        held.forget()

    def drop(self, event_id: str, work: Work) -> None:
        """Forget an event that waited, and is not wanted after all."""
        work.discard(event_id)
        self._host.show_event_id(work.event_id)

    def deliver(self, envelope: Envelope) -> bool:
        """Hand an envelope over; tell whether it was taken. What was not is counted."""
        transport = self.transport()
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


def _exits_of(delivery: Delivery) -> Exits:
    """Let a delivery that still is there at the end of the program send what waits.

    Once for all that will wait: each call makes a list grow that never shrinks.
    """

    def send() -> None:
        found = known()
        if found is not None:
            found.send_all_held()

    known = weakref.ref(delivery, lambda _: exits.forget())
    exits = Exits(send)
    return exits
