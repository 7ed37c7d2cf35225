"""From what happened to issues to alerts that wait: which rules hold, and for what.

Owns the rows of alerts until they wait. One process at a time decides; the others find
it done. Muted and resolved issues are never told of. Knows nobody to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    insert,
    or_,
    select,
    text,
    update,
)

from ...settings.alert_rules import Rule
from ..database.schema import activity, alert, issue
from ..store import Store
from .windows import Match, holding, possible

#: Of what happened before, nobody is told any more: alerts were not wanted then.
MAX_NEWS_AGE_SECONDS = 86400.0
BATCH_SIZE = 500

# Any number: who decides about alerts in a PostgreSQL database holds this lock.
_LOCK = 0x616C6572747321
_RULE_OF = {"created": "new", "regressed": "regressed", "unmuted": "regressed"}


def decide(store: Store, rules: Sequence[Rule], looks_back: bool = True) -> int:
    """Write down which alerts are due; return how many there are.

    :param rules: none if nobody is to be told: what happened then is never told.
    :param looks_back: count what came lately, for the rules with numbers.
    :raises StoreError: if the database cannot be used now.
    """
    now = store.now()
    numbers = [rule for rule in rules if rule.kind not in _RULE_OF.values()]
    with store.reading() as connection:
        has_news = connection.scalar(select(activity.c.id).where(_is_news()).limit(1))
        matches = possible(connection, numbers, now) if looks_back else []
        matches = _not_told_lately(connection, matches, now)
        matches = holding(connection, matches, now)
    if has_news is None and not matches:
        return 0
    return store.write(lambda connection: _write(connection, rules, matches, now))


def is_alone(connection: Connection) -> bool:
    """Tell whether this transaction is the only one that works on alerts.

    It is until it ends. On SQLite no other one writes at all.
    """
    if connection.dialect.name == "sqlite":
        return True
    lock = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.scalar(lock, {"key": _LOCK}))


def _write(
    connection: Connection,
    rules: Sequence[Rule],
    matches: Iterable[Match],
    now: float,
) -> int:
    if not is_alone(connection):
        return 0
    news = connection.execute(
        select(activity.c.id, activity.c.kind, activity.c.issue_id)
        .add_columns(activity.c.happened_at, issue.c.status)
        .join(issue, issue.c.id == activity.c.issue_id)
        .where(_is_news())
        .order_by(activity.c.id)
        .limit(BATCH_SIZE)
    ).all()
    by_kind: dict[str, Rule] = {rule.kind: rule for rule in rules}
    told = [
        (rule, row.issue_id)
        for row in news
        if (rule := by_kind.get(_RULE_OF.get(row.kind, ""))) is not None
        and row.status == "unresolved"
        and row.happened_at > now - MAX_NEWS_AGE_SECONDS
    ]
    due = _not_told_lately(connection, dict.fromkeys([*told, *matches]), now)
    if due:
        connection.execute(insert(alert), [_row(*match, now) for match in due])
    if news:
        ids = [row.id for row in news]
        done = update(activity).where(activity.c.id.in_(ids)).values(is_told=True)
        connection.execute(done)
    return len(due)


def _row(rule: Rule, issue_id: int, now: float) -> dict[str, object]:
    return {
        "rule": rule.words,
        "issue_id": issue_id,
        "created_at": now,
        "status": "pending",
        "attempts": 0,
        "next_try_at": now,
        "problem": "",
        "told": "",
    }


def _is_news() -> ColumnElement[bool]:
    # As the partial index has it.
    return activity.c.is_told.is_(False)


def _not_told_lately(
    connection: Connection, matches: Iterable[Match], now: float
) -> list[Match]:
    """Leave out what cools down; sorted, because rows are locked by ascending id."""
    found = sorted(matches, key=lambda match: (match[1], match[0].words))
    if not found:
        return []
    rules = {rule for rule, _ in found}
    cools = or_(
        *(
            and_(
                alert.c.rule == rule.words,
                alert.c.created_at > now - rule.cool_down_seconds,
                # Not by a clock that was set back.
                alert.c.created_at <= now,
            )
            for rule in rules
        )
    )
    ids = {issue_id for _, issue_id in found}
    query = select(alert.c.rule, alert.c.issue_id).where(
        alert.c.issue_id.in_(ids), cools
    )
    told = {(row.rule, row.issue_id) for row in connection.execute(query)}
    return [match for match in found if (match[0].words, match[1]) not in told]
