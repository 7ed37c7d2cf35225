"""Takes envelopes into an outbox, from where they are delivered in the background.

``send`` is done when the envelope is in the outbox. Each process has a worker of its
own that delivers; a process that was forked begins with a new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..errors import Refused, logger
from ..protocol.drops import Drops
from ..protocol.envelope import Envelope
from ..runtime.process import OfProcess
from .backoff import FIRST_PAUSE_SECONDS
from .base import Transport
from .courier import Courier
from .memory import MemoryOutbox
from .outbox import FolderOutbox, Outbox
from .worker import Worker


class BackgroundTransport:
    """Keeps envelopes in an outbox, and delivers them through another transport.

    :param make_transport: makes the transport that delivers, in each process anew.
    :param folder: where envelopes wait; None keeps them in memory.
    :param first_pause_seconds: how long to wait after a first failure.
    :param sends_reports: tell the receiver what was dropped.
    """

    def __init__(
        self,
        make_transport: Callable[[], Transport],
        folder: Path | None,
        max_bytes: int,
        shutdown_timeout_seconds: float = 2,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        sends_reports: bool = False,
    ) -> None:
        #: Makes the transport that delivers.
        self.make_transport = make_transport
        #: Counts what is dropped in this process.
        self.drops = Drops()
        self._has_warned = False

        def make_worker() -> Worker:
            spare = MemoryOutbox(max_bytes)
            outbox = spare if folder is None else FolderOutbox(folder, max_bytes)
            courier = Courier(
                outbox,
                spare,
                self.drops,
                make_transport,
                first_pause_seconds,
                sends_reports,
            )
            return Worker(courier, first_pause_seconds, shutdown_timeout_seconds)

        self._worker = OfProcess(make_worker)

    @property
    def outbox(self) -> Outbox:
        """Where envelopes wait."""
        return self._worker.get().courier.outbox

    @property
    def spare(self) -> MemoryOutbox:
        """Where they wait if the folder cannot be written."""
        return self._worker.get().courier.spare

    @property
    def dropped(self) -> Counter[str]:
        """What was dropped in this process, by reason."""
        return self.drops.by_reason

    @property
    def last_error(self) -> str | None:
        """Why the last delivery failed, or None since it works."""
        return self._worker.get().courier.last_error

    def send(self, envelope: Envelope) -> None:
        """Put an envelope into the outbox.

        :raises Refused: the outbox is full.
        """
        worker = self._worker.get()
        try:
            self._put(worker.courier, envelope)
        except Refused as error:
            if not self.dropped["queue_overflow"]:
                logger.error("An event was dropped, and more may be: %s", error)
            self.drops.count("queue_overflow", envelope.category)
            raise
        finally:
            worker.wake()

    def hold(self, envelope: Envelope) -> Callable[[], None]:
        """Keep a copy in case this process is killed; return what forgets it."""
        with suppress(OSError, Refused):
            return self.outbox.hold(envelope.encode(), envelope.category)
        return lambda: None

    def _put(self, courier: Courier, envelope: Envelope) -> None:
        """Put an envelope into the outbox, or into memory if there is no disk."""
        data = envelope.encode()
        try:
            courier.outbox.put(data, envelope.category)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                logger.warning(
                    "The outbox cannot be written (%s): events wait in memory only. "
                    "Make the folder writable, or set the option outbox to another.",
                    error,
                )
            courier.spare.put(data, envelope.category)

    def wake(self) -> None:
        """See to it that what waits is delivered, also what others left behind."""
        self._worker.get().wake()

    def has_leftovers(self) -> bool:
        """Tell whether something waits, such as what an earlier process left."""
        return not self.outbox.is_empty()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything is delivered; tell whether it is."""
        worker = self._worker.known()
        return worker is None or worker.flush(timeout_seconds)

    def close(self) -> None:
        """Deliver what can be delivered in time, then stop. The rest stays."""
        worker = self._worker.known()
        if worker is not None:
            worker.close()
