"""The list of issues is the same however little of it is looked at."""

from __future__ import annotations

import random

from sqlalchemy import Connection
from sqlalchemy import event as sqlalchemy_event

from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.queries import finding
from flask_errtrack.tracker.queries.listing import Listing, issues, issues_and_counts
from flask_errtrack.tracker.search.conditions import issues_condition
from flask_errtrack.tracker.search.language import parse
from flask_errtrack.tracker.search.terms import Query
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.storing.counting import OTHER_VALUES

from .dashboard.rows import HOUR, add_issue, writing
from .samples import NOW

#: Of the issues below, in days.
AGES = (0, 3, 20, 40)


def _add_many(connection: Connection, number: int) -> dict[int, list[int]]:
    """Add issues with events of different ages, and return these numbers by issue."""
    chance = random.Random(1)
    found = {}
    for _ in range(number):
        events = [chance.choice((0, 1, 2, 50)) for _ in AGES]
        hours = {24 * age: count for age, count in zip(AGES, events, strict=True)}
        issue_id = add_issue(
            connection,
            event_count=sum(events),
            hours={age: count for age, count in hours.items() if count},
            tags={"browser": "Firefox" if events[0] else "Edge"},
            words="broken price" if events[1] else "",
            status="resolved" if events[2] else "unresolved",
        )
        found[issue_id] = events
    return found


def test_the_most_events_of_a_period_are_those_of_all_issues_together(
    store: Store,
) -> None:
    with writing(store) as connection:
        events = _add_many(connection, 60)
    for days in (1, 14, 30):
        since = HOUR - 24 * days + 1
        wanted = Listing(issues_condition(Query(), NOW), "events", HOUR, since)
        score = {
            issue_id: sum(n for n, age in zip(found, AGES, strict=True) if age < days)
            for issue_id, found in events.items()
        }
        expected = sorted(score, key=lambda issue_id: (-score[issue_id], -issue_id))

        with store.reading() as connection:
            pages = [issues(connection, wanted, 7, start) for start in range(0, 70, 7)]

        assert [row.id for page in pages for row in page] == expected
        assert {row.id: row.score for page in pages for row in page} == score


def test_few_issues_are_counted_for_the_most_events_of_a_month(store: Store) -> None:
    with writing(store) as connection:
        for number in range(200):
            hours = {24: 1000 - number, 24 * 60: 1}
            add_issue(connection, event_count=1001 - number, hours=hours)
    statements: list[str] = []
    wanted = Listing(issues_condition(Query(), NOW), "events", HOUR, HOUR - 719)
    with store.reading() as connection:
        sqlalchemy_event.listen(
            connection.engine,
            "before_cursor_execute",
            lambda *found: statements.append(found[2]),
        )
        found = issues(connection, wanted, 5)

    assert [row.score for row in found] == [1000, 999, 998, 997, 996]
    assert len(statements) == 1


def test_the_numbers_of_a_search_are_those_of_its_issues(store: Store) -> None:
    searches = "", "browser:Firefox", "browser:Fire*", "has:browser", "price", "!price"
    resolved = issues_condition(parse("is:resolved"), NOW)
    with writing(store) as connection:
        _add_many(connection, 30)
    with store.reading() as connection:
        for search in searches:
            condition = issues_condition(parse(search), NOW)
            alone = issues(connection, Listing(condition, "now", HOUR), 100)
            found, counts = issues_and_counts(
                connection, Listing(condition, "now", HOUR, of_state=resolved), 100
            )

            expected = [row.id for row in alone if row.status == "resolved"]
            assert [row.id for row in found] == expected
            assert counts[""] == len(alone) > len(found) == counts["resolved"] > 0
            assert counts["unresolved"] == len(alone) - len(found)
            assert counts["muted"] == counts["regressed"] == 0


def test_numbers_are_told_also_of_a_page_without_issues(store: Store) -> None:
    with writing(store) as connection:
        add_issue(connection)
    muted = issues_condition(parse("is:muted"), NOW)
    wanted = Listing(issues_condition(Query(), NOW), "now", HOUR, of_state=muted)

    with store.reading() as connection:
        found, counts = issues_and_counts(connection, wanted, 25)

    assert not found
    assert (counts[""], counts["unresolved"], counts["muted"]) == (1, 1, 0)


def test_environments_are_told_by_name_each_once(store: Store) -> None:
    names = {"staging": 3, "production": 2, OTHER_VALUES: 1, "a b": 1}
    with writing(store) as connection:
        for _ in range(3):
            add_issue(connection, tags={"environment": names, "shop": "x"})
    with store.reading() as connection:
        assert finding.environments(connection) == ["a b", "production", "staging"]


def test_there_are_no_environments_where_no_event_has_one(store: Store) -> None:
    with store.reading() as connection:
        assert finding.environments(connection) == []


def test_no_index_of_issues_changes_with_each_event() -> None:
    changing = {"event_count", "user_count", "last_seen", "title", "release"}
    for table in (schema.issue, schema.group):
        for index in table.indexes:
            assert not changing & {column.name for column in index.columns}
