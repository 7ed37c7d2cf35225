"""The embedded tracker: a store for events, and the transport that leads there.

Made without a look at any disk or server; the first use opens the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .store import Store
from .transport import StoreTransport


class Tracker:
    """The tracker that comes with an app.

    :param database_url: ``sqlite:///path`` or ``postgresql://…``.
    :param max_events_per_issue: how many events of an issue are kept, about.
    :param retention_days: how long any event is kept.
    :param now: seconds since 1970.
    :raises ConfigError: if the URL cannot be used.
    """

    def __init__(
        self,
        database_url: str,
        *,
        max_events_per_issue: int = 200,
        retention_days: int = 90,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = Store(
            database_url,
            max_events_per_issue=max_events_per_issue,
            retention_days=retention_days,
            now=now,
        )
        self.transport = StoreTransport(self.store)
