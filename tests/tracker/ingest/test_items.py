"""What becomes of each kind of item, and of envelopes that are not quite right."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from flask_errtrack.tracker.database.schema import check_in, feedback, issue, monitor
from flask_errtrack.tracker.events.checkers import seconds_of
from flask_errtrack.tracker.ingest.quota import Quota
from flask_errtrack.tracker.ingest.reading import MAX_HEADER_BYTES, MAX_ITEMS
from flask_errtrack.tracker.store import Store

from ..stores import Clock, row, rows, stored
from .site import EVENT_ID, Site, envelope, event_ids

T = TypeVar("T")
OTHER_ID = "cd" * 16


def event(event_id: str = EVENT_ID, **fields: Any) -> dict[str, Any]:
    return {"event_id": event_id, "message": "no price", **fields}


def test_the_same_event_twice_is_counted_once(any_site: Site) -> None:
    for message in ("no price", "no price", "another"):
        response = any_site.send(("event", event(message=message)))
        assert (response.status_code, response.json) == (200, {"id": EVENT_ID})
    assert row(any_site.store, issue).event_count == 1
    assert stored(any_site.store)[0]["logentry"]["message"] == "no price"


def test_every_event_of_an_envelope_is_stored(any_site: Site) -> None:
    items = ("event", event()), ("event", event(OTHER_ID))
    response = any_site.send(*items, event_id="ef" * 16)
    assert response.json == {"id": EVENT_ID}
    assert event_ids(any_site.store) == [EVENT_ID, OTHER_ID]


def test_the_id_is_that_of_the_envelope_else_of_the_payload_else_a_new_one(
    site: Site,
) -> None:
    dashed = "EFEFEFEF-EFEF-EFEF-EFEF-EFEFEFEFEFEF"
    first = site.send(("event", event()), event_id=dashed).get_json()["id"]
    second = site.send(("event", event())).get_json()["id"]
    third = site.send(("event", {"message": "x"}), event_id=[]).get_json()["id"]
    assert [first, second, third] == event_ids(site.store)
    assert (first, second) == ("ef" * 16, EVENT_ID)


def test_the_clock_of_a_sender_is_compared_with_ours(site: Site) -> None:
    for sent_at in ("2001-01-01T00:10:00Z", ["x"]):
        sent = event(timestamp="2001-01-01T00:00:00Z")
        del sent["event_id"]
        assert site.send(("event", sent), sent_at=sent_at).status_code == 200
    right, clamped = [seconds_of(one["timestamp"]) for one in stored(site.store)]
    assert right == site.clock.seconds - 600
    assert clamped == site.clock.seconds - 30 * 86400


@pytest.mark.parametrize(
    "kind",
    ["transaction", "session", "sessions", "profile", "attachment", "replay_event"],
)
def test_what_is_not_kept_is_answered_as_well_and_counted(
    site: Site, kind: str
) -> None:
    response = site.send((kind, b"any\nthing"), ("event", event()))
    assert (response.status_code, response.json) == (200, {"id": EVENT_ID})
    assert site.tallied() == {("skipped", kind): 1}


def test_types_that_nobody_knows_are_counted_as_one(site: Site) -> None:
    response = site.send(*((f"type{number}\0", b"") for number in range(9)))
    assert (response.status_code, response.json) == (200, {})
    assert site.tallied() == {("skipped", "other"): 9}


def test_what_clients_say_they_lost_is_counted_by_reason(any_site: Site) -> None:
    discarded: list[Any] = [
        {"reason": "queue_overflow", "category": "error", "quantity": 3},
        {"reason": "queue_overflow", "category": "feedback"},
        {"reason": "made up\0", "category": "monitor", "quantity": 10**30},
        # What would not have been kept is no loss.
        {"reason": "sample_rate", "category": "transaction", "quantity": 500},
        {"reason": "sample_rate", "category": "error", "quantity": -1},
        {"reason": "sample_rate", "category": "error", "quantity": True},
        {"reason": ["list"], "category": {}, "quantity": "9"},
        None,
    ]
    for _ in range(2):
        report = {"timestamp": 1, "discarded_events": discarded}
        assert any_site.send(("client_report", report)).status_code == 200
    for odd in ({}, {"discarded_events": 5}):
        assert any_site.send(("client_report", odd)).status_code == 200
    assert any_site.tallied() == {
        ("lost", "queue_overflow"): 8,
        ("lost", "other"): 2**31 - 1,
    }


@pytest.mark.parametrize("kind", ["user_report", "feedback"])
def test_what_people_write_is_stored_beside_its_event(
    any_site: Site, kind: str
) -> None:
    any_site.send(("event", event()))
    said = {"contact_email": "ada@example.org", "message": "I only wanted to pay."}
    report: dict[str, Any] = {"event_id": EVENT_ID, "comments": said["message"]}
    if kind == "feedback":
        context = {**said, "associated_event_id": EVENT_ID}
        report = {"event_id": OTHER_ID, "contexts": {"feedback": context}}
    assert any_site.send((kind, report)).status_code == 200
    told = row(any_site.store, feedback)
    assert (told.event_id, told.comments) == (EVENT_ID, said["message"])
    assert told.group_id is not None


def test_feedback_about_nothing_is_kept(any_site: Site) -> None:
    said = {"contexts": {"feedback": {"message": "It is slow."}}}
    response = any_site.send(("event", event()), ("feedback", said), event_id=OTHER_ID)
    assert (response.status_code, response.json) == (200, {"id": EVENT_ID})
    told = row(any_site.store, feedback)
    assert (told.comments, told.group_id) == ("It is slow.", None)
    any_site.assert_pages_work()


def test_a_report_without_an_event_is_refused(site: Site) -> None:
    response = site.send(("user_report", {"comments": "x"}), ("event", event()))
    assert response.status_code == 400
    assert event_ids(site.store) == [EVENT_ID]
    assert site.tallied() == {("refused", "malformed"): 1}


def test_secrets_are_redacted_on_the_way_in(any_site: Site) -> None:
    any_site.send(
        (
            "event",
            event(
                message="charged 4111 1111 1111 1111 for hunter2-hunter2",
                extra={"password": "hunter2-hunter2"},
                contexts={"session": {"a": 1}, "shop": {"b": 2}},
                request={"headers": {"Authorization": "Bearer abcdefghij0123"}},
            ),
        ),
        ("user_report", {"event_id": EVENT_ID, "comments": "4111111111111111"}),
    )
    text = json.dumps(stored(any_site.store))
    for secret in ("4111", "hunter2", "abcdefghij0123"):
        assert secret not in text
    assert "[redacted]" in text and '"b": 2' in text
    assert row(any_site.store, feedback).comments == "[redacted]"
    any_site.assert_pages_work()


def test_secrets_are_redacted_in_check_ins_too(any_site: Site) -> None:
    secret = "hunter2-hunter2"
    texts = dict.fromkeys(("monitor_slug", "environment", "release"), f"pw={secret}")
    status = any_site.send(("check_in", {**texts, "status": "error"})).status_code
    assert status == 200
    told = str(rows(any_site.store, monitor) + rows(any_site.store, check_in))
    told += json.dumps(stored(any_site.store))
    assert secret not in told and "pw=[redacted]" in told and "pw-redacted" in told
    any_site.assert_pages_work(max_linked=20)


MARK = json.dumps(event()).encode()


@pytest.mark.parametrize(
    "sent",
    [
        # The line ends of Windows, with and without a length.
        b'{}\r\n{"type":"event"}\r\n' + MARK + b"\r\n",
        b'{}\r\n{"type":"event","length":%d}\r\n' % len(MARK) + MARK + b"\r\n",
        # Blank lines, none at the end, unknown headers, a byte order mark.
        b'{}\n{"type":"event"}\n' + MARK + b"\n\n\r\n\n",
        b'{}\n\n{"type":"session"}\n{}\n\n\n{"type":"event"}\n' + MARK,
        b'{"x":[1]}\n{"type":"event","y":{},"length":null}\n' + MARK,
        b'\xef\xbb\xbf{}\n{"type":"event"}\n' + MARK,
    ],
)
def test_what_clients_in_the_wild_write_is_read(site: Site, sent: bytes) -> None:
    response = site.post(sent)
    assert (response.status_code, response.json) == (200, {"id": EVENT_ID})
    assert event_ids(site.store) == [EVENT_ID]


GOOD = b'{"type":"event"}\n' + MARK + b"\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"[]\n",
        b"1\n{}",
        b"no json\n{}",
        b"{}\n{}",
        b'{"type":1}\n{}',
        b'{"type":"event","length":"2"}\n{}',
        b'{"type":"event","length":2.0}\n{}',
        b'{"type":"event","length":true}\n{}',
        b'{"type":"event","length":-1}\n{}',
        b'{"type":"event","length":99}\n{}',
        b'{"type":"event","length":1}\n{}',
        b'{"type":"event"}\n[]',
        b'{"type":"event"}\nnull',
        b'{"type":"event"}\n"text"',
        b'{"type":"event"}\n{"message":',
        b'{"type":"event"}\n' + b"[" * 100_000,
        b'{"type":"event"}\n' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"type":"event"}',
        b'{"type":"user_report"}\n{"event_id":"x"}',
    ],
)
def test_what_stands_before_a_fault_is_kept(site: Site, rest: bytes) -> None:
    response = site.post(b"{}\n" + GOOD + rest)
    assert response.status_code == 400
    assert response.get_json()["detail"]
    assert event_ids(site.store) == [EVENT_ID]
    assert site.tallied() == {("refused", "malformed"): 1}


@pytest.mark.parametrize(
    "sent",
    [b"", b"\n", b"[]\n" + GOOD, b"null\n" + GOOD, b"{", b"\xff\xfe{}", b"\0" * 99],
)
def test_without_a_header_nothing_is_read(site: Site, sent: bytes) -> None:
    assert site.post(sent).status_code == 400
    assert event_ids(site.store) == []


@pytest.mark.parametrize(
    "sent",
    [
        b'{"x":"' + b"x" * MAX_HEADER_BYTES + b'"}\n' + GOOD,
        b"{}\n" + b'{"type":"session"}\n{}\n' * (MAX_ITEMS + 1),
        envelope([("event", {"message": "x" * 2**20})]),
        envelope([("user_report", {"comments": "x" * 2**20})]),
    ],
)
def test_what_is_too_large_is_said_to_be_so(site: Site, sent: bytes) -> None:
    response = site.post(gzip.compress(sent), Content_Encoding="gzip")
    assert response.status_code == 413
    assert site.tallied()["refused", "too_large"] == 1
    assert event_ids(site.store) == []


def test_over_the_quota_errors_are_refused_and_nothing_else(
    store: Store, clock: Clock
) -> None:
    site = Site(store, clock, Quota(per_minute=2, total_per_minute=9, clock=clock))
    sent = [site.send(("event", event(f"{number:032x}"))) for number in range(4)]
    assert [response.status_code for response in sent] == [200, 200, 429, 429]
    assert sent[-1].headers["Retry-After"] == "60"
    assert sent[-1].headers["X-Sentry-Rate-Limits"] == "60:error:key"
    report = {"event_id": f"{1:032x}", "comments": "It broke."}
    assert site.send(("user_report", report), ("session", {})).status_code == 200
    clock.seconds += 30
    assert site.send(("event", event(OTHER_ID))).status_code == 200
    assert site.tallied() == {("refused", "quota"): 2, ("skipped", "session"): 1}


@pytest.mark.parametrize(
    ("kind", "category"),
    # As SDKs call them in their own tables.
    [("event", "error"), ("user_report", "default"), ("feedback", "feedback")]
    + [("check_in", "monitor")],
)
def test_the_category_of_a_limit_is_the_one_that_sdks_know(
    site: Site, clock: Clock, kind: str, category: str
) -> None:
    full = Site(site.store, clock, Quota(per_minute=0.5, clock=clock))
    response = full.send((kind, {"event_id": EVENT_ID}), ("event", b"[]"))
    assert response.status_code == 429
    assert response.headers["X-Sentry-Rate-Limits"] == f"60:{category}:key"
    assert event_ids(site.store) == []


def test_one_quota_is_for_all_keys_together(clock: Clock) -> None:
    quota = Quota(per_minute=2, total_per_minute=3, clock=clock)
    asked = [quota.admits(key, "error") for key in ("a", "a", "a", "b", "b", "c")]
    assert asked == [True, True, False, True, False, False]
    clock.seconds += 1000
    # What was not used up is not saved.
    assert sum(quota.admits("a", "error") for _ in range(9)) == 2


def test_without_a_limit_anything_may_come(clock: Clock) -> None:
    quota = Quota(per_minute=0, total_per_minute=3, clock=clock)
    assert sum(quota.admits("a", "error") for _ in range(9)) == 3
    free = Quota(per_minute=0, total_per_minute=0, clock=clock)
    assert all(free.admits("a", "error") for _ in range(9000))


class Counting(Store):
    """A store that counts what is written beside events."""

    writes = 0

    def write(self, work: Callable[[Connection], T]) -> T:
        self.writes += 1
        return super().write(work)


def test_what_redaction_made_longer_is_stored_and_shown(any_site: Site) -> None:
    long = "pin=1 " * 40
    names = ("id", "email", "username", "name", "ip_address")
    text_fields = ("transaction", "release", "environment", "server_name", "logger")
    payload = {
        **dict.fromkeys(text_fields, long),
        "exception": [{"type": long, "value": long, "module": long}],
        "user": dict.fromkeys(names, long),
        "tags": {long: long},
    }
    report = {"event_id": EVENT_ID, "comments": long, "name": long, "email": long}
    run = {"monitor_slug": long, "environment": long, "status": "error"}
    sent = ("event", payload), ("user_report", report), ("check_in", run)
    response = any_site.send(*sent, event_id=EVENT_ID)
    assert response.status_code == 200, response.text
    any_site.assert_pages_work(max_linked=20)


def test_a_storm_of_refusals_is_written_once_a_second(
    database_url: str, clock: Clock
) -> None:
    store = Counting(database_url, now=clock)
    site = Site(store, clock)
    for _ in range(50):
        assert site.post(b"").status_code == 400
    assert store.writes == 1
    assert site.tallied() == {("refused", "malformed"): 50}
    assert store.writes == 2
    store.close()


def test_what_could_not_be_stored_is_not_answered_as_if_it_were(
    site: Site, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(
        f"sqlite:///{tmp_path}/errtrack.db", now=clock, busy_timeout_seconds=0.01
    )
    busy = Site(store, clock)
    with closing(sqlite3.connect(tmp_path / "errtrack.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        response = busy.send(("event", event()), ("session", {}))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert str(tmp_path) not in response.text and str(tmp_path) in caplog.text
    assert event_ids(store) == []
    assert busy.send(("event", event()), ("session", {})).status_code == 200
    # What could not be written down either was kept until now.
    assert busy.tallied() == {("skipped", "session"): 1}
    store.close()


def test_every_page_shows_what_came(any_site: Site) -> None:
    any_site.send(("event", event()), ("event", event(OTHER_ID)))
    assert len(rows(any_site.store, issue)) == 1
    any_site.assert_pages_work()
