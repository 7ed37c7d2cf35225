"""The pages of people and of releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from flask_errtrack.tracker import actions
from flask_errtrack.tracker.dashboard.finding.issue_list import issue_list_page
from flask_errtrack.tracker.dashboard.finding.people import user_page
from flask_errtrack.tracker.dashboard.finding.releases import (
    release_list_page,
    release_page,
)
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.storing.counting import Person

from .. import samples
from ..samples import NOW, dashboard, stores
from .rows import writing

StoreWith = Callable[..., Store]
ADA = {"id": "17", "email": "ada@example.org", "username": "ada"}


@pytest.fixture
def store_with(database_url: str) -> Iterator[StoreWith]:
    with stores(database_url) as make:
        yield make


def happened(number: int, kind: str, **more: Any) -> dict[str, Any]:
    values = [samples.exception(kind, frames=[samples.frame()])]
    return samples.order_event(number, exception={"values": values}, **more)


def hash_of(user: dict[str, Any]) -> str:
    who = Person.of({"user": user})  # type: ignore[typeddict-item]
    assert who is not None
    return who.user_hash


def test_a_person_has_facts_issues_and_events(store_with: StoreWith) -> None:
    store = store_with(
        happened(1, "Pay", user=ADA),
        happened(2, "Pay", user=ADA),
        happened(3, "Tax", user=ADA),
        happened(4, "Tax", user={"id": "18"}),
        happened(5, "Other", user={"id": "18"}),
    )
    page = user_page(store, 1, hash_of(ADA), now=NOW)
    assert page is not None
    assert page.name == "ada@example.org" and page.project == ""
    assert page.facts == (
        ("E-mail", "ada@example.org"),
        ("Name", "ada"),
        ("Id", "17"),
    )
    assert [issue.type for issue in page.issues] == ["Tax", "Pay"]
    assert page.issue_count == 2
    assert [event.event_id for event in page.events] == [
        samples.event_id(number) for number in (3, 2, 1)
    ]
    assert page.events[0].title == "Tax: 'CHF'" and page.paging.total == 3
    found = issue_list_page(store, search=page.search, now=NOW)
    assert {row.issue.type for row in found.rows} == {"Pay", "Tax"}


def test_a_person_of_whom_no_event_is_kept_still_has_issues(
    store_with: StoreWith,
) -> None:
    store = store_with(happened(1, "Pay", user=ADA))
    with writing(store) as connection:
        connection.execute(update(schema.event).values(payload=None))
    page = user_page(store, 1, hash_of(ADA), now=NOW)
    assert page is not None and page.events == () and page.issue_count == 1
    client = dashboard(store).test_client()
    text = client.get(f"/errtrack/users/1/{page.user_hash}").text
    assert "None is kept any more." in text


def test_the_events_of_a_person_have_pages(store_with: StoreWith) -> None:
    store = store_with(*(happened(number, "Pay", user=ADA) for number in range(1, 31)))
    page = user_page(store, 1, hash_of(ADA), page=2, now=NOW)
    assert page is not None and len(page.events) == 5
    client = dashboard(store).test_client()
    text = client.get(f"/errtrack/users/1/{page.user_hash}?page=2").text
    assert f'href="/errtrack/users/1/{page.user_hash}?page=1"' in text
    assert "26–30 of 30 events" in text


def test_a_release_has_what_is_new_in_it_and_what_came_back(
    store_with: StoreWith,
) -> None:
    store = store_with(
        happened(1, "Old", release="1.0", user=ADA),
        happened(2, "Fixed", release="1.0"),
        now=NOW - 86_400,
    )
    actions.resolve(store, [2])
    store = store_with(
        happened(3, "New", release="2.0", user=ADA),
        happened(4, "New", release="2.0", user={"id": "18"}),
        happened(5, "Fixed", release="2.0"),
        happened(6, "Old", release="2.0"),
    )
    page = release_page(store, 1, "2.0", now=NOW + 3600)
    assert page is not None
    new, back = page.groups
    assert [issue.type for issue in new.issues] == ["New"] and new.count == 1
    assert [issue.type for issue in back.issues] == ["Fixed"] and back.count == 1
    assert (page.events, page.first_seen.ago) == (4, "1 h ago")
    found = issue_list_page(store, search=page.search, now=NOW)
    assert {row.issue.type for row in found.rows} == {"New", "Old", "Fixed"}
    releases = release_list_page(store, now=NOW).rows
    assert [(r.label, r.new_issues, r.regressed_issues) for r in releases] == [
        ("2.0", 1, 1),
        ("1.0", 2, 0),
    ]


def test_the_releases_have_pages(store_with: StoreWith) -> None:
    store = store_with(
        *(happened(number, "Pay", release=f"1.{number}") for number in range(1, 31))
    )
    page = release_list_page(store, project=1, page=2, now=NOW)
    assert [row.label for row in page.rows] == ["1.5", "1.4", "1.3", "1.2", "1.1"]
    assert page.paging.previous == {"project": "1", "page": "1"}
    assert release_list_page(store, project=2, now=NOW).rows == ()
    assert len(release_list_page(store, project=2**70, now=NOW).rows) == 25


@pytest.mark.parametrize(
    "version", ["../../logout", "//evil.example", "?x=1#y", "50%", " 1 0 ", "<b>"]
)
def test_a_link_to_a_release_leads_nowhere_else(
    store_with: StoreWith, version: str
) -> None:
    store = store_with(happened(1, "Pay", release=version))
    client = dashboard(store).test_client()
    text = client.get("/errtrack/releases").text
    assert '<a href="/errtrack/releases/1?version=' in text
    (row,) = release_list_page(store, now=NOW).rows
    query = {"version": row.version}
    answer = client.get("/errtrack/releases/1", query_string=query)
    assert answer.status_code == 200 and "Pay" in answer.text


@pytest.fixture
def client(store_with: StoreWith) -> FlaskClient:
    return dashboard(store_with(samples.order_event())).test_client()


@pytest.mark.parametrize(
    "path",
    [
        f"/users/1/{'0' * 40}",
        f"/users/2/{hash_of({'id': '1291'})}",
        f"/users/1/{'%00' * 40}",
        "/users/1/short",
        f"/users/{2**70}/{'0' * 40}",
        "/releases/1",
        "/releases/1?version=%00",
        "/releases/2?version=shop%402.4.1",
        f"/releases/{2**70}?version=1",
    ],
)
def test_whom_and_what_nobody_met_is_not_there(client: FlaskClient, path: str) -> None:
    assert client.get(f"/errtrack{path}").status_code == 404


def test_a_tracker_without_releases_says_how_to_get_some(
    store_with: StoreWith,
) -> None:
    text = dashboard(store_with()).test_client().get("/errtrack/releases").text
    assert "No release is known yet" in text
