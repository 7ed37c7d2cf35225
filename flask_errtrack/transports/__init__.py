"""The ways out: a transport is any object with ``send(envelope)``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings.config import Config
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


def outbox_folder(
    config: Config, instance: Path | None = None, database_url: str = ""
) -> Path | None:
    """Return the folder where events wait; None: they wait in memory.

    What waits for one destination never goes to another: each has its own. It is
    still the same with another key, or with https instead of http.

    :param instance: to which a relative path is relative. Without one, only an
        outbox that is named is on disk.
    :param database_url: of the app's tracker, where there is no DSN.
    """
    if config.outbox is False or (config.outbox is True and instance is None):
        return None
    name = "errtrack-outbox" if config.outbox is True else config.outbox
    where = database_url if config.dsn is None else config.dsn.place
    key = hashlib.sha256(where.encode()).hexdigest()[:16]
    return (instance or Path.cwd()) / str(name) / key
