"""What happened to an issue, one row each: for its page, and for the alerts.

Owns the kinds. Whoever changes an issue notes it in the same transaction.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, insert

from ..database.schema import activity

Kind = Literal[
    "created",
    "regressed",
    "unmuted",
    "line_edited",
    "recovered",
    "resolved",
    "resolved_next",
    "reopened",
    "muted",
    "noted",
    "merged",
    "unmerged",
    "separated",
]

# Of these the alerts are to hear.
_ALERTING: frozenset[Kind] = frozenset({"created", "regressed", "unmuted"})


def note(
    connection: Connection,
    issue_id: int,
    happened_at: float,
    kind: Kind,
    detail: str = "",
    actor: str = "",
) -> None:
    """Note that something happened to an issue.

    :param detail: what is to say about it, for example the release.
    :param actor: who did it; empty: the tracker.
    """
    connection.execute(
        insert(activity).values(
            issue_id=issue_id,
            happened_at=happened_at,
            kind=kind,
            actor=actor,
            detail=detail,
            is_told=kind not in _ALERTING,
        )
    )
