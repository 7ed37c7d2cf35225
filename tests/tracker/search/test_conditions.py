"""Which issues a search finds, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from flask_errtrack.tracker.database.schema import group, issue, person, project
from flask_errtrack.tracker.search.conditions import (
    MAX_PERSONS,
    issues_condition,
    unknown_words,
)
from flask_errtrack.tracker.search.language import parse
from flask_errtrack.tracker.store import Store

from ..samples import NOW
from ..stores import Clock, broken, item


def happen(store: Store, name: str, project_id: int = 1, **fields: Any) -> None:
    """Record an event of an issue that is called like its exception."""
    raw = item(exception={"values": [broken(kind=name)]}, **fields)
    store.record(raw, project_id)


def found(store: Store, text: str) -> list[str]:
    """Return the names of the issues that a search finds."""
    condition = issues_condition(parse(text), NOW)
    query = select(issue.c.title).where(condition).order_by(issue.c.title)
    with store.reading() as connection:
        return [title.partition(":")[0] for title in connection.scalars(query)]


#: What is searched for, and which of the issues below are found.
SEARCHES = {
    "": "Old Pay Stock Tax",
    "is:unresolved": "Pay Tax",
    "is:regressed": "Tax",
    "is:resolved": "Old",
    "!is:muted": "Old Pay Tax",
    "level:fatal": "Old",
    "!level:fatal is:unresolved": "Pay Tax",
    "environment:production": "Old Pay",
    "environment:staging": "Pay Stock",
    "!environment:production": "Stock Tax",
    "environment:production environment:staging": "Pay",
    "has:environment": "Old Pay Stock",
    "!has:environment": "Tax",
    "has:user": "Pay",
    "has:cron-job": "Pay",
    "release:2.0": "Pay",
    "release:2.*": "Pay",
    "release:*.0": "Old Pay",
    "release:2": "",
    "firstRelease:2.0": "Pay",
    "firstRelease:2.1": "",
    "cron-job:clear_todos": "Pay",
    "cron-job:Clear_todos": "",
    "cron-job:CLEAR*": "Pay",
    "cron-job:cl*_TO*s": "Pay",
    "cron-job:cl*s_": "",
    '"cron-job":"cl*"': "",
    "tags[level]:high": "Pay",
    "100%:a_b": "Pay",
    "100%:a_*": "Pay",
    "100%:*_*": "Pay",
    "transaction:shop.tax": "Tax",
    "first:24h": "Pay Stock Tax",
    "!last:1w": "Old",
    "last:30m": "",
    "user:17": "Pay",
    "user:grace@example.org": "Pay",
    "user:ada": "Pay",
    "user:*@example.org": "Pay",
    "user.email:17": "",
    "user.id:17": "Pay",
    "user.ip:10.0.0.1": "Pay",
    "!user:17": "Old Stock Tax",
    "user:nobody": "",
    "!user:nobody": "Old Pay Stock Tax",
    "pAy": "Pay",
    "grace@EXAMPLE": "Pay",
    "prices": "Old Pay Stock Tax",
    "prices !stock !tax": "Old Pay",
    '"in price"': "Old Pay Stock Tax",
    "price_": "",
    "pr*es !stock !tax": "Old Pay",
    "p*zzz": "",
    "%": "",
    "' --": "",
}


@pytest.fixture
def shop(store: Store, clock: Clock) -> Iterator[Store]:
    """Four issues; ``Pay`` has happened in two environments, and to two people."""
    clock.seconds = NOW - 10 * 86400
    happen(store, "Old", environment="production", release="1.0", level="fatal")
    clock.seconds = NOW - 3600
    happen(
        store,
        "Pay",
        environment="production",
        release="2.0",
        user={"id": "17", "email": "ada@example.org", "username": "ada"},
        tags={"cron-job": "clear_todos", "100%": "a_b", "level": "high"},
    )
    happen(
        store,
        "Pay",
        environment="staging",
        release="2.1",
        user={"id": "18", "email": "grace@example.org", "ip_address": "10.0.0.1"},
    )
    happen(store, "Stock", environment="staging", tags={"100%": "axb"})
    happen(store, "Tax", environment="", transaction="shop.tax")
    with store.reading() as connection, connection.begin():
        for name, values in (
            ("Old", {"status": "resolved"}),
            ("Stock", {"status": "muted"}),
            ("Tax", {"is_regressed": True}),
        ):
            of_issue = issue.c.title.startswith(name)
            connection.execute(update(issue).where(of_issue).values(values))
    yield store


def test_a_search_finds(shop: Store) -> None:
    names = {text: " ".join(found(shop, text)) for text in SEARCHES}
    assert names == SEARCHES


def test_an_issue_of_several_groups_is_found_by_any_and_excluded_by_any(
    shop: Store,
) -> None:
    with shop.reading() as connection, connection.begin():
        pay = connection.scalar(select(issue.c.id).where(issue.c.title.like("Pay%")))
        tax = group.c.title.like("Tax%")
        connection.execute(update(group).where(tax).values(issue_id=pay))
    assert found(shop, "transaction:shop.tax release:2.0") == ["Pay"]
    assert found(shop, "!transaction:shop.tax release:2.0") == []
    assert found(shop, "!release:2.0 is:unresolved") == ["Tax"]
    assert found(shop, "tax !stock is:unresolved") == ["Pay"]


def test_an_event_id_finds_its_issue(shop: Store) -> None:
    event_id = "12ab" * 8
    shop.record(item(event_id=event_id, exception={"values": [broken("Known")]}))
    assert found(shop, event_id.upper()) == ["Known"]
    assert found(shop, str(UUID(event_id))) == ["Known"]
    assert found(shop, f"!{event_id} is:regressed") == ["Tax"]


def test_who_has_an_id_here_is_another_one_in_another_project(shop: Store) -> None:
    with shop.reading() as connection, connection.begin():
        other = {"id": 2, "name": "blog", "public_key": "b", "created_at": NOW}
        connection.execute(insert(project).values(other))
    happen(shop, "Blog", project_id=2, user={"id": "17", "email": "bob@example.org"})
    assert found(shop, "user:bob@example.org") == ["Blog"]
    assert found(shop, "user.email:ada@example.org") == ["Pay"]
    assert found(shop, "bob@example") == ["Blog"]
    assert found(shop, "user:17") == ["Blog", "Pay"]


def test_a_value_that_was_cut_is_found_by_all_of_it(shop: Store) -> None:
    happen(shop, "Long", tags={"long": "x" * 300})
    assert found(shop, f"long:{'x' * 300}") == ["Long"]


def test_words_find_people_by_parts_of_their_names(shop: Store) -> None:
    happen(shop, "Named", user={"id": "Ünal_7", "username": "50% Off"})
    assert found(shop, "ÜNAL_7") == found(shop, '"50% off"') == ["Named"]
    assert found(shop, "unal") == found(shop, '"7 50"') == []
    # Part of an address says little, and would find much.
    assert found(shop, "10.0.0") == []


def test_a_word_that_very_many_people_share_means_none_of_them(shop: Store) -> None:
    assert found(shop, "@example.org") == found(shop, "user:*@example.org") == ["Pay"]
    nobody = {"user_id": "", "email": "", "username": "", "ip_address": ""}
    others = [
        {"project_id": 1, "user_hash": str(number), "search_text": "x@example.org"}
        for number in range(MAX_PERSONS - 1)
    ]
    with shop.reading() as connection, connection.begin():
        connection.execute(insert(person), [nobody | one for one in others])
    assert found(shop, "@example.org") == []
    assert found(shop, "!@example.org") == ["Old", "Pay", "Stock", "Tax"]
    assert found(shop, "ada@example.org") == found(shop, "user:*@EXAMPLE*") == ["Pay"]


def test_tags_that_no_event_has_are_told(shop: Store) -> None:
    query = parse("cron-jb:x has:timesSeen timesSeen:>9 has:cron-job !bad:x has:user")
    with shop.reading() as connection:
        words = unknown_words(connection, query)
        assert words == "No event has a tag cron-jb or timesSeen."
        assert unknown_words(connection, parse("is:muted word !bad:x")) == ""
