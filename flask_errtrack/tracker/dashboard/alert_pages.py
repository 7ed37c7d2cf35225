"""The page of alerts: who is told, when, and what became of the last ones.

Knows nothing of requests or HTML, and no URL of a target. ``now`` is in seconds since
1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...words import Moment, count, moment, one_line
from ..alerts.listing import last_alerts
from ..alerts.targets import Told
from ..alerts.watchman import Watchman
from ..database.rows import Record

ROWS = 50
_MAX_TEXT = 300


@dataclass(frozen=True)
class AlertRow:
    """An alert; ``problem`` is why somebody could not be told."""

    rule: str
    issue_id: int | None
    title: str
    created: Moment
    status: str
    status_words: str
    problem: str


@dataclass(frozen=True)
class AlertListPage:
    """``answers`` tell how a test went; ``has_links``: alerts say where an issue is."""

    targets: tuple[str, ...]
    rules: tuple[str, ...]
    has_links: bool
    rows: tuple[AlertRow, ...]
    has_problems: bool
    answers: tuple[Told, ...]


def alert_list_page(
    watchman: Watchman, *, answers: Sequence[Told] = (), now: float
) -> AlertListPage:
    """Return the page of alerts, the newest first.

    :raises StoreError: if the tracker's database cannot be used.
    """
    rows = tuple(_row(one, now) for one in last_alerts(watchman.store, ROWS))
    return AlertListPage(
        tuple(one_line(target.name, 100) for target in watchman.teller.targets),
        tuple(rule.words for rule in watchman.rules),
        bool(watchman.dashboard_url),
        rows,
        any(row.problem and row.status != "sent" for row in rows),
        tuple(answers),
    )


def _row(one: Record, now: float) -> AlertRow:
    words = {"pending": "waits", "failed": "could not be sent"}.get(
        one.status, one.status
    )
    if one.status == "pending" and one.attempts:
        words = f"waits, tried {count(one.attempts, 'time')}"
    return AlertRow(
        one.rule,
        one.issue_id,
        one_line(one.title),
        moment(one.created_at, now),
        one.status,
        words,
        one_line(one.problem, _MAX_TEXT),
    )
