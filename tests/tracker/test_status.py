"""How the tracker is, in numbers: on its page, in ``/health``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conftest import MakeApp
from flask import Flask
from sqlalchemy import insert, update

from flask_errtrack.tracker.dashboard.views import add_pages
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.database.migrations import REVISIONS
from flask_errtrack.tracker.status import TALLY_HOURS, Watch
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.tally import Sum
from flask_errtrack.web.access import Access
from flask_errtrack.words import rfc3339

from .samples import NOW, app_with
from .stores import Clock, broken, item

HOUR = int(NOW // 3600)


def add(store: Store, table: Any, *rows: dict[str, Any]) -> None:
    store.write(lambda connection: connection.execute(insert(table), list(rows)))


def alert(status: str, problem: str) -> dict[str, Any]:
    return {
        "rule": "new issue",
        "created_at": NOW,
        "status": status,
        "attempts": 1,
        "next_try_at": NOW,
        "problem": problem,
        "told": "",
    }


def tally(hour: int, kind: str, reason: str, quantity: int) -> dict[str, Any]:
    return {
        "project_id": 1,
        "hour": hour,
        "kind": kind,
        "reason": reason,
        "quantity": quantity,
    }


def test_an_empty_tracker_has_a_size_and_a_version(store: Store) -> None:
    found = Watch(store).look()
    assert found.database.partition(" ")[0] in ("SQLite", "PostgreSQL")
    assert found.schema_version == REVISIONS[-1]
    assert found.size_bytes > 10_000
    assert (found.issues, found.events_counted, found.events_kept) == (0, 0, 0)
    assert found.oldest_event_at is None and found.newest_event_at is None


def test_what_is_counted_and_what_is_kept_are_told_apart(
    store: Store, clock: Clock
) -> None:
    for _ in range(20):
        store.record(item())
        clock.seconds += 60
    store.record(item(exception={"values": [broken(function="total")]}))
    found = Watch(store).look()
    assert (found.issues, found.events_counted) == (2, 21)
    assert 0 < found.events_kept < 21
    assert (found.oldest_event_at, found.newest_event_at) == (NOW, NOW + 1200)


def test_it_grows_with_what_comes(store: Store) -> None:
    before = Watch(store).look().size_bytes
    for number in range(200):
        values = [broken(function=f"function_{number}")]
        store.record(item(exception={"values": values}, extra={"text": "x" * 500}))
    assert Watch(store).look().size_bytes > before + 200 * 100


def test_only_what_happened_in_the_last_week_is_summed_up(store: Store) -> None:
    add(
        store,
        schema.tally,
        tally(HOUR, "refused", "quota", 3),
        tally(HOUR - 5, "refused", "quota", 4),
        tally(HOUR, "skipped", "transaction", 9),
        tally(HOUR - TALLY_HOURS, "refused", "quota", 100),
    )
    assert Watch(store).look().tallies == (
        Sum("refused", "quota", 7),
        Sum("skipped", "transaction", 9),
    )


def test_alerts_that_could_not_be_sent_say_why(store: Store) -> None:
    add(
        store,
        schema.alert,
        alert("sent", ""),
        alert("failed", "the server said no"),
        alert("pending", "connection refused"),
        alert("pending", ""),
        alert("sent", "mended since"),
    )
    found = Watch(store).look()
    assert (found.alerts_waiting, found.alerts_failed) == (2, 1)
    assert found.alert_problem == "connection refused"


def test_kept_events_are_counted_once_a_minute(store: Store, clock: Clock) -> None:
    watch = Watch(store, clock)
    assert watch.look().events_kept == 0
    store.record(item())
    clock.seconds += 59
    assert watch.look().events_kept == 0
    clock.seconds += 2
    assert watch.look().events_kept == 1


def test_as_json_it_has_names_and_times_for_programs(store: Store) -> None:
    store.record(item())
    add(store, schema.tally, tally(HOUR, "lost", "queue_overflow", 2))
    found = Watch(store).look().as_json()
    assert found.pop("size_bytes") > 0 and found.pop("free_bytes") >= 0
    assert found.pop("database")
    assert found == {
        "schema_version": REVISIONS[-1],
        "issues": 1,
        "events_counted": 1,
        "events_kept": 1,
        "oldest_event": rfc3339(NOW),
        "newest_event": rfc3339(NOW),
        "last_week": {"lost": {"queue_overflow": 2}},
        "alerts_waiting": 0,
        "alerts_failed": 0,
        "alert_problem": None,
    }


def test_the_page_says_it_all(store: Store) -> None:
    store.record(item())
    add(store, schema.tally, tally(HOUR, "refused", "quota", 12345))
    for kind, quantity in (("replay_event", 3), ("replay_recording", 4), ("other", 1)):
        add(store, schema.tally, tally(HOUR, "skipped", kind, quantity))
    add(store, schema.alert, alert("failed", "<b>no</b>"))
    text = page_of(store, {"problem": "it is down", **DELIVERY})
    for said in (
        "Events are not delivered: it is down",
        "1 alert could not be sent: &lt;b&gt;no&lt;/b&gt;",
        "Refused: over the quota",
        "Not kept here: session replays",
        'title="7"',
        'title="12,345"',
        "Dropped: queue overflow",
        f"version {REVISIONS[-1]}",
    ):
        assert said in text


def test_the_page_of_a_healthy_tracker_says_so(store: Store) -> None:
    text = page_of(store, {**DELIVERY, "dropped": {}})
    assert "All is well." in text and "all that came is here" in text
    assert 'class="bad"' not in text


def test_a_tracker_on_its_own_delivers_nothing(store: Store) -> None:
    assert "Delivery from this app" not in page_of(store, {})


def test_the_page_is_closed_to_strangers(store: Store) -> None:
    app = dashboard(store, lambda: False)
    answer = app.test_client().get("/errtrack/status")
    assert (answer.status_code, "SQLite" in answer.text) == (403, False)


def test_health_tells_it_to_who_may_see_the_dashboard(make_app: MakeApp) -> None:
    is_open = False
    app = make_app(dashboard_access=lambda: is_open)
    browser = app.test_client()
    assert browser.get("/errtrack/health").get_json() == {"status": "ok"}
    is_open = True
    found = browser.get("/errtrack/health").get_json()
    assert found["waiting"] == 0
    assert found["tracker"]["schema_version"] == REVISIONS[-1]
    assert found["tracker"]["events_counted"] == 0


def test_health_of_a_broken_database_says_only_that(
    make_app: MakeApp, tmp_path: Path
) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    url = f"sqlite:///{tmp_path}/broken.db"
    app = make_app(database_url=url, dashboard_access=lambda: True)
    answer = app.test_client().get("/errtrack/health")
    assert (answer.status_code, "tracker" in answer.get_json()) == (503, False)
    assert app.test_client().get("/errtrack/status").status_code == 503


def test_pruning_says_what_is_gone_and_what_is_left(
    make_app: MakeApp, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    app = make_app(database_url=url)
    old = Store(url, now=lambda: NOW)
    texts = [chr(97 + number % 26) * 500 for number in range(40)]
    for _ in range(100):
        old.record(item(extra=dict(enumerate(texts))))
    old.write(lambda one: one.execute(update(schema.event).values(received_at=0.0)))
    runner = app.test_cli_runner()
    result = runner.invoke(args=["errtrack", "prune"])
    said = result.output.splitlines()
    assert said[0] == "100 events were deleted."
    assert said[1].startswith("The database takes ") and "free" in said[1]
    before = Watch(old).look()
    result = runner.invoke(args=["errtrack", "prune", "--shrink"])
    assert result.output.startswith("0 events were deleted.")
    after = Watch(old).look()
    old.close()
    assert after.free_bytes < before.free_bytes
    assert after.size_bytes < before.size_bytes
    assert (after.events_counted, after.events_kept) == (100, 0)


DELIVERY: dict[str, Any] = {
    "waiting": 3,
    "waiting_bytes": 4000,
    "oldest_seconds": 60,
    "set_aside": 1,
    "dropped": {"queue_overflow": 2},
}


def page_of(store: Store, delivery: dict[str, Any]) -> str:
    """Return the status page, as who may see it sees it."""
    app = dashboard(store, lambda: True, delivery)
    answer = app.test_client().get("/errtrack/status")
    assert answer.status_code == 200
    return answer.text


def dashboard(
    store: Store, rule: Callable[[], bool], delivery: Mapping[str, Any] | None = None
) -> Flask:
    access = Access(lambda: ["k" * 32], rule)
    return app_with(
        lambda blueprint: add_pages(blueprint, store, access, lambda: delivery or {})
    )
