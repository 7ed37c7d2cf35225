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
from collections.abc import Callable
from pathlib import Path

from ..envelope import Envelope
from ..errors import EnvelopeError, Refused, TransportError, guard, logger, own_work
from .base import Transport, close
from .outbox import FolderOutbox, MemoryOutbox, Outbox

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0


class BackgroundTransport:
    """Keeps envelopes in an outbox, and delivers them through another transport.

    :param make_transport: makes the transport that delivers, in each process anew.
    :param folder: where envelopes wait; None keeps them in memory.
    """

    def __init__(
        self,
        make_transport: Callable[[], Transport],
        folder: Path | None,
        max_bytes: int,
        shutdown_timeout_seconds: float = 2,
    ) -> None:
        self._make_transport = make_transport
        self._folder = folder
        self._max_bytes = max_bytes
        self._shutdown_timeout_seconds = shutdown_timeout_seconds
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
        self.outbox: Outbox = (
            MemoryOutbox(self._max_bytes)
            if self._folder is None
            else FolderOutbox(self._folder, self._max_bytes)
        )

    def send(self, envelope: Envelope) -> None:
        """Put an envelope into the outbox.

        :raises Refused: the outbox is full.
        """
        if self._pid != os.getpid():
            self._reset()
        data = envelope.encode()
        try:
            self._put(data)
        except Refused:
            self.dropped["queue_overflow"] += 1
            raise
        self.wake()

    def wake(self) -> None:
        """See to it that what waits is delivered, also what others left behind."""
        if self._pid != os.getpid():
            self._reset()
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()
            if self._worker is None or not self._worker.is_alive():
                self._start()

    def has_leftovers(self) -> bool:
        """Tell whether something waits that an earlier process left behind."""
        return bool(self.outbox.names())

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything is delivered; tell whether it is."""
        with self._changed:
            wanted = self._wanted
            return self._changed.wait_for(
                lambda: self._done >= wanted or self._worker is None, timeout_seconds
            ) and not (self._worker is None and self._done < wanted)

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
            atexit.unregister(self.close)

    def _put(self, data: bytes) -> None:
        try:
            self.outbox.put(data)
        except OSError as error:
            if isinstance(self.outbox, MemoryOutbox):
                raise
            logger.warning(
                "The outbox %s cannot be written (%s): events wait in memory only. "
                "Make the folder writable, or set the option outbox to another.",
                self._folder,
                error,
            )
            self.outbox = MemoryOutbox(self._max_bytes)
            self.outbox.put(data)

    def _start(self) -> None:
        self._is_closing = False
        worker = threading.Thread(target=self._run, name="flask-errtrack", daemon=True)
        try:
            worker.start()
        except RuntimeError:
            # The interpreter is going down. What is on disk is for the next process.
            self._worker = None
            if isinstance(self.outbox, MemoryOutbox):
                self._deliver_inline()
            return
        self._worker = worker
        if not self._is_registered:
            self._is_registered = True
            atexit.register(self.close)

    def _deliver_inline(self) -> None:
        transport = self._make_transport()
        with guard("delivering the last events"), own_work():
            self._deliver_all(transport)

    def _run(self) -> None:
        with own_work():
            transport = self._make_transport()
            failures = 0
            while True:
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._is_closing or self._done < self._wanted
                    )
                    if self._is_closing:
                        break
                    wanted = self._wanted
                pause_seconds = self._pass(transport, failures)
                failures = 0 if pause_seconds is None else failures + 1
                if pause_seconds is None:
                    with self._changed:
                        self._done = wanted
                        self._changed.notify_all()
                elif self._is_closed_within(pause_seconds):
                    break
            close(transport)

    def _pass(self, transport: Transport, failures: int) -> float | None:
        """Deliver what waits; return None, or how long to pause before the next try."""
        problem: TransportError | OSError
        try:
            self._deliver_all(transport)
        except (TransportError, OSError) as error:
            problem = error
        else:
            self.last_error = None
            return None
        self._tell(str(problem))
        pause_seconds = min(FIRST_PAUSE_SECONDS * 2**failures, MAX_PAUSE_SECONDS)
        pause_seconds *= random.uniform(0.8, 1.2)
        asked = getattr(problem, "retry_after_seconds", None)
        return float(max(pause_seconds, asked or 0.0))

    def _deliver_all(self, transport: Transport) -> None:
        with self.outbox.turn():
            for name in self.outbox.names():
                if self._is_closing:
                    return
                data = self.outbox.read(name)
                if data is not None:
                    self._deliver(transport, name, data)

    def _deliver(self, transport: Transport, name: str, data: bytes) -> None:
        failure: TransportError | OSError | None = None
        with guard(f"delivering {name}") as attempt:
            try:
                transport.send(Envelope.parse(data))
            except (TransportError, OSError) as error:
                failure = error
            except Refused as error:
                self._count_refused(error)
            except EnvelopeError as error:
                self._set_aside(name, error)
                return
        if failure is not None:
            raise failure
        if attempt.error is not None:
            # A fault of ours: one envelope must not keep the others back.
            self._set_aside(name, attempt.error)
        else:
            self.outbox.remove(name)

    def _count_refused(self, error: Refused) -> None:
        if not self.dropped["send_error"]:
            logger.error("An event was refused, and dropped: %s", error)
        self.dropped["send_error"] += 1

    def _set_aside(self, name: str, error: Exception) -> None:
        self.dropped["set_aside"] += 1
        logger.error("%s was set aside in the outbox: %s", name, error)
        self.outbox.set_aside(name)

    def _tell(self, problem: str) -> None:
        """Say a problem once, not with every try."""
        if self.last_error != problem:
            logger.error("Events wait: %s", problem)
        self.last_error = problem

    def _is_closed_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(
                lambda: self._is_closing, until - time.monotonic()
            )
