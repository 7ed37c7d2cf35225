"""What people have done with an outbox: send what is in it now, or drop it.

Both take the turn, as a worker does, so that no two processes deliver at once. The
rules of delivery are the courier's. Knows nothing of how the outcome is told.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ..errors import ErrTrackError, own_work
from ..protocol.drops import Drops
from ..protocol.envelope import Envelope
from .backoff import FIRST_PAUSE_SECONDS
from .base import Transport
from .base import close as close_transport
from .courier import Courier
from .memory import MemoryOutbox
from .outbox import FolderOutbox

_ASK_AGAIN_SECONDS = 0.1


class Busy(ErrTrackError):
    """Another process delivers all the time."""


@dataclass(frozen=True)
class Sent:
    """What became of what was to be sent."""

    delivered: int
    #: Refused for good, and dropped.
    refused: int
    set_aside: int
    #: Still there.
    remaining: int
    #: What went wrong last; empty if nothing did.
    problem: str

    @property
    def is_complete(self) -> bool:
        """Whether everything was delivered."""
        return not (self.refused or self.set_aside or self.remaining)


@dataclass(frozen=True)
class Dropped:
    """What became of what was to be dropped."""

    count: int
    #: Why something could not be deleted; empty if all of it was.
    problem: str


def send_now(
    outbox: FolderOutbox,
    make_transport: Callable[[], Transport],
    step: Callable[[], None] = lambda: None,
    only_set_aside: bool = False,
    patience_seconds: float = 10,
) -> Sent:
    """Try everything once, whatever pause there is, also what was set aside.

    Stops where the receiver does not work.

    :param step: is called after each.
    :param patience_seconds: how long to wait for the turn.
    :raises Busy: another process has the turn all the time.
    :raises OSError: the outbox cannot be used.
    """
    with own_work(), _own_turn(outbox, patience_seconds):
        waiting = [] if only_set_aside else outbox.names()
        chosen = _Chosen(outbox, [*waiting, *_resume(outbox)])
        watch = _Watch(make_transport, step)
        drops = Drops()
        courier = Courier(
            chosen, MemoryOutbox(0), drops, watch.open, FIRST_PAUSE_SECONDS
        )
        while courier.round(_NoHurry()).wait_seconds == 0:
            # A long round was cut, as for a worker.
            continue
        courier.close()
        return Sent(
            watch.delivered,
            drops.by_reason["send_error"],
            drops.by_reason["set_aside"],
            len(chosen.names()),
            watch.problem or courier.last_error or "",
        )


def drop(
    outbox: FolderOutbox, only_set_aside: bool = False, patience_seconds: float = 10
) -> Dropped:
    """Delete everything, and count it as discarded.

    What was set aside is counted already.

    :raises Busy: another process has the turn all the time.
    :raises OSError: the outbox cannot be used.
    """
    with _own_turn(outbox, patience_seconds):
        page, problem, count = outbox.ledger.read(), "", 0
        set_aside = set(outbox.set_aside_names())
        for name in (*([] if only_set_aside else outbox.names()), *sorted(set_aside)):
            try:
                outbox.remove(name)
            except OSError as error:
                problem = str(error)
                continue
            count += 1
            if name in set_aside:
                page.set_aside.pop(outbox.name_before(name), None)
            else:
                page.count(Counter({("discarded", outbox.category_of(name)): 1}))
        outbox.ledger.write(page)
        return Dropped(count, problem)


class _Chosen(FolderOutbox):
    """Some of what waits in an outbox, while the turn is ours."""

    def __init__(self, outbox: FolderOutbox, names: Collection[str]) -> None:
        super().__init__(outbox.folder, 0)
        self.ledger = outbox.ledger
        self._chosen = frozenset(names)

    def names(self) -> list[str]:
        return [name for name in super().names() if name in self._chosen]

    def is_empty(self) -> bool:
        return not self.names()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        yield True


class _Watch:
    """A transport that has another one send, and keeps count."""

    def __init__(
        self, make_transport: Callable[[], Transport], step: Callable[[], None]
    ) -> None:
        self._make_transport = make_transport
        self._step = step
        self._transport: Transport | None = None
        self.delivered = 0
        self.problem = ""

    def open(self) -> Transport:
        """Make the transport that sends."""
        self._transport = self._make_transport()
        return self

    def send(self, envelope: Envelope) -> None:
        """Send one envelope."""
        assert self._transport is not None
        try:
            self._transport.send(envelope)
            self.delivered += 1
        except (ErrTrackError, OSError) as error:
            self.problem = str(error)
            raise
        finally:
            self._step()

    def close(self) -> None:
        """Close the transport that sends."""
        close_transport(self._transport)


class _NoHurry:
    """A caller that waits for as long as it takes."""

    def is_over(self) -> bool:
        return False

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)


@contextmanager
def _own_turn(outbox: FolderOutbox, patience_seconds: float) -> Iterator[None]:
    until = time.monotonic() + patience_seconds
    while True:
        with outbox.turn() as has_turn:
            if has_turn:
                yield
                return
        if time.monotonic() > until:
            raise Busy(
                "another process of this host is delivering what waits, and was not "
                f"done after {patience_seconds:g} s; `flask errtrack outbox` shows "
                "how far it is"
            )
        time.sleep(_ASK_AGAIN_SECONDS)


def _resume(outbox: FolderOutbox) -> list[str]:
    """Have what was set aside wait again, and end all pauses; return the names."""
    page = outbox.ledger.read()
    names = []
    for name in outbox.set_aside_names():
        # What is gone, or cannot be moved, stays what it is.
        with suppress(OSError):
            names.append(outbox.put_back(name))
            page.set_aside.pop(names[-1], None)
            page.forgive(("set_aside", outbox.category_of(name)))
    for key, pause in page.pauses.items():
        page.pauses[key] = pause._replace(until=0.0, is_asked=False)
    if names or page.pauses:
        outbox.ledger.write(page)
    return names
