"""Delivers in the background what the request threads put into an outbox.

``send`` is done when the envelope is in the outbox. The worker thread starts
with the first envelope of a process, and again in a process that was forked.
"""

from __future__ import annotations

import atexit
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ..envelope import Envelope
from ..errors import EnvelopeError, Refused, TransportError, guard, logger, own_work
from .base import Transport, close
from .outbox import FolderOutbox, MemoryOutbox, Outbox

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
#: So often an envelope may fail while others pass; then it is set aside.
MAX_STRIKES = 5


class BackgroundTransport:
    """Keeps envelopes in an outbox, and delivers them through another transport.

    :param make_transport: makes the transport that delivers, in each process anew.
    :param folder: where envelopes wait; None keeps them in memory.
    :param first_pause_seconds: how long to wait after a first failure.
    """

    def __init__(
        self,
        make_transport: Callable[[], Transport],
        folder: Path | None,
        max_bytes: int,
        shutdown_timeout_seconds: float = 2,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self._make_transport = make_transport
        self._folder = folder
        self._max_bytes = max_bytes
        self._shutdown_timeout_seconds = shutdown_timeout_seconds
        self._first_pause_seconds = first_pause_seconds
        #: What was dropped in this process, by reason.
        self.dropped: Counter[str] = Counter()
        #: Why the last delivery failed, or None since it works.
        self.last_error: str | None = None
        self._is_registered = False
        self._reset()

    def _reset(self) -> None:
        """Begin anew, in this process: locks and threads do not survive a fork."""
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._wanted = 0
        self._done = 0
        self._is_closing = False
        self._worker: threading.Thread | None = None
        self._has_warned = False
        self._refusal: str | None = None
        # By name: failures while others passed, and what only its name is left of.
        self._strikes: Counter[str] = Counter()
        self._finished: set[str] = set()
        #: Where envelopes wait in memory, if the folder cannot be written.
        self.spare = MemoryOutbox(self._max_bytes)
        self.outbox: Outbox = (
            self.spare
            if self._folder is None
            else FolderOutbox(self._folder, self._max_bytes)
        )

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self._reset()

    def send(self, envelope: Envelope) -> None:
        """Put an envelope into the outbox.

        :raises Refused: the outbox is full.
        """
        self._notice_fork()
        data = envelope.encode()
        try:
            self._put(data)
        except Refused:
            self.dropped["queue_overflow"] += 1
            raise
        self.wake()

    def wake(self) -> None:
        """See to it that what waits is delivered, also what others left behind."""
        self._notice_fork()
        with self._changed:
            self._wanted += 1
            self._is_closing = False
            self._changed.notify_all()
            if self._worker is None or not self._worker.is_alive():
                self._start()

    def has_leftovers(self) -> bool:
        """Tell whether something waits, such as what an earlier process left."""
        return bool(self.outbox.names())

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything is delivered; tell whether it is."""
        self._notice_fork()
        with self._changed:
            wanted = self._wanted
            self._changed.wait_for(
                lambda: self._done >= wanted or self._worker is None, timeout_seconds
            )
            return self._done >= wanted

    def close(self) -> None:
        """Deliver what can be delivered in time, then stop. The rest stays."""
        if self._pid != os.getpid():
            return
        until = time.monotonic() + self._shutdown_timeout_seconds
        self.flush(self._shutdown_timeout_seconds)
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            worker = self._worker
        if worker is not None and worker is not threading.current_thread():
            worker.join(max(until - time.monotonic(), 0.1))
        if self._is_registered:
            self._is_registered = False
            atexit.unregister(self.close)

    def _put(self, data: bytes) -> None:
        try:
            self.outbox.put(data)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                logger.warning(
                    "The outbox %s cannot be written (%s): events wait in memory "
                    "only. Make the folder writable, or set the option outbox to "
                    "another.",
                    self._folder,
                    error,
                )
            self.spare.put(data)

    def _start(self) -> None:
        worker = threading.Thread(target=self._run, name="flask-errtrack", daemon=True)
        try:
            worker.start()
        except RuntimeError:
            # The interpreter is going down. What is on disk is for the next process.
            self._worker = None
            if self.spare.names():
                self._deliver_inline()
            return
        self._worker = worker
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self.close)

    def _deliver_inline(self) -> None:
        with guard("delivering the last events"), own_work():
            self._deliver_from(self.spare, self._make_transport())

    def _run(self) -> None:
        transport: Transport | None = None
        failures = 0
        with own_work():
            if expired := self.outbox.sweep():
                self.dropped["expired"] += expired
            while (wanted := self._next()) is not None:
                with guard("making the transport") as making:
                    transport = transport or self._make_transport()
                problem = making.error or self._pass(transport)
                if problem is None:
                    failures = 0
                    self._finish(wanted)
                    continue
                self._tell(str(problem))
                self._pause(pause_seconds(problem, failures, self._first_pause_seconds))
                failures += 1
            if transport is not None:
                close(transport)

    def _next(self) -> int | None:
        """Wait for work; return how much is wanted by now, or None to stop."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closing or self._done < self._wanted
            )
            if self._is_closing:
                self._worker = None
                return None
            return self._wanted

    def _finish(self, wanted: int) -> None:
        with self._changed:
            if not self._is_closing:
                self._done = wanted
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing, seconds)

    def _pass(self, transport: Transport | None) -> Exception | None:
        """Deliver what waits; return why some of it has to be tried again."""
        assert transport is not None
        try:
            if self._folder is not None:
                self._deliver_from(self.spare, transport)
            self._deliver_from(self.outbox, transport)
        except (TransportError, OSError) as error:
            return error
        self.last_error = self._refusal
        return None

    def _deliver_from(self, outbox: Outbox, transport: Transport) -> None:
        """Deliver what waits in an outbox, also what comes meanwhile.

        After one failure another envelope is tried: if that passes, it was not the
        receiver's fault, and nothing is held back by the one that failed.
        """
        failed: tuple[str, Exception] | None = None
        has_passed = False
        if not outbox.names():
            return
        with outbox.turn():
            for name in self._untried(outbox):
                try:
                    has_passed |= self._deliver(transport, outbox, name)
                except (TransportError, OSError) as error:
                    if failed or retry_after_seconds(error) is not None:
                        raise
                    failed = name, error
            if failed and not (has_passed and self._is_out(outbox, *failed)):
                raise failed[1]

    def _untried(self, outbox: Outbox) -> Iterator[str]:
        """The names of what waits, each once, until there is no more or it closes."""
        tried = set(self._finished)
        while names := [name for name in outbox.names() if name not in tried]:
            for name in names:
                if self._is_closing:
                    return
                tried.add(name)
                yield name

    def _is_out(self, outbox: Outbox, name: str, error: Exception) -> bool:
        """Count a failure of one envelope among others; too many, and it is out."""
        self._strikes[name] += 1
        if self._strikes[name] < MAX_STRIKES:
            return False
        self._set_aside(outbox, name, error)
        return True

    def _deliver(self, transport: Transport, outbox: Outbox, name: str) -> bool:
        """Deliver one envelope; tell whether there was one that could be sent.

        :raises TransportError, OSError: it has to be tried again.
        """
        try:
            data = outbox.read(name)
        except OSError as error:
            self._set_aside(outbox, name, error)
            return False
        if data is None:
            return False
        failure: TransportError | OSError | None = None
        with guard(f"delivering {name}") as attempt:
            try:
                transport.send(Envelope.parse(data))
                self._refusal = None
            except (TransportError, OSError) as error:
                failure = error
            except Refused as error:
                self._count_refused(error)
            except EnvelopeError as error:
                self._set_aside(outbox, name, error)
                return False
        if failure is not None:
            raise failure
        if attempt.error is not None:
            # A fault of ours: one envelope must not keep the others back.
            self._set_aside(outbox, name, attempt.error)
            return False
        self._settle(name, outbox.remove)
        return True

    def _count_refused(self, error: Refused) -> None:
        if not self.dropped["send_error"]:
            logger.error("An event was refused, and dropped: %s", error)
        self.dropped["send_error"] += 1
        self._refusal = str(error)

    def _set_aside(self, outbox: Outbox, name: str, error: Exception) -> None:
        self.dropped["set_aside"] += 1
        logger.error("%s was set aside in the outbox: %s", name, error)
        self._settle(name, outbox.set_aside)

    def _settle(self, name: str, settle: Callable[[str], None]) -> None:
        self._strikes.pop(name, None)
        try:
            settle(name)
        except OSError as error:
            # It cannot be taken out of the folder: at least it is not sent twice.
            self._finished.add(name)
            logger.error("%s cannot be taken out of the outbox: %s", name, error)

    def _tell(self, problem: str) -> None:
        """Say a problem once, not with every try."""
        if self.last_error != problem:
            logger.error("Events wait: %s", problem)
        self.last_error = problem


def retry_after_seconds(problem: Exception) -> float | None:
    """Return how long the receiver asked to be left alone, if it did."""
    if isinstance(problem, TransportError):
        return problem.retry_after_seconds
    return None


def pause_seconds(
    problem: Exception,
    failures: int,
    first_seconds: float = FIRST_PAUSE_SECONDS,
    jitter: Callable[[float, float], float] = random.uniform,
) -> float:
    """Return how long to wait before the next try.

    :param failures: how many tries have failed before this one.
    :param jitter: ``jitter(low, high)`` keeps processes from coming all at once.
    """
    grown = min(first_seconds * 2.0 ** min(failures, 16), MAX_PAUSE_SECONDS)
    asked = retry_after_seconds(problem) or 0.0
    return max(grown * jitter(0.8, 1.2), asked)
