"""What the pages show of what a store has recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert
from sqlalchemy import event as sqlalchemy_event

from flask_errtrack.tracker import schema
from flask_errtrack.tracker.dashboard import pages, reads, trend
from flask_errtrack.tracker.dashboard.issue_list import (
    IssueListPage,
    issue_list_page,
    issue_rows,
)
from flask_errtrack.tracker.store import Store

from .. import samples
from ..samples import NOW, stores

HOUR = int(NOW // 3600)
StoreWith = Callable[..., Store]


def add_issue(connection: Connection, **values: Any) -> int:
    """Write an issue as if its events had come; ``hours`` are counts by age."""
    hours = values.pop("hours", {})
    row = {
        "project_id": 1,
        "title": "KeyError: 'CHF'",
        "culprit": "shop.orders in pay",
        "level": "error",
        "status": "unresolved",
        "is_regressed": False,
        "status_changed_at": NOW,
        "event_count": 1,
        "user_count": 0,
        "first_seen": NOW - 86_400 * 3,
        "last_seen": NOW - 60,
        "environment": "production",
        "release": "",
        "first_release": "",
        "regressed_release": "",
        **values,
    }
    issue_id = _insert(connection, schema.issue, row)
    shared = set(schema.group.c.keys()) & set(row)
    group_id = _insert(
        connection,
        schema.group,
        {name: row[name] for name in shared}
        | {"issue_id": issue_id, "hash": str(issue_id), "coarse_hash": str(issue_id)}
        | {"version": 1, "words": "", "search_text": ""},
    )
    for age, count in hours.items():
        hour = {"group_id": group_id, "hour": HOUR - age, "event_count": count}
        connection.execute(insert(schema.group_hour).values(hour))
    return issue_id


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    key = connection.execute(insert(table).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


@pytest.fixture
def store_with(database_url: str) -> Iterator[StoreWith]:
    with stores(database_url) as make:
        yield make


@pytest.fixture
def store(store_with: StoreWith) -> Store:
    return store_with()


@contextmanager
def writing(store: Store) -> Iterator[Connection]:
    with store.reading() as connection, connection.begin():
        yield connection


def titles(page: IssueListPage) -> list[str]:
    return [row.issue.title for row in page.rows]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        # 40 people now, then 90 events of nobody, then who was hit last.
        ("now", ["people", "loop", "recent", "old"]),
        ("last_seen", ["recent", "loop", "people", "old"]),
        ("first_seen", ["recent", "people", "loop", "old"]),
        ("events", ["old", "people", "loop", "recent"]),
        ("users", ["old", "people", "recent", "loop"]),
        ("nonsense", ["people", "loop", "recent", "old"]),
    ],
)
def test_what_breaks_most_people_now_stands_first_unless_asked_otherwise(
    store: Store, sort: str, expected: list[str]
) -> None:
    day = 86_400
    with writing(store) as connection:
        for title, events, users, first, last, hours in (
            ("old", 9000, 900, 90 * day, 3 * day, {72: 9000}),
            ("loop", 500, 0, 8 * day, 200, {2: 90, 30: 410}),
            ("people", 600, 40, 5 * day, 300, {1: 40, 40: 560}),
            ("recent", 1, 1, 60, 60, {0: 1}),
        ):
            add_issue(
                connection,
                title=title,
                event_count=events,
                user_count=users,
                first_seen=NOW - first,
                last_seen=NOW - last,
                hours=hours,
            )
    assert titles(issue_list_page(store, sort=sort, now=NOW)) == expected


def test_the_tabs_count_and_choose(store: Store) -> None:
    with writing(store) as connection:
        for title, status, regressed, environment in (
            ("new", "unresolved", False, "production"),
            ("back", "unresolved", True, "production"),
            ("fixed", "resolved", False, "staging"),
            ("noise", "muted", False, "production"),
        ):
            add_issue(
                connection,
                title=title,
                status=status,
                is_regressed=regressed,
                environment=environment,
            )
    page = issue_list_page(store, now=NOW)
    assert [(tab.label, tab.count, tab.is_current) for tab in page.tabs] == [
        ("Unresolved", 2, True),
        ("Regressed", 1, False),
        ("Resolved", 1, False),
        ("Muted", 1, False),
        ("All", 4, False),
    ]
    for status, expected in (
        ("unresolved", ["back", "new"]),
        ("regressed", ["back"]),
        ("resolved", ["fixed"]),
        ("muted", ["noise"]),
        ("all", ["noise", "fixed", "back", "new"]),
    ):
        found = issue_list_page(store, status=status, now=NOW)
        assert titles(found) == expected
    staging = issue_list_page(store, status="all", environment="staging", now=NOW)
    assert titles(staging) == ["fixed"]
    assert [tab.count for tab in staging.tabs] == [0, 0, 1, 0, 1]
    assert [menu.current for menu in staging.menus] == ["staging", "Breaking now"]


def test_the_list_has_pages_of_25_and_keeps_what_was_asked(store: Store) -> None:
    with writing(store) as connection:
        for number in range(60):
            add_issue(connection, title=str(number), last_seen=NOW - number)
    page = issue_list_page(store, sort="last_seen", page=2, now=NOW)
    assert titles(page) == [str(number) for number in range(25, 50)]
    assert (page.paging.first, page.paging.last, page.paging.total) == (26, 50, 60)
    assert page.paging.previous == {"sort": "last_seen"}
    assert page.paging.next == {"sort": "last_seen", "page": "3"}
    beyond = issue_list_page(store, page=99, now=NOW)
    assert beyond.rows == () and beyond.paging.next is None


def test_with_several_apps_the_list_says_whose_an_issue_is(store: Store) -> None:
    with writing(store) as connection:
        connection.execute(
            insert(schema.project).values(
                name="blog", public_key="b", created_at=NOW, id=2
            )
        )
        add_issue(connection, title="mine")
        add_issue(connection, title="theirs", project_id=2)
    page = issue_list_page(store, project=2, now=NOW)
    assert [(row.issue.title, row.issue.project) for row in page.rows] == [
        ("theirs", "blog")
    ]
    assert page.menus[0].current == "blog"


def test_the_number_of_queries_does_not_grow_with_the_list(
    store_with: StoreWith,
) -> None:
    store = store_with()
    statements: list[str] = []
    with store.reading() as connection:
        sqlalchemy_event.listen(
            connection.engine,
            "before_cursor_execute",
            lambda *found: statements.append(found[2]),
        )
    numbers = []
    for _ in range(2):
        with writing(store) as connection:
            for _ in range(12):
                add_issue(connection, hours={1: 1})
        statements.clear()
        issue_list_page(store, now=NOW)
        numbers.append(len([text for text in statements if "SELECT" in text]))
    assert numbers == [5, 5]


def test_a_row_has_its_route_its_trend_and_its_marks(store_with: StoreWith) -> None:
    events = [samples.order_event(1), samples.order_event(2)]
    store = store_with(*events)
    (row,) = issue_list_page(store, now=NOW + 90).rows
    assert row.transaction == "shop.pay"
    assert row.trend.label == "2 events in the last 24 hours, at most 2 an hour"
    assert row.issue.is_new and not row.issue.is_regressed
    assert row.issue.last_seen.ago == "1 min ago"
    assert (row.issue.type, row.issue.rest) == ("KeyError", ": 'CHF'")


def test_a_resolved_issue_that_comes_back_is_marked(store_with: StoreWith) -> None:
    store = store_with(samples.order_event(1))
    store.set_status(1, "resolved")
    store_with(samples.order_event(2))
    page = pages.issue_page(store, 1, NOW)
    assert page is not None and page.issue.is_regressed


def test_an_issue_shows_its_newest_event_and_the_way_to_the_others(
    store_with: StoreWith,
) -> None:
    store = store_with(*(samples.order_event(n) for n in (1, 2, 3)))
    ids = [None, *map(samples.event_id, (1, 2, 3))]
    page = pages.issue_page(store, 1, NOW)
    assert page is not None and page.event is not None
    assert page.event.event_id == ids[3]
    middle = pages.event_page(store, samples.event_id(2), NOW)
    assert middle is not None
    place = middle.place
    assert (place.position, place.kept) == (2, 3)
    assert [place.first_id, place.previous_id, place.next_id, place.last_id] == [
        ids[1],
        ids[1],
        ids[3],
        ids[3],
    ]
    assert page.place.next_id is None


def test_an_issue_says_what_where_who_and_why(store_with: StoreWith) -> None:
    store = store_with(samples.order_event())
    store.record(samples.report_of(1))
    page = pages.issue_page(store, 1, NOW)
    assert page is not None and page.event is not None
    event = page.event
    assert (event.type, event.text) == ("KeyError", "'CHF'")
    assert (event.place, event.function) == ("shop/orders.py:42", "pay")
    assert event.route == "POST /orders/<int:order_id>/pay"
    assert "shop.orders" in page.reasons[0]
    assert (page.report_count, page.reports[0].who) == (1, "Ada Lovelace")
    assert page.reports[0].is_of_event
    shares = {share.key: share.values for share in page.tag_shares}
    assert shares["region"] == (("eu-west", "100 %"),)
    assert page.bars[-1].label == "21 Nov: 1 event so far"


def test_issues_of_the_same_place_point_at_each_other(store_with: StoreWith) -> None:
    other = samples.order_event(2)
    frames = other["exception"]["values"][0]["stacktrace"]["frames"]
    frames[-1]["context_line"] = "    total = rates[code]"
    store = store_with(samples.order_event(1), other)
    page = pages.issue_page(store, 1, NOW)
    assert page is not None and [related.id for related in page.related] == [2]


def test_an_issue_without_any_kept_event_still_has_its_numbers(store: Store) -> None:
    with writing(store) as connection:
        issue_id = add_issue(connection, event_count=812)
    page = pages.issue_page(store, issue_id, NOW)
    assert page is not None and page.event is None and page.issue.events == 812


def test_what_is_not_there_is_none(store: Store) -> None:
    assert pages.issue_page(store, 1, NOW) is None
    assert pages.event_page(store, "f" * 32, NOW) is None
    assert pages.find_event(store, "nonsense") is None
    assert pages.find_event(store, "9" * 30) is None


def test_an_event_is_found_by_its_id_and_by_its_issue(store_with: StoreWith) -> None:
    store = store_with(samples.order_event(1), samples.order_event(2))
    dashed = f"{samples.event_id(1)[:8]}-{samples.event_id(1)[8:]}".upper()
    for asked, number in ((samples.event_id(1), 1), (dashed, 1), ("1", 2), ("#1", 2)):
        found = pages.find_event(store, asked)
        assert found is not None and found[1] is not None
        assert found[0]["event_id"] == samples.event_id(number)
        assert found[1]["id"] == 1


def test_issue_rows_are_ready_for_json(store_with: StoreWith) -> None:
    store = store_with(samples.order_event())
    assert issue_rows(store, now=NOW) == [
        {
            "id": 1,
            "title": "KeyError: 'CHF'",
            "culprit": "shop.orders in pay",
            "level": "error",
            "status": "unresolved",
            "events": 1,
            "users": 1,
            "first_seen": "2026-11-21T01:40:00Z",
            "last_seen": "2026-11-21T01:40:00Z",
        }
    ]
    assert issue_rows(store, status="resolved", now=time.time()) == []


def test_feedback_is_listed_with_what_it_is_about(store_with: StoreWith) -> None:
    store = store_with(samples.order_event(1))
    store.record(samples.report_of(1))
    store.record(samples.report_of(77, "Where is my event?"))
    page = pages.feedback_list_page(store, now=NOW)
    assert [(r.comments.text, r.issue_title, r.issue_id) for r in page.reports] == [
        ("Where is my event?", "", None),
        ("I only wanted to pay.", "KeyError: 'CHF'", 1),
    ]
    assert page.paging.total == 2


def test_a_trend_covers_exactly_the_last_24_hours() -> None:
    found = trend.day_trend({HOUR: 4, HOUR - 23: 1, HOUR - 24: 99}, NOW)
    assert found.label == "5 events in the last 24 hours, at most 4 an hour"
    assert found.path == "M0 20v-5h3v5zM92 20v-20h3v20z"
    assert trend.day_trend({}, NOW).path == ""


def test_daily_bars_cover_14_days_and_show_a_single_event() -> None:
    day = 24
    bars = trend.daily_bars({HOUR: 1, HOUR - day: 10_000, HOUR - 14 * day: 5}, NOW)
    assert len(bars) == 14
    assert [(bar.height, bar.label) for bar in bars[-2:]] == [
        (44, "20 Nov: 10k events"),
        (2, "21 Nov: 1 event so far"),
    ]
    assert bars[0].height == 0


def test_the_trend_of_the_list_reads_the_same_hours_as_the_order(store: Store) -> None:
    with writing(store) as connection:
        issue_id = add_issue(connection, hours={0: 1, 23: 2, 24: 4})
    with store.reading() as connection:
        (row,) = reads.issues(connection, reads.Choice(), "now", HOUR, 1)
    (shown,) = issue_list_page(store, now=NOW).rows
    assert (row.id, row.recent_count) == (issue_id, 3)
    assert shown.trend.label.startswith("3 events in the last 24 hours")
