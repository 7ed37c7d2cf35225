"""The ways out: a transport is any object with ``send(envelope)``."""

from __future__ import annotations

from pathlib import Path

from ..config import Config
from ..version import CLIENT
from .background import BackgroundTransport as BackgroundTransport
from .base import Transport as Transport
from .memory import MemoryTransport as MemoryTransport
from .patience import FIRST_PAUSE_SECONDS


def transport_to_dsn(
    config: Config,
    folder: Path | None,
    first_pause_seconds: float = FIRST_PAUSE_SECONDS,
) -> BackgroundTransport | None:
    """Return the transport to the DSN of ``config``; None if it has none.

    :param folder: where envelopes wait; None keeps them in memory.
    :param first_pause_seconds: how long to wait after a first failure.
    """
    dsn = config.dsn
    if dsn is None:
        return None

    # requests is for those who have a DSN. Not imported by the worker: a fork at that
    # moment would leave the child with half a module for ever.
    from .http import HttpTransport

    def make() -> Transport:
        return HttpTransport(
            dsn, CLIENT, config.timeout_seconds, config.proxies, config.ca_certs
        )

    return BackgroundTransport(
        make,
        folder,
        config.outbox_max_bytes,
        config.shutdown_timeout_seconds,
        first_pause_seconds,
        config.send_client_reports,
    )
