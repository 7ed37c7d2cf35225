"""Takes what waits to the receiver, one round after another.

Finds what may go now, sends it, and settles what becomes of it; ``backoff`` says
how long the rest waits. Knows nothing of threads: its caller says when to stop.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import partial
from itertools import islice
from typing import NamedTuple, Protocol

from ..errors import EnvelopeError, Refused, TransportError, guard, logger
from ..event import timestamp_now
from ..protocol.drops import Drops
from ..protocol.envelope import Envelope
from .backoff import Backoff, asked_seconds
from .base import Transport, limit_at_once
from .base import close as close_transport
from .base import hurry as hurry_transport
from .ledger import ALL, MAX_TEXT, SHORTAGES, Page
from .memory import MemoryOutbox
from .outbox import Outbox
from .tour import Tour, send_at_once

# Who has not got the turn asks again after this share of a first pause.
_TURN_SHARE = 0.1
# A round is cut after that long, so that what failed is tried again and the counts
# are written down though new envelopes come all the time.
_ROUND_SECONDS = 5.0
_SWEEP_SECONDS = 3600.0
_REPORT_SECONDS = 60.0
_MAX_REASONS = 100


class Round(NamedTuple):
    """How a round has ended."""

    #: Nothing waits any more.
    is_done: bool
    #: When to come again if nothing new comes; None: no reason to.
    wait_seconds: float | None = None
    #: Nothing may be sent until then, whatever comes.
    is_paused: bool = False


class Caller(Protocol):
    """Who calls a courier, and may want it back."""

    def is_over(self) -> bool:
        """Tell whether it is time to stop."""

    def rest(self, seconds: float) -> None:
        """Wait, or until it is time to stop."""


class Courier:
    """Delivers what waits in the outboxes of a process.

    :param outbox: where envelopes wait; its ledger is kept.
    :param spare: where they wait if ``outbox`` cannot be written; may be the same.
    :param make_transport: makes the transport that delivers.
    :param sends_reports: tell the receiver what was dropped.
    """

    def __init__(
        self,
        outbox: Outbox,
        spare: MemoryOutbox,
        drops: Drops,
        make_transport: Callable[[], Transport],
        first_pause_seconds: float,
        sends_reports: bool = False,
    ) -> None:
        self.outbox = outbox
        self.spare = spare
        self._drops = drops
        self._make_transport = make_transport
        self._first_pause_seconds = first_pause_seconds
        self._sends_reports = sends_reports
        self._transport: Transport | None = None
        self._backoff = Backoff(first_pause_seconds)
        self._page = Page()
        self._is_cut = False
        self._swept_at = float("-inf")
        # What cannot be taken out of the folder: at least it is not sent twice.
        self._finished: set[str] = set()
        #: Why the last delivery failed, or None since it works.
        self.last_error: str | None = None
        self._refusal: str | None = None

    def round(self, caller: Caller) -> Round:
        """Deliver what may be delivered now."""
        if self._is_idle():
            return Round(True)
        try:
            with self.outbox.turn() as has_turn:
                if has_turn:
                    return self._round(caller, (self.spare, self.outbox))
            wait_seconds = self._first_pause_seconds * _TURN_SHARE
            return Round(False, wait_seconds * random.uniform(0.5, 1.5))
        except OSError as error:
            # The folder cannot be used: what is in memory goes all the same.
            if not self.outbox.is_empty():
                self._tell(f"the outbox cannot be used: {error}")
            return self._round(caller, (self.spare,))

    def hurry(self, timeout_seconds: float) -> None:
        """Spend less time than usual on each envelope."""
        with guard("making the transport"):
            hurry_transport(self._open_transport(), timeout_seconds)

    def _open_transport(self) -> Transport:
        self._transport = self._transport or self._make_transport()
        return self._transport

    def close(self) -> None:
        """Write down what is only in memory, and close the transport."""
        if self.outbox is not self.spare:
            self._save_spare()
        if self._drops.has_untaken():
            with suppress(OSError), self.outbox.turn() as has_turn:
                if has_turn:
                    with self._open_page():
                        pass
        if self._transport is not None:
            close_transport(self._transport)
            self._transport = None

    def _save_spare(self) -> None:
        """Put what waits in memory where it outlives the process, if that works now."""
        with suppress(OSError, Refused):
            for name in self.spare.names():
                if (data := self.spare.read(name)) is not None:
                    self.outbox.put(data, self.spare.category_of(name))
                    self.spare.remove(name)

    def _is_idle(self) -> bool:
        is_empty = self.spare.is_empty() and self._is_empty()
        return is_empty and not self._drops.has_untaken() and not self._owes_report()

    def _is_empty(self) -> bool:
        """Whether nothing waits in the outbox but what only its name is left of."""
        if self.outbox.is_empty():
            return True
        return bool(self._finished) and self._finished.issuperset(self.outbox.names())

    def _round(self, caller: Caller, outboxes: tuple[Outbox, ...]) -> Round:
        with self._open_page():
            self._deliver_all(caller, outboxes)
        if left_seconds := self._page.left_seconds(ALL, time.time()):
            self.last_error = self._page.pauses[ALL].problem
            return Round(False, left_seconds, is_paused=True)
        wait_seconds = self._backoff.wait_seconds(self._page)
        return Round(self._is_idle(), 0.0 if self._is_cut else wait_seconds)

    @contextmanager
    def _open_page(self) -> Iterator[None]:
        """Let the ledger's page be changed, and write it if it was."""
        before = self.outbox.ledger.read()
        self._page = deepcopy(before)
        self._page.count(self._drops.take())
        try:
            yield
        finally:
            self._page.count(self._drops.take())
            if self._page != before:
                self.outbox.ledger.write(self._page)

    def _deliver_all(self, caller: Caller, outboxes: tuple[Outbox, ...]) -> None:
        self._is_cut = False
        self._sweep()
        if self._is_paused():
            return
        with guard("making the transport") as making:
            self._open_transport()
        if self._transport is None:
            self._pause(making.error or TransportError("there is no transport"))
            return
        # The two may be one.
        for outbox in dict.fromkeys(outboxes):
            self._deliver_from(outbox, self._transport, caller)
        waiting = {one.category_of(name) for one in outboxes for name in one.names()}
        self._backoff.drained(self._page, waiting)
        if not waiting and self.outbox in outboxes:
            self.last_error = self._refusal
        if self._owes_report():
            self._report(self._transport)

    def _deliver_from(
        self, outbox: Outbox, transport: Transport, caller: Caller
    ) -> None:
        tour = Tour(limit_at_once(transport))
        sendable = self._sendable(outbox, caller)
        send = partial(self._send, transport)
        while batch := list(islice(sendable, 1 if self._page.pauses else tour.at_once)):
            started = time.monotonic()
            outcomes = send_at_once(send, batch)
            tour.learn(time.monotonic() - started, set(outcomes) == {None})
            for (name, envelope), outcome in zip(batch, outcomes, strict=True):
                problem = self._judge(outbox, name, envelope, outcome)
                tour.note(name, problem)
                self._heed(name, outbox.category_of(name), problem)
            if tour.is_hopeless or self._is_paused():
                break
        for name, problem in tour.failed.items():
            self._backoff.failed(name)
            if tour.has_passed and self._backoff.strike(name):
                self._set_aside(outbox, name, problem)
        if tour.failed and (tour.is_hopeless or not tour.has_passed):
            self._pause(list(tour.failed.values())[-1])

    def _heed(self, name: str, category: str, problem: Exception | None) -> None:
        """Go on, or pause as the receiver asks; those of one batch ask once."""
        if problem is None:
            self._backoff.passed(self._page, category)
        elif asked_seconds(problem) is not None:
            if not self._backoff.has_to_wait(self._page, name, category):
                self._pause(problem)

    def _sendable(
        self, outbox: Outbox, caller: Caller
    ) -> Iterator[tuple[str, Envelope]]:
        """What may go, each once, until there is no more or it is time to stop."""
        tried = set(self._finished)
        until = time.monotonic() + _ROUND_SECONDS
        while names := [name for name in outbox.names() if name not in tried]:
            for name in self._backoff.in_order(names):
                tried.add(name)
                category = outbox.category_of(name)
                if self._backoff.has_to_wait(self._page, name, category):
                    continue
                if seconds := self._backoff.spacing_seconds(self._page, category):
                    caller.rest(seconds)
                self._is_cut = time.monotonic() > until
                if caller.is_over() or self._is_cut:
                    return
                if (envelope := self._read(outbox, name)) is not None:
                    yield name, envelope

    def _read(self, outbox: Outbox, name: str) -> Envelope | None:
        """Read an envelope; what is none is set aside."""
        try:
            data = outbox.read(name)
            return None if data is None else Envelope.parse(data)
        except (OSError, EnvelopeError) as error:
            if getattr(error, "errno", None) not in SHORTAGES:
                self._set_aside(outbox, name, error)
            return None

    def _send(
        self, transport: Transport, name: str, envelope: Envelope
    ) -> Exception | None:
        """Send an envelope; return why it was not taken. Several threads may do so."""
        with guard(f"delivering {name}") as attempt:
            try:
                transport.send(envelope)
            except (TransportError, OSError, Refused) as error:
                return error
        return attempt.error

    def _judge(
        self, outbox: Outbox, name: str, envelope: Envelope, outcome: Exception | None
    ) -> Exception | None:
        """Settle what can be settled; return why it has to be tried again, if so."""
        match outcome:
            case None:
                self._refusal = None
                self._settle(outbox.remove, name)
            case Refused():
                self._count_refused(outcome, envelope.category)
                self._settle(outbox.remove, name)
            case TransportError() | OSError():
                return outcome
            case _:
                # A fault of ours: one envelope must not keep the others back.
                self._set_aside(outbox, name, outcome)
        return None

    def _count_refused(self, error: Refused, category: str) -> None:
        if not self._drops.by_reason["send_error"]:
            logger.error("An event was refused, and dropped: %s", error)
        self._drops.count("send_error", category)
        self._refusal = self._page.refusal = str(error)[:MAX_TEXT]

    def _set_aside(self, outbox: Outbox, name: str, error: Exception) -> None:
        self._drops.count("set_aside", outbox.category_of(name))
        logger.error("%s was set aside in the outbox: %s", name, error)
        reasons = self._page.set_aside
        reasons[name] = str(error)[:MAX_TEXT]
        for old in list(reasons)[:-_MAX_REASONS]:
            del reasons[old]
        self._settle(outbox.set_aside, name)

    def _settle(self, settle: Callable[[str], None], name: str) -> None:
        self._backoff.settled(name)
        try:
            settle(name)
        except OSError as error:
            # It cannot be taken out of the folder: at least it is not sent twice.
            self._finished.add(name)
            logger.error("%s cannot be taken out of the outbox: %s", name, error)

    def _is_paused(self) -> bool:
        return self._page.left_seconds(ALL, time.time()) > 0

    def _pause(self, problem: Exception) -> None:
        self._backoff.pause(self._page, problem)
        self._tell(str(problem))

    def _tell(self, problem: str) -> None:
        """Say a problem once, not with every try."""
        if self.last_error != problem:
            logger.error("Events wait: %s", problem)
        self.last_error = problem

    def _sweep(self) -> None:
        if time.monotonic() - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            for name in self.outbox.sweep():
                self._drops.count("expired", self.outbox.category_of(name))

    def _owes_report(self) -> bool:
        is_due = time.time() - self._page.reported_at > _REPORT_SECONDS
        return self._sends_reports and is_due and bool(self._page.unreported)

    def _report(self, transport: Transport) -> None:
        """Tell the receiver what was dropped; one that refuses to hear is not told."""
        if self._is_paused():
            return
        self._page.reported_at = time.time()
        report = Envelope.from_drops(self._page.unreported, timestamp_now())
        with guard("reporting what was dropped"):
            try:
                transport.send(report)
            except (TransportError, OSError):
                # It is told with the next report.
                return
            except Refused:
                self._sends_reports = False
        self._page.unreported.clear()
