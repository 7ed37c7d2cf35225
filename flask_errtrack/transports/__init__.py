"""The ways out: a transport is any object with ``send(envelope)``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Config
from ..version import CLIENT
from .background import BackgroundTransport as BackgroundTransport
from .backoff import FIRST_PAUSE_SECONDS
from .base import Transport as Transport
from .memory import MemoryTransport as MemoryTransport

if TYPE_CHECKING:
    from .http import HttpTransport


def transport_to_dsn(
    config: Config,
    folder: Path | None,
    first_pause_seconds: float = FIRST_PAUSE_SECONDS,
) -> BackgroundTransport | None:
    """Return the transport to the DSN of ``config``; None if it has none.

    :param folder: where envelopes wait; None keeps them in memory.
    :param first_pause_seconds: how long to wait after a first failure.
    """
    if config.dsn is None:
        return None
    return BackgroundTransport(
        http_transports(config),
        folder,
        config.outbox_max_bytes,
        config.shutdown_timeout_seconds,
        first_pause_seconds,
        config.send_client_reports,
    )


def http_transports(config: Config) -> Callable[[], HttpTransport]:
    """Return what makes transports that post to the server of the DSN, at once."""
    # requests is for those who have a DSN. It is imported here and not by the worker
    # that makes one: a fork at that moment would leave the child with half a module.
    from .http import HttpTransport

    assert config.dsn is not None
    return partial(
        HttpTransport,
        config.dsn,
        CLIENT,
        config.timeout_seconds,
        config.proxies,
        config.ca_certs,
    )
