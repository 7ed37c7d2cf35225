"""The rules with numbers: for which issues each may hold, and for which it does.

The counters of whole hours tell at little cost where it is worth counting events one by
one. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, Select, func, select

from ...settings.alert_rules import USUAL_HOURS, Rule
from ..database.schema import event, group, group_hour, issue
from ..storing.counting import HOUR_SECONDS, hour_of

#: A rule that holds, and for which issue.
Match = tuple[Rule, int]


def possible(connection: Connection, rules: Iterable[Rule], now: float) -> list[Match]:
    """Return for which issues each rule may hold now, by their hours.

    They happened often enough in the hours that the window of a rule touches.
    """
    found: list[Match] = []
    for rule in rules:
        found += _held(connection, rule, _in_hours(rule, now), now)
    return found


def holding(
    connection: Connection, matches: Iterable[Match], now: float
) -> list[Match]:
    """Return which of some rules really hold now, by the events in their windows."""
    by_rule: dict[Rule, list[int]] = {}
    for rule, issue_id in matches:
        by_rule.setdefault(rule, []).append(issue_id)
    found: list[Match] = []
    for rule, issue_ids in by_rule.items():
        found += _held(connection, rule, _in_window(rule, issue_ids, now), now)
    return found


def _held(
    connection: Connection, rule: Rule, query: Select[int, int], now: float
) -> list[Match]:
    """For which issues a rule holds, by a query for ``issue_id`` and ``number``."""
    counts = {row.issue_id: int(row.number) for row in connection.execute(query)}
    if rule.kind == "spike":
        return _spikes(connection, rule, counts, now)
    return [
        (rule, issue_id)
        for issue_id, number in counts.items()
        if number >= rule.threshold
    ]


def _start(rule: Rule, now: float) -> float:
    return now - (HOUR_SECONDS if rule.kind == "spike" else rule.window_seconds)


def _in_hours(rule: Rule, now: float) -> Select[int, int]:
    start = _start(rule, now)
    events = func.sum(group_hour.c.event_count)
    least = rule.min_events if rule.kind == "spike" else rule.threshold
    total = issue.c.user_count if rule.kind == "users" else issue.c.event_count
    return (
        select(group.c.issue_id, events.label("number"))
        .join(group, group.c.id == group_hour.c.group_id)
        .join(issue, issue.c.id == group.c.issue_id)
        .where(
            group_hour.c.hour >= hour_of(start),
            issue.c.last_seen > start,
            issue.c.status == "unresolved",
            # Most issues never had so many at all.
            total >= least,
        )
        .group_by(group.c.issue_id)
        .having(events >= least)
    )


def _in_window(rule: Rule, issue_ids: Collection[int], now: float) -> Select[int, int]:
    number = func.count()
    if rule.kind == "users":
        number = func.count(event.c.user_hash.distinct())
    return (
        select(group.c.issue_id, number.label("number"))
        .join(event, event.c.group_id == group.c.id)
        .where(group.c.issue_id.in_(issue_ids), event.c.received_at > _start(rule, now))
        .group_by(group.c.issue_id)
    )


def _spikes(
    connection: Connection, rule: Rule, counts: dict[int, int], now: float
) -> list[Match]:
    """The issues for which so many events in the last hour are a spike."""
    if not counts:
        return []
    this_hour = hour_of(now)
    before = func.coalesce(func.sum(group_hour.c.event_count), 0)
    query = (
        select(issue.c.id, issue.c.first_seen, before.label("before"))
        .join(group, group.c.issue_id == issue.c.id)
        .outerjoin(
            group_hour,
            (group_hour.c.group_id == group.c.id)
            & (group_hour.c.hour >= this_hour - USUAL_HOURS)
            & (group_hour.c.hour < this_hour),
        )
        .where(issue.c.id.in_(counts))
        .group_by(issue.c.id, issue.c.first_seen)
    )
    start = _start(rule, now)
    return [
        (rule, row.id)
        for row in connection.execute(query)
        if rule.is_spike(
            counts[row.id], int(row.before), (start - row.first_seen) / HOUR_SECONDS
        )
    ]
