"""A tracker's database with any number of events, made quickly.

Most issues are small and a few are huge, as in life. What recording would have
written is written straight into the tables.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Table, insert

from flask_errtrack.event import Event
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.events.normalize import normalize_event
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.storing.counting import hour_of
from flask_errtrack.tracker.storing.placing import Arrival

#: So many of an issue's first and of its newest events have a payload, as it is when
#: the tracker has thinned out a storm.
KEPT_AT_EACH_END = 100
EVENTS_PER_ISSUE = 50
EVENTS_PER_USER = 10
EVENTS_PER_REPORT = 1000
#: One issue has this part of all events.
GIANT = 0.1
DAYS = 30
RELEASES = 30
_SECONDS = DAYS * 86400
_BATCH = 10_000

_Row = dict[str, Any]


class Filling:
    """What is to be written, all by chance, and the same each time.

    :param samples: normal events, of which the issues are made.
    """

    def __init__(self, samples: Sequence[Event], events: int, now: float) -> None:
        self._chance = random.Random(events)
        self._now = now
        self.events = events
        self.issues = max(events // EVENTS_PER_ISSUE, 1)
        self.users = max(events // EVENTS_PER_USER, 1)
        self._arrivals = [
            Arrival.of(normalize_event({**sample}, now), 1, now) for sample in samples
        ]
        chance = self._chance
        self._times = sorted(now - _SECONDS * chance.random() for _ in range(events))
        self._places = [self._any_place() for _ in range(events)]
        self._seen: dict[int, tuple[float, float]] = {}
        for place, time in zip(self._places, self._times, strict=True):
            self._seen[place] = self._seen.get(place, (time, time))[0], time
        self._left = Counter(self._places)
        self._counts: Counter[int] = Counter()
        self._hours: Counter[tuple[int, int]] = Counter()
        self._tags: Counter[tuple[int, str, str]] = Counter()
        self._users: set[tuple[int, int]] = set()

    def fill(self, store: Store) -> None:
        """Write everything into an empty tracker."""
        _write(store, schema.release, self._releases())
        _write(store, schema.person, map(self._person, range(self.users)))
        _write(store, schema.issue, map(self._issue, range(self.issues)))
        _write(store, schema.group, map(self._group, range(self.issues)))
        _write(store, schema.activity, map(self._activity, range(self.issues)))
        _write(store, schema.event, map(self._event, range(self.events)))
        _write(store, schema.group_hour, self._rows_of_hours())
        _write(store, schema.group_user, self._rows_of_users())
        _write(store, schema.group_tag, self._rows_of_tags())
        _write(store, schema.feedback, self._reports())
        store.write(self._sum_up)

    def _any_place(self) -> int:
        if self._chance.random() < GIANT:
            return 0
        # The third power: a few issues get very many of the events, most get few.
        return int(self.issues * self._chance.random() ** 3)

    def _event(self, number: int) -> _Row:
        """Return an event, and count it."""
        place, received_at = self._places[number], self._times[number]
        user = int(self.users * self._chance.random() ** 2)
        self._counts[place] += 1
        self._left[place] -= 1
        self._hours[place, hour_of(received_at)] += 1
        self._users.add((place, user))
        for key, value in (
            ("environment", "staging" if user % 10 == 0 else "production"),
            ("release", self._release_at(received_at)),
            ("server_name", f"web-{number % 4}"),
            ("shop", f"shop-{user % 50}"),
            ("browser", ("Firefox", "Chrome", "Safari", "Edge")[user % 4]),
            ("transaction", f"shop.view_{place % 100}"),
        ):
            self._tags[place, key, value] += 1
        is_kept = min(self._counts[place] - 1, self._left[place]) < KEPT_AT_EACH_END
        arrival = self._arrivals[place % len(self._arrivals)]
        return {
            "project_id": 1,
            "event_id": event_id_of(number),
            "group_id": place + 1,
            "received_at": received_at,
            "is_landmark": self._counts[place] == 1,
            "user_hash": hash_of("user", user),
            "payload": arrival.payload if is_kept else None,
        }

    def _release_at(self, time: float) -> str:
        age = (self._now - time) / _SECONDS
        return f"1.{min(int(RELEASES * (1 - age)), RELEASES - 1)}"

    def _seen_of(self, place: int) -> tuple[float, float]:
        return self._seen.get(place, (self._times[0], self._times[0]))

    def _activity(self, place: int) -> _Row:
        return {
            "issue_id": place + 1,
            "happened_at": self._seen_of(place)[0],
            "kind": "created",
            "actor": "",
            "detail": "",
            "is_told": True,
        }

    def _reports(self) -> Iterator[_Row]:
        for number in range(0, self.events, EVENTS_PER_REPORT):
            yield {
                "project_id": 1,
                "event_id": event_id_of(number),
                "group_id": self._places[number] + 1,
                "name": "Ada",
                "email": "ada@example.org",
                "comments": "I wanted to pay.",
                "received_at": self._times[number],
                "is_read": number % 3 == 0,
            }

    def _issue(self, place: int) -> _Row:
        arrival = self._arrivals[place % len(self._arrivals)]
        title = f"{arrival.facts['title']} ({place})"
        states = ("unresolved", "unresolved", "unresolved", "resolved", "muted")
        first_seen, last_seen = self._seen_of(place)
        return {
            **arrival.facts,
            "project_id": 1,
            "title": title,
            "status": states[place % len(states)],
            "is_regressed": place % 50 == 0,
            "status_changed_at": self._now,
            "event_count": 0,
            "user_count": 0,
            "first_seen": first_seen,
            "last_seen": last_seen,
            "first_release": self._release_at(first_seen),
            "regressed_release": "",
        }

    def _group(self, place: int) -> _Row:
        arrival = self._arrivals[place % len(self._arrivals)]
        same = ("project_id", "first_seen", "last_seen", "title", "first_release")
        issue = self._issue(place)
        return {
            **arrival.facts,
            **{name: issue[name] for name in same},
            "hash": hash_of("group", place),
            "coarse_hash": hash_of("place", place),
            "version": 1,
            "issue_id": place + 1,
            "words": arrival.grouping.words,
            "event_count": 0,
            "search_text": f"{arrival.search_text} ({place})",
        }

    def _person(self, number: int) -> _Row:
        return {
            "project_id": 1,
            "user_hash": hash_of("user", number),
            "user_id": str(number),
            "email": f"user-{number}@example.org",
            "username": f"user-{number}",
            "ip_address": "",
            "search_text": f"{number}\nuser-{number}@example.org\nuser-{number}",
        }

    def _releases(self) -> Iterator[_Row]:
        for number in range(RELEASES):
            first_seen = self._now - (RELEASES - number) * _SECONDS / RELEASES
            yield {
                "project_id": 1,
                "version": f"1.{number}",
                "first_seen": first_seen,
            }

    def _rows_of_hours(self) -> Iterator[_Row]:
        for (place, hour), events in self._hours.items():
            yield {"group_id": place + 1, "hour": hour, "event_count": events}

    def _rows_of_users(self) -> Iterator[_Row]:
        for place, user in self._users:
            yield {"group_id": place + 1, "user_hash": hash_of("user", user)}

    def _rows_of_tags(self) -> Iterator[_Row]:
        for (place, key, value), events in self._tags.items():
            yield {
                "group_id": place + 1,
                "key": key,
                "value": value,
                "event_count": events,
            }

    def _sum_up(self, connection: Any) -> None:
        connection.exec_driver_sql(
            "UPDATE errtrack_group SET event_count = (SELECT sum(event_count) "
            "FROM errtrack_group_hour h WHERE h.group_id = errtrack_group.id)"
            " WHERE id IN (SELECT group_id FROM errtrack_group_hour)"
        )
        connection.exec_driver_sql(
            "UPDATE errtrack_issue SET event_count = (SELECT event_count "
            "FROM errtrack_group g WHERE g.id = errtrack_issue.id), user_count = "
            "(SELECT count(*) FROM errtrack_group_user u "
            "WHERE u.group_id = errtrack_issue.id)"
        )


def _write(store: Store, table: Table, rows: Iterable[_Row]) -> None:
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH)):
        store.write(lambda connection: connection.execute(insert(table), batch))


def hash_of(kind: str, number: int) -> str:
    """Return the hash of a group, a place or a user."""
    return hashlib.sha1(f"{kind} {number}".encode(), usedforsecurity=False).hexdigest()


def event_id_of(number: int) -> str:
    """Return the id of the event that came after so many others."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
