"""The queries behind what finds: what the list shows beside issues, people, releases.

Each function is one query, however many issues there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, and_, func, select

from ..database import schema
from ..database.rows import Record
from ..storing.counting import OTHER_VALUES

_MAX_CHOICES = 50
_MAX_FACET_VALUES = 5
_MAX_FACET_ROWS = 500
_MAX_ISSUES = 100

_issue = schema.issue.c
_group = schema.group.c
_tag = schema.group_tag.c
_event = schema.event.c
_user = schema.group_user.c
_person = schema.person.c
_release = schema.release.c


def has_issues(connection: Connection) -> bool:
    """Tell whether there is any issue at all."""
    return connection.execute(select(_issue.id).limit(1)).first() is not None


def transactions(connection: Connection, issue_ids: Iterable[int]) -> dict[int, str]:
    """Return the most frequent transaction of each issue that has one."""
    # An outer join makes SQLite begin with the groups. Without statistics it takes all
    # transactions that there are for fewer.
    is_route = and_(_tag.group_id == _group.id, _tag.key == "transaction")
    query = (
        select(_group.issue_id, _tag.value)
        .outerjoin(schema.group_tag, is_route)
        .where(_group.issue_id.in_(list(issue_ids)))
        .group_by(_group.issue_id, _tag.value)
        .order_by(func.sum(_tag.event_count), _tag.value)
    )
    # The last one wins: that with the most events.
    return {row.issue_id: row.value for row in connection.execute(query) if row.value}


def facets(connection: Connection, issue_ids: Iterable[int]) -> Sequence[Record]:
    """Return the most frequent values of each tag that some issues have.

    :return: ``key, value, events``, and of the key ``total`` events and ``values``.
    """
    events = func.sum(_tag.event_count).label("events")
    counts = (
        select(_tag.key, _tag.value, events)
        .join(schema.group, _group.id == _tag.group_id)
        .where(_group.issue_id.in_(list(issue_ids)))
        .group_by(_tag.key, _tag.value)
        .subquery()
    )
    key = counts.c.key
    order = [counts.c.events.desc(), counts.c.value]
    ranked = select(
        *counts.c,
        func.sum(counts.c.events).over(partition_by=key).label("total"),
        func.count().over(partition_by=key).label("values"),
        func.row_number().over(partition_by=key, order_by=order).label("rank"),
    ).subquery()
    query = (
        select(*ranked.c)
        .where(ranked.c.rank <= _MAX_FACET_VALUES)
        .order_by(ranked.c.total.desc(), ranked.c.key, ranked.c.rank)
    )
    return connection.execute(query.limit(_MAX_FACET_ROWS)).all()


def environments(connection: Connection) -> Sequence[str]:
    """Return the environments that events came from, by name."""
    is_one = _tag.key == "environment"
    first = select(func.min(_tag.value).label("value"))
    # From each to the next by the index: nearly all rows have one of very few.
    known = first.where(is_one, _tag.value > OTHER_VALUES).cte(recursive=True)
    following = first.where(is_one, _tag.value > known.c.value).scalar_subquery()
    known = known.union_all(select(following).where(known.c.value.is_not(None)))
    query = select(known.c.value).where(known.c.value.is_not(None))
    return connection.scalars(query.limit(_MAX_CHOICES)).all()


def releases(
    connection: Connection,
    project_id: int | None,
    limit: int = _MAX_CHOICES,
    offset: int = 0,
) -> Sequence[Record]:
    """Return releases, the newest first; each row has ``releases``, how many in all."""
    query = select(schema.release, func.count().over().label("releases"))
    if project_id is not None:
        query = query.where(_release.project_id == project_id)
    query = query.order_by(_release.id.desc()).limit(limit).offset(offset)
    return connection.execute(query).all()


def release(connection: Connection, project_id: int, version: str) -> Record | None:
    """Return a release by its version."""
    query = select(schema.release).where(
        _release.project_id == project_id, _release.version == version
    )
    return connection.execute(query).first()


def issue_numbers_of(
    connection: Connection, versions: Collection[str], column: str
) -> dict[tuple[int, str], int]:
    """Return how many issues name each of some releases, by project and version.

    :param column: ``first_release`` or ``regressed_release``.
    """
    version = schema.issue.c[column]
    query = (
        select(
            _issue.project_id, version.label("version"), func.count().label("issues")
        )
        .where(schema.issue.c[column].in_(list(versions)))
        .group_by(_issue.project_id, version)
    )
    return {
        (row.project_id, row.version): row.issues for row in connection.execute(query)
    }


def issues_of_release(
    connection: Connection, project_id: int, version: str, column: str
) -> Sequence[Record]:
    """Return the issues that name a release, the most people first, 100 at most.

    Each row has ``issues``: how many there are in all.

    :param column: ``first_release`` or ``regressed_release``.
    """
    query = (
        select(schema.issue, func.count().over().label("issues"))
        .where(_issue.project_id == project_id, schema.issue.c[column] == version)
        .order_by(_issue.user_count.desc(), _issue.event_count.desc(), _issue.id.desc())
    )
    return connection.execute(query.limit(_MAX_ISSUES)).all()


def events_of_release(connection: Connection, project_id: int, version: str) -> int:
    """Return how many events of a release have come."""
    query = (
        select(func.coalesce(func.sum(_tag.event_count), 0))
        .join(schema.group, _group.id == _tag.group_id)
        .where(
            _tag.key == "release",
            _tag.value == version,
            _group.project_id == project_id,
        )
    )
    return int(connection.execute(query).scalar_one())


def person(connection: Connection, project_id: int, user_hash: str) -> Record | None:
    """Return what is known of a person."""
    query = select(schema.person).where(
        _person.project_id == project_id, _person.user_hash == user_hash
    )
    return connection.execute(query).first()


def issues_of_person(
    connection: Connection, project_id: int, user_hash: str
) -> Sequence[Record]:
    """Return the issues that a person met, last seen first, 100 at most.

    Each row has ``issues``: how many there are in all.
    """
    met = (
        select(_group.issue_id)
        .join(schema.group_user, _user.group_id == _group.id)
        .where(_user.user_hash == user_hash, _group.project_id == project_id)
    )
    query = (
        select(schema.issue, func.count().over().label("issues"))
        .where(_issue.id.in_(met))
        .order_by(_issue.last_seen.desc(), _issue.id.desc())
    )
    return connection.execute(query.limit(_MAX_ISSUES)).all()


def events_of_person(
    connection: Connection, project_id: int, user_hash: str, limit: int, offset: int
) -> Sequence[Record]:
    """Return a person's events that are kept, the newest first.

    :return: ``event_id, received_at, issue_id, title``, and ``events`` in all.
    """
    query = (
        select(
            _event.event_id,
            _event.received_at,
            _group.issue_id,
            _issue.title,
            func.count().over().label("events"),
        )
        .join(schema.group, _group.id == _event.group_id)
        .join(schema.issue, _issue.id == _group.issue_id)
        .where(
            and_(
                _event.project_id == project_id,
                _event.user_hash == user_hash,
                _event.payload.is_not(None),
            )
        )
        .order_by(_event.id.desc())
    )
    return connection.execute(query.limit(limit).offset(offset)).all()
