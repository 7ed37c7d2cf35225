"""The list of issues: order, search, tabs, menus, facets and what a row says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import insert

from flask_errtrack.errors import SearchError
from flask_errtrack.tracker.dashboard.finding.issue_list import (
    IssueListPage,
    issue_list_page,
    issue_rows,
)
from flask_errtrack.tracker.dashboard.paging import Menu, Option
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from .. import samples
from ..samples import NOW, dashboard, stores
from .rows import add_issue, writing

StoreWith = Callable[..., Store]


@pytest.fixture
def store_with(database_url: str) -> Iterator[StoreWith]:
    with stores(database_url) as make:
        yield make


@pytest.fixture
def store(store_with: StoreWith) -> Store:
    return store_with()


def titles(page: IssueListPage) -> list[str]:
    return [row.issue.title for row in page.rows]


def menu(page: IssueListPage, name: str) -> Menu:
    (found,) = [menu for menu in page.menus if menu.name == name]
    return found


def option(menu: Menu, label: str) -> Option:
    (found,) = [option for option in menu.options if option.label == label]
    return found


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


def test_the_tabs_count_what_is_found_and_change_only_the_state(store: Store) -> None:
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
                tags={"environment": environment},
            )
    page = issue_list_page(store, now=NOW)
    assert [(tab.label, tab.count, tab.is_current) for tab in page.tabs] == [
        ("Unresolved", 2, True),
        ("Regressed", 1, False),
        ("Resolved", 1, False),
        ("Muted", 1, False),
        ("All", 4, False),
    ]
    for tab, expected in zip(
        page.tabs,
        (
            ["back", "new"],
            ["back"],
            ["fixed"],
            ["noise"],
            ["noise", "fixed", "back", "new"],
        ),
        strict=True,
    ):
        search = tab.arguments.get("q", "is:unresolved")
        found = issue_list_page(store, search=search, now=NOW)
        assert titles(found) == expected
        assert [other.label for other in found.tabs if other.is_current] == [tab.label]
        assert found.paging.total == len(expected)
    staging = issue_list_page(store, search="is:muted environment:staging", now=NOW)
    assert titles(staging) == [] and staging.paging.total == 0
    assert [tab.count for tab in staging.tabs] == [0, 0, 1, 0, 1]
    assert staging.tabs[2].arguments == {"q": "is:resolved environment:staging"}
    assert staging.tabs[4].arguments == {"q": "environment:staging"}


def test_a_search_for_anything_but_one_state_is_on_no_tab_or_on_all(
    store: Store,
) -> None:
    with writing(store) as connection:
        add_issue(connection, is_regressed=True)
        add_issue(connection, status="muted")
    both = issue_list_page(store, search="is:unresolved is:regressed", now=NOW)
    assert not any(tab.is_current for tab in both.tabs) and both.paging.total == 1
    rest = issue_list_page(store, search="!is:muted", now=NOW)
    assert rest.tabs[4].is_current and rest.paging.total == 1


def test_environment_and_release_are_chosen_without_losing_the_search(
    store: Store,
) -> None:
    with writing(store) as connection:
        add_issue(
            connection,
            title="both",
            tags={"environment": {"production": 3, "staging": 1}, "release": "1.0"},
        )
        add_issue(connection, title="live", tags={"environment": "production"})
        for version in ("1.0", "2.0 beta"):
            release = {"project_id": 1, "version": version, "first_seen": NOW}
            connection.execute(insert(schema.release).values(release))
    page = issue_list_page(store, now=NOW)
    environments, releases = menu(page, "Environment"), menu(page, "Release")
    assert environments.current == releases.current == "All"
    labels = [option.label for option in environments.options]
    assert labels == ["All", "production", "staging"]
    assert [option.label for option in releases.options] == ["All", "2.0 beta", "1.0"]
    search = option(environments, "staging").arguments["q"]
    assert search == "is:unresolved environment:staging"
    chosen = issue_list_page(store, search=search, now=NOW)
    assert titles(chosen) == ["both"]
    assert menu(chosen, "Environment").current == "staging"
    assert option(menu(chosen, "Environment"), "All").arguments == {}
    beta = option(menu(chosen, "Release"), "2.0 beta").arguments["q"]
    assert beta == 'is:unresolved environment:staging release:"2.0 beta"'
    assert titles(issue_list_page(store, search=beta, now=NOW)) == []


def test_a_period_counts_its_events_and_leaves_out_what_is_older(store: Store) -> None:
    with writing(store) as connection:
        for title, age, hours in (
            ("today", 1, {0: 1, 23: 2, 24: 4, 13 * 24: 8, 15 * 24: 16}),
            ("week", 7 * 24, {7 * 24: 100}),
            ("month", 29 * 24, {29 * 24: 7}),
            ("older", 31 * 24, {31 * 24: 9}),
        ):
            add_issue(
                connection,
                title=title,
                event_count=1000,
                last_seen=NOW - age * 3600,
                hours=hours,
            )
    for period, expected, label in (
        ("24h", {"today": 3}, "3 events in the last 24 hours, at most 2 an hour"),
        (
            "14d",
            {"week": 100, "today": 15},
            "15 events in the last 14 days, at most 8 a day",
        ),
        (
            "30d",
            {"week": 100, "today": 31, "month": 7},
            "31 events in the last 30 days, at most 16 a day",
        ),
        (
            "",
            {"today": 1000, "week": 1000, "month": 1000, "older": 1000},
            "3 events in the last 24 hours, at most 2 an hour",
        ),
    ):
        page = issue_list_page(store, sort="events", period=period, now=NOW)
        shown = {row.issue.title: row.events for row in page.rows}
        assert list(shown.items()) == list(expected.items())
        assert {row.trend.label for row in page.rows} >= {label}
        assert page.paging.total == len(expected)
    month = issue_list_page(store, period="30d", now=NOW).rows[0]
    assert month.events_words == "in 30 days; 1,000 events in all"


def test_the_list_has_pages_of_25_and_keeps_what_was_asked(store: Store) -> None:
    with writing(store) as connection:
        for number in range(60):
            add_issue(connection, title=str(number), last_seen=NOW - number)
    page = issue_list_page(
        store, search="!is:muted", sort="last_seen", period="14d", page=2, now=NOW
    )
    assert titles(page) == [str(number) for number in range(25, 50)]
    assert (page.paging.first, page.paging.last, page.paging.total) == (26, 50, 60)
    asked = {"q": "!is:muted", "sort": "last_seen", "period": "14d"}
    assert page.paging.previous == asked
    assert page.paging.next == asked | {"page": "3"}
    assert page.hidden == {"sort": "last_seen", "period": "14d"}
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
    assert menu(page, "App").current == "blog" and page.paging.total == 1
    assert page.hidden == {"project": "2"}


def test_the_number_of_queries_does_not_grow_with_the_list(store: Store) -> None:
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
                add_issue(connection, hours={1: 1}, tags={"browser": "Firefox"})
        statements.clear()
        issue_list_page(store, search="has:browser !user:ada", now=NOW)
        numbers.append(len([text for text in statements if "SELECT" in text]))
    assert numbers == [7, 7]


def test_a_row_has_its_route_its_trend_and_its_marks(store_with: StoreWith) -> None:
    events = [samples.order_event(1), samples.order_event(2)]
    store = store_with(*events)
    (row,) = issue_list_page(store, now=NOW + 90).rows
    assert row.transaction == "shop.pay"
    assert row.trend.label == "2 events in the last 24 hours, at most 2 an hour"
    assert row.issue.is_new and not row.issue.is_regressed
    assert row.issue.last_seen.ago == "1 min ago"
    assert (row.issue.type, row.issue.rest) == ("KeyError", ": 'CHF'")


def test_the_trend_of_the_list_reads_the_same_hours_as_the_order(store: Store) -> None:
    with writing(store) as connection:
        add_issue(connection, title="yesterday", hours={24: 9000})
        add_issue(connection, title="today", hours={0: 1, 23: 2})
    today, yesterday = issue_list_page(store, now=NOW).rows
    assert today.issue.title == "today"
    assert today.trend.label.startswith("3 events in the last 24 hours")
    assert yesterday.trend.label == "0 events in the last 24 hours"


def test_facets_share_the_events_of_the_list_and_narrow_the_search(
    store: Store,
) -> None:
    with writing(store) as connection:
        counts = {f"customer {number}": number for number in range(1, 9)}
        add_issue(
            connection,
            tags={"customer": counts, "environment": {"live": 99, "test": 1}},
        )
        add_issue(connection, tags={"level": "high", "customer": {"": 9}})
    page = issue_list_page(store, now=NOW)
    environment, customer, level = page.facets
    assert [(v.label, v.share, v.percent) for v in environment.values] == [
        ("live", "99 %", 99),
        ("test", "1 %", 1),
    ]
    # The most frequent first, and of those that were folded together no link.
    assert [value.label for value in customer.values] == [
        "other values",
        "customer 8",
        "customer 7",
        "customer 6",
        "customer 5",
    ]
    assert customer.values[0].arguments is None and customer.more == 4
    assert customer.values[1].arguments == {"q": 'is:unresolved customer:"customer 8"'}
    assert level.values[0].arguments == {"q": "is:unresolved tags[level]:high"}
    narrowed = issue_list_page(store, search="tags[level]:high", now=NOW)
    (level,) = [facet for facet in narrowed.facets if facet.label == "level"]
    assert level.values[0].is_current and level.values[0].arguments == {"q": ""}
    assert narrowed.paging.total == 1


def test_a_wrong_search_is_answered_and_finds_nothing(store: Store) -> None:
    with writing(store) as connection:
        add_issue(connection)
    page = issue_list_page(store, search="is:open ", now=NOW)
    assert page.problem.startswith("is:open is not known; known are is:unresolved")
    assert page.rows == () and page.search == "is:open" and not page.is_empty_tracker


@pytest.mark.parametrize(
    ("search", "project", "page", "words"),
    [
        ("is:unresolved", None, 1, "Every issue is dealt with."),
        ("is:unresolved", 2, 1, "No issue is found."),
        ("cron-job:x", None, 1, "No issue is found."),
        ("cron-jb:x", None, 1, "No issue is found. No event has a tag cron-jb."),
        ("", None, 2, "This page has no issues any more."),
    ],
)
def test_an_empty_page_says_why(
    store: Store, search: str, project: int | None, page: int, words: str
) -> None:
    with writing(store) as connection:
        add_issue(connection, status="resolved", tags={"cron-job": "clear"})
    found = issue_list_page(store, search=search, project=project, page=page, now=NOW)
    assert found.empty_words == words and not found.rows


def test_the_title_of_the_page_names_the_search(store: Store) -> None:
    def title(search: str) -> str:
        return issue_list_page(store, search=search, now=NOW).title

    assert title("is:unresolved") == title("") == "Issues"
    assert title(" level:fatal ") == "level:fatal · Issues"


def test_facets_of_a_part_of_the_issues_say_so(store: Store) -> None:
    with writing(store) as connection:
        for number in range(26):
            add_issue(connection, tags={"number": str(number % 2)})
    client = dashboard(store).test_client()
    said = "Of all events of the 25 issues on this page"
    assert said in client.get("/errtrack/").text
    assert said not in client.get("/errtrack/?q=number:1").text


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
    assert issue_rows(store, "is:resolved", now=NOW) == []
    assert issue_rows(store, "region:eu-west", project=2, now=NOW) == []
    with pytest.raises(SearchError):
        issue_rows(store, "level:high", now=NOW)


def test_the_page_shows_the_search_and_what_is_wrong_with_it(
    store_with: StoreWith,
) -> None:
    client = dashboard(store_with(samples.order_event())).test_client()
    answer = client.get("/errtrack/", query_string={"q": 'level:"<b>'})
    assert answer.status_code == 400
    assert 'value="level:&#34;&lt;b&gt;"' in answer.text
    assert 'aria-describedby="problem"' in answer.text
    assert "The quote that opens at &#34;&lt;b&gt; is never closed." in answer.text
    usual = client.get("/errtrack/")
    assert usual.status_code == 200 and 'value="is:unresolved"' in usual.text


def test_every_link_of_the_list_leads_to_a_search_that_works(
    store_with: StoreWith,
) -> None:
    store = store_with(samples.order_event(1), samples.hostile_event(2))
    page = issue_list_page(store, now=NOW)
    options = [option for menu in page.menus for option in menu.options]
    asked = [option.arguments for option in (*page.tabs, *options)]
    for facet in page.facets:
        asked += [value.arguments for value in facet.values if value.arguments]
    client = dashboard(store).test_client()
    assert len(asked) > 20
    for arguments in asked:
        answer = client.get("/errtrack/", query_string=dict(arguments))
        assert answer.status_code == 200, arguments
