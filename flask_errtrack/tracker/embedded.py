"""The tracker in an app: a store for events, and the transport that leads there.

Made without a look at any disk or server; the first use opens the database.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..settings.alert_rules import Rule
from . import projects
from .alerts.messages import Alert
from .alerts.targets import targets_of
from .alerts.watchman import Watchman
from .status import Watch
from .store import Store
from .tally import Tallies
from .transport import StoreTransport


class Tracker:
    """The tracker that comes with an app.

    :param database_url: ``sqlite:///path`` or ``postgresql://…``.
    :param max_events_per_issue: how many events of an issue are kept, about.
    :param retention_days: how long any event is kept.
    :param alerts: who is told of issues: apprise URLs, and callables.
    :param alert_rules: when they are told.
    :param dashboard_url: where people find the dashboard; empty: nobody said.
    :param now: seconds since 1970.
    :raises ConfigError: if the URL cannot be used.
    """

    def __init__(
        self,
        database_url: str,
        *,
        max_events_per_issue: int = 200,
        retention_days: int = 90,
        alerts: Sequence[str | Callable[[Alert], object]] = (),
        alert_rules: Sequence[Rule] = (),
        dashboard_url: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.store = Store(
            database_url,
            max_events_per_issue=max_events_per_issue,
            retention_days=retention_days,
            now=now,
        )
        self.transport = StoreTransport(self.store)
        self.tallies = Tallies(self.store)
        self.watch = Watch(self.store)
        self.watchman = Watchman(
            self.store, targets_of(alerts), alert_rules, dashboard_url
        )
        self.store.on_recorded = self.watchman.wake
        self._home: projects.Project | None = None

    def dsn(self, base_url: str) -> str:
        """Return the DSN of the app that the tracker lives in.

        :param base_url: where the tracker's pages are.
        :raises StoreError: if the database cannot be used now.
        """
        if self._home is None:
            self._home = projects.find(self.store, projects.HOME_ID)
        # The migration made it, and nothing deletes projects.
        assert self._home is not None
        return projects.dsn_of(self._home, base_url)

    def close(self) -> None:
        """End the work in the background, and close the database's connections."""
        self.watchman.close()
        self.tallies.flush()
        self.store.close()
