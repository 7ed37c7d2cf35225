"""What happened to an issue, and what has just been done, in words.

Pure functions; whoever puts what they return into HTML escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....words import Moment, Value, moment, one_line, value
from ...database.rows import Record
from ...storing.history import Kind

#: A note is shown whole.
_MAX_NOTE_LENGTH = 4000

# What happened, without and with something to say about it.
_WORDS: Mapping[Kind, tuple[str, str]] = {
    "created": ("saw it for the first time", "saw it for the first time in {}"),
    "regressed": ("saw it come back", "saw it come back in {}"),
    "unmuted": (
        "reopened it: the mute is over",
        "reopened it: the mute is over, in {}",
    ),
    "line_edited": (
        "kept an edited line in it",
        "kept a line in it that was edited in {}",
    ),
    "recovered": ("saw the job run well again", "saw the job {} run well again"),
    "resolved": ("resolved it", "resolved it: {}"),
    "resolved_next": (
        "resolved it in the next release",
        "resolved it in the release after {}",
    ),
    "reopened": ("reopened it", "reopened it: {}"),
    "muted": ("muted it", "muted it {}"),
    "noted": ("wrote", "wrote"),
    "merged": ("merged another issue into it", "merged {} into it"),
    "unmerged": ("took events out of it", "took events out of it: they are {}"),
    "separated": ("took it out of another issue", "took it out of {}"),
}
#: These the tracker does by itself.
_OF_THE_TRACKER = frozenset(
    {"created", "regressed", "unmuted", "line_edited", "recovered"}
)

_DONE: Mapping[str, str] = {
    "resolved": "Resolved. If it happens again, it is shown as regressed.",
    "resolved-next": "Resolved in the next release. Releases known by now do not "
    "reopen it.",
    "reopened": "Reopened.",
    "muted": "Muted. It is counted on, but out of the way.",
    "deleted": "Deleted, with all its events.",
    "merged": "Merged into one issue. “Why these events are together” takes it apart "
    "again.",
    "unmerged": "These events are an issue of their own again.",
    "noted": "The note is in the history.",
    "read": "Marked as read.",
    "unread": "Marked as unread.",
    "monitor-muted": "Muted. Its runs are kept, and none becomes an issue.",
    "monitor-unmuted": "Not muted any more.",
    "monitor-deleted": "Deleted. If the job runs again, it is listed again.",
    "alerts-retried": "What could not be sent is tried again now.",
}


@dataclass(frozen=True)
class Happening:
    """A line of an issue's history; ``note`` is what somebody wrote, if that is it."""

    who: str
    what: str
    note: Value | None
    time: Moment


def happenings(rows: Sequence[Record], now: float) -> tuple[Happening, ...]:
    """Return the history in words; ``now`` is in seconds since 1970."""
    return tuple(_happening(row, now) for row in rows)


def done_text(code: str) -> str:
    """Return what has just been done, by its code in the address; empty: nothing."""
    return _DONE.get(code, "")


def _happening(row: Record, now: float) -> Happening:
    without, with_detail = _WORDS.get(row.kind, (row.kind, row.kind + ": {}"))
    is_note = row.kind == "noted"
    detail = "" if is_note else one_line(row.detail)
    nobody = "ErrTrack" if row.kind in _OF_THE_TRACKER else "Somebody"
    return Happening(
        who=one_line(row.actor) or nobody,
        what=with_detail.format(detail) if detail else without,
        note=value(row.detail, _MAX_NOTE_LENGTH) if is_note else None,
        time=moment(row.happened_at, now),
    )
