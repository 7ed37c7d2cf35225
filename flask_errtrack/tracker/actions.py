"""What people do with issues: finish them, put them aside, delete them, write notes.

Each action is one write transaction over any number of issues (to delete them, one
each), and stands in their history. Locks projects first, then groups, then issues, each
in ascending order, as ``recording`` does. How issues become one stands in ``merging``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Literal

from sqlalchemy import Connection, delete, select, update

from ..errors import ActionError
from ..words import count, duration, one_line, visible
from .database.rows import Record, can_be_id
from .database.schema import (
    activity,
    alert,
    event,
    feedback,
    group,
    group_hour,
    group_tag,
    group_user,
    issue,
    merged_issue,
    project,
)
from .store import Store
from .storing import history
from .storing.retention import BATCH_SIZE, delete_events
from .storing.versions import newest_release

logger = logging.getLogger("flask_errtrack")

Status = Literal["unresolved", "resolved", "muted"]

#: So many issues can be changed at once.
MAX_ISSUES = 1000
MAX_NOTE_LENGTH = 4000
MAX_ACTOR_LENGTH = 200
#: An issue is muted for so long, or until so much more happens, at most.
MAX_MUTE_SECONDS = 3660 * 86400
MAX_MUTE_COUNT = 1_000_000_000

_UNCONDITIONAL: dict[str, Any] = {
    "is_regressed": False,
    "reopens_from": None,
    "needs_next_release": False,
    "mute_until": None,
    "mute_until_events": None,
    "mute_until_users": None,
}


@dataclass(frozen=True)
class Changed:
    """The issues that are now as was asked, and those that do not exist."""

    issue_ids: tuple[int, ...]
    missing_ids: tuple[int, ...]


@dataclass(frozen=True)
class _Change:
    """What to write about one issue."""

    kind: history.Kind
    values: dict[str, Any] = field(default_factory=dict)
    detail: str = ""


def resolve(store: Store, issue_ids: Iterable[int], actor: str = "") -> Changed:
    """Resolve issues; an event of a release known by now to be older reopens none.

    :param actor: who does it, for the history.
    :raises ActionError: if these are too many issues.
    :raises StoreError: if the database cannot be used now.
    """

    newest_of = cache(newest_release)

    def decide(connection: Connection, known: Record) -> _Change:
        newest = newest_of(connection, known.project_id)
        return _status("resolved", "resolved", reopens_from=newest and newest.id)

    return _change(store, issue_ids, actor, decide)


def resolve_in_next_release(
    store: Store, issue_ids: Iterable[int], actor: str = ""
) -> Changed:
    """Resolve issues; only an event of a later release than the newest reopens them.

    :raises ActionError: if a project never told its release, or too many are asked.
    :raises StoreError: if the database cannot be used now.
    """

    newest_of = cache(newest_release)

    def decide(connection: Connection, known: Record) -> _Change:
        newest = newest_of(connection, known.project_id)
        if newest is None:
            raise ActionError(
                f"Issue {known.id} cannot be resolved in the next release: no event "
                "of its project has told its release. Set the option release, or "
                "resolve it plainly."
            )
        return _status(
            "resolved_next",
            "resolved",
            newest.version,
            reopens_from=newest.id,
            needs_next_release=True,
        )

    return _change(store, issue_ids, actor, decide)


def reopen(store: Store, issue_ids: Iterable[int], actor: str = "") -> Changed:
    """Make issues unresolved again.

    :raises ActionError: if these are too many issues.
    :raises StoreError: if the database cannot be used now.
    """
    return _change(
        store, issue_ids, actor, lambda _, known: _status("reopened", "unresolved")
    )


def mute(
    store: Store,
    issue_ids: Iterable[int],
    actor: str = "",
    *,
    seconds: float | None = None,
    events: int | None = None,
    users: int | None = None,
) -> Changed:
    """Count issues on, but out of the way: for ever, or until one of these is over.

    :param seconds: for how long; the first event after that reopens an issue.
    :param events: how many more events reopen it.
    :param users: how many more people who meet it reopen it.
    :raises ActionError: if one of these makes no sense, or too many are asked.
    :raises StoreError: if the database cannot be used now.
    """
    detail = _until_words(seconds, events, users)
    until = None if seconds is None else store.now() + seconds

    def decide(connection: Connection, known: Record) -> _Change:
        return _status(
            "muted",
            "muted",
            detail,
            mute_until=until,
            mute_until_events=events and known.event_count + events,
            mute_until_users=users and known.user_count + users,
        )

    return _change(store, issue_ids, actor, decide)


def note(store: Store, issue_ids: Iterable[int], text: str, actor: str = "") -> Changed:
    """Write a note into the history of issues.

    :raises ActionError: if it is empty or longer than 4,000 characters.
    :raises StoreError: if the database cannot be used now.
    """
    said = visible(text).strip()
    if not said:
        raise ActionError("A note needs a text.")
    if len(said) > MAX_NOTE_LENGTH:
        raise ActionError(
            f"A note has at most {MAX_NOTE_LENGTH:,} characters; "
            f"this one has {len(said):,}."
        )
    return _change(
        store, issue_ids, actor, lambda _, known: _Change("noted", detail=said)
    )


def delete_issues(store: Store, issue_ids: Iterable[int], actor: str = "") -> Changed:
    """Delete issues with all that belongs to them: events, counters, feedback, history.

    If such an error happens again, it is a new issue.

    :param actor: who does it, for the log.
    :raises ActionError: if these are too many issues.
    :raises StoreError: if the database cannot be used now.
    """
    wanted = ids_of(issue_ids)
    found = [one for one in _possible(wanted) if _delete(store, one, actor)]
    return _changed(wanted, found)


def mark_feedback(store: Store, feedback_id: int, is_read: bool) -> bool:
    """Note that somebody has read what a person wrote; False if there is no such text.

    :raises StoreError: if the database cannot be used now.
    """
    found = feedback.c.id == feedback_id
    statement = update(feedback).where(found).values(is_read=is_read)
    return store.write(lambda connection: connection.execute(statement).rowcount > 0)


def ids_of(numbers: Iterable[int]) -> list[int]:
    """Return the numbers that were asked for, each once, ascending.

    :raises ActionError: if there are more than 1,000.
    """
    wanted = sorted(set(numbers))
    if len(wanted) > MAX_ISSUES:
        raise ActionError(
            f"{len(wanted):,} issues are too many at once; expected at most "
            f"{MAX_ISSUES:,}."
        )
    return wanted


def lock_groups(connection: Connection, issue_ids: Sequence[int]) -> None:
    """Hold the groups of issues: no event is counted in them until the end.

    First their projects, so that none of the issues gets another group meanwhile.
    """
    of_issues = select(issue.c.project_id).where(issue.c.id.in_(_possible(issue_ids)))
    held = (
        select(project.c.id).where(project.c.id.in_(of_issues)).order_by(project.c.id)
    )
    connection.execute(held.with_for_update(key_share=True)).all()
    query = select(group.c.id).where(group.c.issue_id.in_(_possible(issue_ids)))
    connection.execute(query.order_by(group.c.id).with_for_update()).all()


def lock_issues(connection: Connection, issue_ids: Sequence[int]) -> list[Record]:
    """Hold the issues, those that there are, and return their rows."""
    query = select(issue).where(issue.c.id.in_(_possible(issue_ids)))
    return list(connection.execute(query.order_by(issue.c.id).with_for_update()))


def signed(actor: str) -> str:
    """Return who does something, as the history can keep it."""
    return one_line(actor, MAX_ACTOR_LENGTH)


def _change(
    store: Store,
    issue_ids: Iterable[int],
    actor: str,
    decide: Callable[[Connection, Record], _Change],
) -> Changed:
    """Write what ``decide`` says about each issue; what is so already is not noted."""
    wanted, who = ids_of(issue_ids), signed(actor)

    def work(connection: Connection) -> list[int]:
        now = store.now()
        found = lock_issues(connection, wanted)
        for known in found:
            change = decide(connection, known)
            values = change.values
            if values and all(known._mapping[key] == values[key] for key in values):
                continue
            if values:
                changes = values | {"status_changed_at": now}
                connection.execute(
                    update(issue).where(issue.c.id == known.id).values(changes)
                )
            history.note(connection, known.id, now, change.kind, change.detail, who)
        return [known.id for known in found]

    return _changed(wanted, store.write(work))


def _status(
    kind: history.Kind, status: Status, detail: str = "", **conditions: Any
) -> _Change:
    return _Change(kind, {"status": status} | _UNCONDITIONAL | conditions, detail)


def _changed(wanted: Sequence[int], found: Sequence[int]) -> Changed:
    missing = sorted(set(wanted) - set(found))
    return Changed(tuple(found), tuple(missing))


def _possible(issue_ids: Sequence[int]) -> list[int]:
    return [number for number in issue_ids if can_be_id(number)]


def _until_words(seconds: float | None, events: int | None, users: int | None) -> str:
    """Say until when an issue is muted; empty: for ever."""
    if seconds is not None and not 0 < seconds <= MAX_MUTE_SECONDS:
        raise ActionError(
            f"An issue cannot be muted for {_number_words(seconds)} seconds; expected "
            "more than 0 and at most ten years."
        )
    for number, unit in ((events, "events"), (users, "people")):
        if number is not None and not 0 < number <= MAX_MUTE_COUNT:
            raise ActionError(
                f"An issue cannot be muted until {_number_words(number)} more {unit}; "
                f"expected 1 to {MAX_MUTE_COUNT:,}."
            )
    parts = [
        f"for {duration(seconds)}" if seconds else "",
        f"until {count(events, 'more event')}" if events else "",
        f"until {count(users, 'more person', 'more people')}" if users else "",
    ]
    return " or ".join(part for part in parts if part)


def _number_words(number: int | float) -> str:
    # Python refuses to write down an int that is long enough.
    is_short = isinstance(number, float) or abs(number) < 10**15
    return f"{number:g}" if is_short else "so many"


def _delete(store: Store, issue_id: int, actor: str) -> bool:
    """Delete an issue with all that belongs to it; False if there is none.

    Its events go in transactions before, so that what comes meanwhile gets its turn.
    """
    of_issue = select(group.c.id).where(group.c.issue_id == issue_id)
    events = event.c.group_id.in_(of_issue)
    while store.write(partial(delete_events, which=events)) == BATCH_SIZE:
        pass

    def work(connection: Connection) -> bool:
        lock_groups(connection, [issue_id])
        is_here = bool(lock_issues(connection, [issue_id]))
        while delete_events(connection, events):
            pass
        # Each before what it points at.
        for table in (feedback, group_hour, group_user, group_tag):
            connection.execute(delete(table).where(table.c.group_id.in_(of_issue)))
        for table in (group, activity, alert, merged_issue):
            connection.execute(delete(table).where(table.c.issue_id == issue_id))
        connection.execute(delete(issue).where(issue.c.id == issue_id))
        return is_here

    is_deleted = store.write(work)
    if is_deleted:
        logger.info("%s deleted issue %s", one_line(actor) or "Somebody", issue_id)
    return is_deleted
