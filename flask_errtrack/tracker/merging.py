"""Issues that become one, and groups that become issues of their own again.

Only the groups are moved: all that is counted hangs on them, and the numbers of the
issues are worked out anew, so that nothing is estimated and any merge can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from ..errors import ActionError
from ..words import one_line
from .actions import ids_of, lock_groups, lock_issues, signed
from .database.rows import Record, can_be_id
from .database.schema import activity, alert, group, group_user, issue, merged_issue
from .store import Store
from .storing import history
from .storing.placing import FACTS, open_issue

_STATE = (
    "status",
    "is_regressed",
    "regressed_release",
    "status_changed_at",
    "reopens_from",
    "needs_next_release",
    "mute_until",
    "mute_until_events",
    "mute_until_users",
)
_TITLE_LENGTH = 120


def merge(
    store: Store, issue_ids: Iterable[int], actor: str = "", into: int | None = None
) -> int:
    """Make one issue of several, and return its number; the others vanish.

    It is unresolved if one of them is. Its history is that of all of them.

    :param actor: who does it, for the history.
    :param into: the number that stays, by default the lowest.
    :raises ActionError: if there is nothing to merge, or not within one project.
    :raises StoreError: if the database cannot be used now.
    """
    wanted = ids_of([*issue_ids, *([] if into is None else [into])])
    if len(wanted) < 2:
        raise ActionError("To merge issues, name at least two.")
    target_id = wanted[0] if into is None else into

    def work(connection: Connection) -> None:
        lock_groups(connection, wanted)
        rows = lock_issues(connection, wanted)
        _refuse_unless_one_project(wanted, rows)
        target = next(row for row in rows if row.id == target_id)
        others = [row for row in rows if row.id != target_id]
        _absorb(connection, target, others)
        _refresh(connection, target, _state_of_all(target, others))
        for other in others:
            _note(connection, store, target_id, "merged", other, actor)

    store.write(work)
    return target_id


def unmerge(
    store: Store, group_id: int, actor: str = "", out_of: int | None = None
) -> int:
    """Make a group an issue of its own, unresolved, and return its number.

    :param actor: who does it, for the history.
    :param out_of: the issue that it must be in, by default any.
    :raises ActionError: if there is no such group, or it is all that its issue has.
    :raises StoreError: if the database cannot be used now.
    """

    def work(connection: Connection) -> int:
        issue_id = _issue_of(connection, group_id)
        if out_of not in (None, issue_id):
            raise ActionError(
                f"Group {group_id} is not of issue {out_of}, but of issue {issue_id}."
            )
        lock_groups(connection, [issue_id])
        rows = lock_issues(connection, [issue_id])
        if not rows or _issue_of(connection, group_id) != issue_id:
            raise ActionError(
                f"Group {group_id} has just been moved by somebody else; look again."
            )
        (old,) = rows
        if len(_groups_of(connection, issue_id)) < 2:
            raise ActionError(
                f"Group {group_id} is all that issue {issue_id} has: there is nothing "
                "to take it from."
            )
        new = open_issue(connection, group_id, store.now())
        _refresh(connection, old)
        _refresh(connection, new)
        new_id: int = new.id
        _note(connection, store, issue_id, "unmerged", new, actor)
        _note(connection, store, new_id, "separated", old, actor)
        return new_id

    return store.write(work)


def _refuse_unless_one_project(wanted: list[int], rows: list[Record]) -> None:
    missing = sorted(set(wanted) - {row.id for row in rows})
    if missing:
        raise ActionError(
            f"There is no issue {', '.join(map(str, missing))}: nothing was merged."
        )
    if len({row.project_id for row in rows}) > 1:
        raise ActionError("Issues of several projects cannot be merged.")


def _absorb(connection: Connection, target: Record, others: list[Record]) -> None:
    """Give all that belongs to some issues to another one, and delete them."""
    ids = [other.id for other in others]
    for table in (group, activity, alert, merged_issue):
        connection.execute(
            update(table).where(table.c.issue_id.in_(ids)).values(issue_id=target.id)
        )
    connection.execute(delete(issue).where(issue.c.id.in_(ids)))
    moved = [{"id": number, "issue_id": target.id} for number in ids]
    connection.execute(insert(merged_issue), moved)


def _state_of_all(target: Record, others: list[Record]) -> dict[str, Any]:
    """The state of the merged issue: what is still open must not be hidden."""
    of = target
    if target.status != "unresolved":
        is_open = (other for other in others if other.status == "unresolved")
        of = next(is_open, target)
    return {name: of._mapping[name] for name in _STATE}


def _refresh(
    connection: Connection, known: Record, state: dict[str, Any] | None = None
) -> None:
    """Make the numbers and facts of an issue those of its groups.

    :param known: its row, as it was before.
    :param state: what else is to change.
    """
    groups = _groups_of(connection, known.id)
    first = min(groups, key=lambda one: (one.first_seen, one.id))
    newest = max(groups, key=lambda one: (one.last_seen, one.id))
    user_count = connection.scalar(
        select(func.count(group_user.c.user_hash.distinct())).where(
            group_user.c.group_id.in_([one.id for one in groups])
        )
    )
    values = (state or {}) | {
        "event_count": sum(one.event_count for one in groups),
        "user_count": user_count or 0,
        "first_seen": first.first_seen,
        "last_seen": newest.last_seen,
        "first_release": first.first_release,
        **{name: newest._mapping[name] for name in FACTS},
    }
    # Muted until so many more: as many more are still to come.
    for noun in ("event", "user"):
        limit = values.get(f"mute_until_{noun}s", known._mapping[f"mute_until_{noun}s"])
        if limit is not None:
            grown_by = values[f"{noun}_count"] - known._mapping[f"{noun}_count"]
            values[f"mute_until_{noun}s"] = limit + grown_by
    connection.execute(update(issue).where(issue.c.id == known.id).values(values))


def _groups_of(connection: Connection, issue_id: int) -> list[Record]:
    query = select(group).where(group.c.issue_id == issue_id).order_by(group.c.id)
    return list(connection.execute(query))


def _issue_of(connection: Connection, group_id: int) -> int:
    query = select(group.c.issue_id).where(group.c.id == group_id)
    issue_id: int | None = None
    if can_be_id(group_id):
        issue_id = connection.scalar(query)
    if issue_id is None:
        raise ActionError(f"There is no group {group_id}.")
    return issue_id


def _note(
    connection: Connection,
    store: Store,
    issue_id: int,
    kind: history.Kind,
    other: Record,
    actor: str,
) -> None:
    """Note that another issue came or went, by the number it has or had."""
    detail = f"#{other.id} {one_line(other.title, _TITLE_LENGTH)}".strip()
    history.note(connection, issue_id, store.now(), kind, detail, signed(actor))
