"""What the pages show of what a store has recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker import actions, projects
from flask_errtrack.tracker.dashboard import trend
from flask_errtrack.tracker.dashboard.issue import pages
from flask_errtrack.tracker.queries.windows import window_of
from flask_errtrack.tracker.store import Store

from .. import samples
from ..samples import NOW, stores
from .rows import add_issue, writing

HOUR = int(NOW // 3600)
StoreWith = Callable[..., Store]


@pytest.fixture
def store_with(database_url: str) -> Iterator[StoreWith]:
    with stores(database_url) as make:
        yield make


@pytest.fixture
def store(store_with: StoreWith) -> Store:
    return store_with()


def test_a_resolved_issue_that_comes_back_is_marked(store_with: StoreWith) -> None:
    store = store_with(samples.order_event(1))
    actions.resolve(store, [1])
    store_with(samples.order_event(2))
    page = pages.issue_page(store, 1, NOW)
    assert page is not None and page.issue.is_regressed


def test_another_project_cannot_put_its_event_in_the_place_of_one(
    store_with: StoreWith,
) -> None:
    store = store_with(samples.order_event(1))
    other = projects.add(store, "Other")
    same_id = Item("event", json.dumps(samples.message_event(1)).encode())
    store.record(same_id, project_id=other.id)
    page = pages.event_page(store, samples.event_id(1), NOW)
    assert page is not None
    assert page.issue.id == 1


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
    assert "shop.orders" in page.reasons[0].words
    assert (page.report_count, page.reports[0].who) == (1, "Ada Lovelace")
    assert page.reports[0].is_of_event
    shares = {share.key: share.values for share in page.tag_shares}
    (region,) = shares["region"]
    assert (region.label, region.share) == ("eu-west", "100 %")
    assert region.search == "region:eu-west"
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
    actions.mark_feedback(store, 1, is_read=True)
    for show, total in (("unread", 1), ("read", 1), ("all", 2), ("none", 1)):
        page = pages.feedback_list_page(store, show=show, now=NOW)
        assert [tab.count for tab in page.tabs] == [1, 1, 2]
        assert (len(page.reports), page.paging.total) == (total, total)


def test_a_trend_covers_exactly_the_last_24_hours() -> None:
    window = window_of(1, NOW)
    found = trend.trend_of({HOUR: 4, HOUR - 23: 1, HOUR - 24: 99}, window)
    assert found.label == "5 events in the last 24 hours, at most 4 an hour"
    assert found.path == "M0 20v-5h3v5zM92 20v-20h3v20z"
    assert trend.trend_of({}, window).path == ""


def test_daily_bars_cover_14_days_and_show_a_single_event() -> None:
    day, today = 24, HOUR - HOUR % 24
    counts = {today: 1, today - day: 10_000, today - 14 * day: 5}
    bars = trend.daily_bars(counts, window_of(14, NOW))
    assert len(bars) == 14
    assert [(bar.height, bar.label) for bar in bars[-2:]] == [
        (44, "20 Nov: 10k events"),
        (2, "21 Nov: 1 event so far"),
    ]
    assert bars[0].height == 0
