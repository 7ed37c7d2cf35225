"""Which of two versions of an app is the later one.

By their numbers, if both have some; else by which of them was seen first. Knows the
rows of releases, and nothing of what is decided by their order.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, select

from ..database.rows import Record
from ..database.schema import release

#: So many of the versions seen last can be the newest.
_MAX_RECENT = 100
# "shop@1.4.0-rc.1+build", "v1.4", "1.4.0rc1"; a commit's hash is none of these.
_NUMBERED = re.compile(
    r"(?P<package>.*@)?v?(?P<numbers>\d{1,9}(?:\.\d{1,9})+)"
    r"(?:-?(?P<before>[A-Za-z][0-9A-Za-z.-]{0,60}))?(?:\+.*)?"
)
_PART = re.compile(r"\d+|[A-Za-z]+")

_Order = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def newest_release(connection: Connection, project_id: int) -> Record | None:
    """Return the newest release of a project; None if it never told one."""
    query = select(release).where(release.c.project_id == project_id)
    newest: Record | None = None
    for row in connection.execute(
        query.order_by(release.c.id.desc()).limit(_MAX_RECENT)
    ):
        if newest is None or is_later(row, newest):
            newest = row
    return newest


def is_later(one: Record, other: Record) -> bool:
    """Tell whether a release is later than another one of its project."""
    ours, theirs = _order_of(one.version), _order_of(other.version)
    if ours is None or theirs is None or ours[0] != theirs[0]:
        return bool(one.id > other.id)
    return ours[1] > theirs[1]


def _order_of(version: str) -> tuple[str, _Order] | None:
    """Return the package of a version, and what its versions are ordered by."""
    found = _NUMBERED.fullmatch(version.strip())
    if found is None:
        return None
    numbers = [int(part) for part in found["numbers"].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    before = found["before"] or ""
    parts = tuple(
        (not part.isdigit(), int(part) if part.isdigit() else 0, part)
        for part in _PART.findall(before)
    )
    return found["package"] or "", (tuple(numbers), not before, parts)
