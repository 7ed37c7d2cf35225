"""The ways out: a transport is any object with ``send(envelope)``."""

from __future__ import annotations

from pathlib import Path

from ..config import Config
from ..version import CLIENT
from .background import BackgroundTransport as BackgroundTransport
from .base import Transport as Transport
from .memory import MemoryTransport as MemoryTransport


def transport_to_dsn(config: Config, folder: Path | None) -> BackgroundTransport | None:
    """Return the transport to the DSN of ``config``; None if it has none.

    :param folder: where envelopes wait; None keeps them in memory.
    """
    dsn = config.dsn
    if dsn is None:
        return None

    def make() -> Transport:
        # requests is slow to import, and only the worker needs it.
        from .http import HttpTransport

        return HttpTransport(
            dsn, CLIENT, config.timeout_seconds, config.proxies, config.ca_certs
        )

    return BackgroundTransport(
        make, folder, config.outbox_max_bytes, config.shutdown_timeout_seconds
    )
