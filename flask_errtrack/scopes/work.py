"""What came of one request, command or job: which errors were met, which events wait.

Knows nothing of what an event says, nor of how it is sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..protocol.envelope import Envelope
from ..reading.marks import leaves_of, mark, marks_of
from ..runtime.process import OfProcess

#: An error whose event waits, and the event's id.
Awaiting = tuple[BaseException, str]


class Held(NamedTuple):
    """An event that waits for a better report of the same error.

    :param until_seconds: how long, by the monotonic clock.
    :param forget: ends what was done in case that the process is killed meanwhile.
    """

    envelope: Envelope
    until_seconds: float
    forget: Callable[[], None]


class Work:
    """What came of one request, command or job; all its scopes share it.

    :param outer: the work inside of which this one runs: what is known here is
        known there, so that an error that leaves both is one event.
    :param ends: somebody tells when it ends, so that events may wait for that.
    :param may_wait: events may wait in any case, for somebody tells of its errors.
    """

    def __init__(
        self, outer: Work | None = None, ends: bool = False, may_wait: bool = False
    ) -> None:
        # An exception may carry its marks to another process: no number twice.
        # Text, for apps answer with the attributes of an exception as JSON.
        self._mark = os.urandom(8).hex()
        self._outer = outer
        self.ends = ends
        self.may_wait = ends or may_wait
        #: The id of the event that tells most about this work, or None.
        self.event_id: str | None = None
        self.last_event_id: str | None = None
        # What waits in a process is for that one to send.
        self._held: OfProcess[dict[str, Held]] = OfProcess(dict)
        self._rank = -1

    @property
    def held(self) -> dict[str, Held]:
        """What waits for a better report of the same error, by event id."""
        return self._held.get()

    def _and_outer(self) -> Iterator[Work]:
        work: Work | None = self
        while work is not None:
            yield work
            work = work._outer

    def accept(self, event_id: str, rank: int) -> None:
        """Remember an accepted event; the highest rank speaks for the work."""
        for work in self._and_outer():
            work.last_event_id = event_id
            if rank >= work._rank:
                work.event_id, work._rank = event_id, rank

    def discard(self, event_id: str) -> None:
        """Forget an event that was held, and is not wanted after all."""
        held = self.release(event_id)
        if held is not None:
            held.forget()
        for work in self._and_outer():
            if work.last_event_id == event_id:
                work.last_event_id = None
            if work.event_id == event_id:
                work.event_id, work._rank = None, -1

    def release(self, event_id: str) -> Held | None:
        """Let an event wait no longer; return it if it did."""
        return self.held.pop(event_id, None)

    def is_settled(self, error: BaseException) -> bool:
        """Tell whether nothing more is to be told of an error."""
        was_met, event_id = self.decision_on(error)
        return was_met and (event_id is None or event_id not in self.held)

    def awaits_better(self, error: BaseException) -> bool:
        """Tell whether the event of an error waits for a report that knows more."""
        return self.decision_on(error)[1] in self.held

    def awaiting(self, errors: Iterable[BaseException]) -> list[Awaiting]:
        """Return those of some errors whose events wait, with the events' ids."""
        if not self.held:
            return []
        found = [(error, self.decision_on(error)[1]) for error in errors]
        return [(one, known) for one, known in found if known in self.held]

    def settle(
        self, told: list[Awaiting], event_id: str | None, is_final: bool
    ) -> None:
        """Let one report speak for errors whose events waited, which are forgotten.

        :param event_id: that of the report; None: it was dropped, and they wait on.
        :param is_final: they are known by it; else it is a log record, and one of
            them that is raised in spite of that is another event.
        """
        if event_id is None:
            return
        for error, known in told:
            if known != event_id:
                self.discard(known)
            if is_final:
                self.remember(error, event_id)
            else:
                for work in self._and_outer():
                    marks_of(error).pop(work._mark, None)

    def take_over(self, other: Work, error: BaseException) -> None:
        """Let what waits elsewhere for a better report of an error wait here."""
        event_id = other.decision_on(error)[1]
        if event_id in other.held and not self.decision_on(error)[0]:
            self.remember(error, event_id)
            self.held[event_id] = other.held.pop(event_id)

    def remember(self, error: BaseException, event_id: str | None) -> None:
        """Note what became of an exception: its event id, or None if dropped."""
        mark(error, {work._mark: event_id for work in self._and_outer()})

    def decision_on(self, error: BaseException) -> tuple[bool, str | None]:
        """Tell whether an exception was met in this work, and its event id.

        So is a group of which everything was met.
        """
        if self._mark in (marks := marks_of(error)):
            return True, marks[self._mark]
        leaves = [marks_of(leaf) for leaf in leaves_of(error)]
        if not all(self._mark in marks for marks in leaves):
            return False, None
        return True, next(filter(None, (marks[self._mark] for marks in leaves)), None)
