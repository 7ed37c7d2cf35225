"""An issue as pages and commands show it, in words.

Knows nothing of queries, requests or HTML. ``now`` is in seconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ....words import Moment, moment, one_line
from ...database.rows import Record

#: An issue is marked as new for so long.
NEW_SECONDS = 24 * 3600

_TYPE = re.compile(r"[A-Za-z_][\w.]*(?=: |$)")


@dataclass(frozen=True)
class IssueView:
    """An issue as both the list and its own page show it."""

    id: int
    title: str
    #: The title in two parts: ``KeyError`` and ``: 'price'``.
    type: str
    rest: str
    culprit: str
    level: str
    status: str
    is_regressed: bool
    is_new: bool
    events: int
    users: int
    first_seen: Moment
    last_seen: Moment
    status_changed_at: Moment
    environment: str
    release: str
    project_id: int
    project: str


def issue_view(row: Record, projects: Mapping[int, str], now: float) -> IssueView:
    """Return an issue in words; its project only where there are several."""
    project = projects.get(row.project_id, "") if len(projects) > 1 else ""
    title = one_line(row.title) or "(no title)"
    kind = _TYPE.match(title)
    return IssueView(
        id=row.id,
        title=title,
        type=kind[0] if kind else "",
        rest=title[kind.end() :] if kind else title,
        culprit=one_line(row.culprit),
        level=row.level,
        status=row.status,
        is_regressed=row.is_regressed,
        is_new=now - row.first_seen < NEW_SECONDS,
        events=row.event_count,
        users=row.user_count,
        first_seen=moment(row.first_seen, now),
        last_seen=moment(row.last_seen, now),
        status_changed_at=moment(row.status_changed_at, now),
        environment=one_line(row.environment, 60),
        release=one_line(row.release, 60),
        project_id=row.project_id,
        project=one_line(project, 60),
    )
