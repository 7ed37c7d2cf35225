"""One way through an outbox: how many envelopes go at once, and how they fared.

To a receiver that is far away several go at once: one after another, each would
wait for the answer to the one before. Knows nothing of outboxes and of pauses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial

from ..errors import TransportError
from ..protocol.envelope import Envelope
from .backoff import asked_seconds

# An envelope that fails is followed by another: if that fails, too, it is the
# receiver that does not work.
_FAILURES_IN_A_ROW = 2
# Who answers sooner is sent one envelope after another: threads would win little.
_FAR_SECONDS = 0.02

#: Sends an envelope; returns why it was not taken, or None.
Send = Callable[[str, Envelope], Exception | None]


class Tour:
    """What became of the envelopes of one outbox, in one round.

    :param limit: the most that may go at once.
    """

    def __init__(self, limit: int) -> None:
        self.has_passed = False
        self.failed: dict[str, Exception] = {}
        self._in_a_row = 0
        self._limit = limit
        #: How many go at once: one at first, and twice as many while all is well.
        self.at_once = 1

    def learn(self, seconds: float, all_passed: bool) -> None:
        """Decide how many go at once, after those that went."""
        is_far = all_passed and seconds > _FAR_SECONDS
        self.at_once = min(self.at_once * 2, self._limit) if is_far else 1

    def note(self, name: str, problem: Exception | None) -> None:
        """Note how an envelope fared; a pause that was asked for is no failure.

        Nor is what went at once with those that showed that nothing works.
        """
        if problem is None:
            self.has_passed, self._in_a_row = True, 0
        elif asked_seconds(problem) is None and not self.is_hopeless:
            self.failed[name] = problem
            self._in_a_row += 1

    @property
    def is_hopeless(self) -> bool:
        """Whether it is the receiver that does not work."""
        return self._in_a_row >= _FAILURES_IN_A_ROW


def send_at_once(
    send: Send, batch: Sequence[tuple[str, Envelope]]
) -> list[Exception | None]:
    """Return what ``send`` says of each; several are sent in threads of their own."""
    found: dict[str, Exception | None] = {}

    def carry(name: str, envelope: Envelope) -> None:
        found[name] = send(name, envelope)

    threads: list[threading.Thread] = []
    for one in batch[1:]:
        # What is our own work stays so in another thread.
        run = partial(copy_context().run, carry, *one)
        thread = threading.Thread(target=run, name="flask-errtrack-send", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system has none to give, or the program ends.
            break
        threads.append(thread)
    for one in (*batch[:1], *batch[1 + len(threads) :]):
        carry(*one)
    for thread in threads:
        thread.join()
    interrupted = TransportError("sending was interrupted")
    return [found.get(name, interrupted) for name, _ in batch]
