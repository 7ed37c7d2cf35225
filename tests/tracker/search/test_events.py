"""Which events a search finds: those that are meant, not only their issues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, update

from flask_errtrack.tracker.database.schema import event, person
from flask_errtrack.tracker.search import events
from flask_errtrack.tracker.search.conditions import MAX_PERSONS
from flask_errtrack.tracker.search.events import events_found
from flask_errtrack.tracker.search.language import parse
from flask_errtrack.tracker.store import Store

from ..samples import NOW
from ..stores import broken, item


def found(store: Store, text: str) -> str:
    """Return the numbers of the events that a search finds, in order."""
    with store.reading() as connection:
        rows = list(events_found(connection, parse(text), NOW))
    assert all(row.issue_id and row.received_at == NOW for row in rows)
    return "".join(str(int(row.event_id, 16)) for row in rows)


@pytest.fixture
def shop(store: Store) -> Iterator[Store]:
    """Four events of one issue, and one of another."""
    happened: tuple[dict[str, Any], ...] = (
        {"environment": "production", "level": "error", "tags": {"a": "x"}},
        {"environment": "staging", "level": "fatal", "user": {"id": "17"}},
        {"environment": "production", "user": {"id": "18", "email": "a@b.c"}},
        {"tags": {"a": "y"}},
        {"exception": {"values": [broken(kind="Other")]}, "level": "info"},
    )
    for number, fields in enumerate(happened, start=1):
        store.record(item(event_id=f"{number:032x}", **fields))
    yield store


SEARCHES = {
    "": "54321",
    "is:unresolved": "54321",
    "is:muted": "",
    "environment:production": "31",
    "!environment:production": "542",
    "environment:production !a:x": "3",
    "has:a": "41",
    "!has:a": "532",
    "a:*": "41",
    "level:fatal": "2",
    "!level:fatal": "5431",
    "level:info": "5",
    "user:17": "2",
    "user.email:a@b.c": "3",
    "user:*@b*": "3",
    "!user:17": "5431",
    "has:user": "32",
    "other": "5",
    "!other environment:production": "31",
    "last:1h": "54321",
}


def test_a_search_finds_events(shop: Store) -> None:
    assert {text: found(shop, text) for text in SEARCHES} == SEARCHES


def test_what_is_thinned_out_is_not_found(shop: Store) -> None:
    with shop.reading() as connection, connection.begin():
        third = update(event).where(event.c.event_id == f"{3:032x}")
        connection.execute(third.values(payload=None))
    assert found(shop, "environment:production") == "1"


def test_events_are_read_in_batches(shop: Store) -> None:
    wanted = events.BATCH_SIZE + 2
    for number in range(wanted):
        shop.record(
            item(
                event_id=f"{number + 9:032x}",
                exception={"values": [broken(function=f"f{number // 8}")]},
            )
        )
    with shop.reading() as connection:
        rows = list(events_found(connection, parse("!has:user"), NOW))
    ids = [int(row.event_id, 16) for row in rows]
    assert ids == [*range(wanted + 8, 8, -1), 5, 4, 1]


def test_events_are_found_also_of_very_many_people(shop: Store) -> None:
    others = [
        {
            "project_id": 1,
            "user_hash": str(number),
            "user_id": "",
            "email": f"{number}@b.c",
            "username": "",
            "ip_address": "",
            "search_text": f"{number}@b.c",
        }
        for number in range(MAX_PERSONS)
    ]
    with shop.reading() as connection, connection.begin():
        connection.execute(insert(person), others)

    assert found(shop, "user:*@b.c") == "3"
    assert found(shop, "user:7@b.c") == ""
