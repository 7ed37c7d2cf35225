"""The pages of monitors: how each job is, and its last runs."""

from __future__ import annotations

import json
from typing import Any

from flask_errtrack.protocol.envelope import Item
from flask_errtrack.tracker.dashboard.monitor_pages import (
    BARS,
    monitor_list_page,
    monitor_page,
)
from flask_errtrack.tracker.store import Store

from ..samples import dashboard
from ..stores import Clock

CONFIG = {
    "schedule": {"type": "crontab", "value": "0 3 * * *"},
    "timezone": "Asia/Tokyo",
}


def tell(store: Store, slug: str, status: str, **fields: Any) -> None:
    raw = {"monitor_slug": slug, "status": status, **fields}
    store.record(Item("check_in", json.dumps(raw).encode()))


def test_the_list_shows_state_schedule_and_last_runs(
    store: Store, clock: Clock
) -> None:
    for number in range(BARS + 5):
        clock.seconds += 60
        tell(store, "backup", "error" if number == BARS + 4 else "ok")
    tell(store, "report", "in_progress", monitor_config=CONFIG)
    backup, report = monitor_list_page(store, now=clock.seconds + 60).rows
    assert (backup.slug, backup.state_words, backup.schedule) == (
        "backup",
        "failed",
        "",
    )
    assert backup.last is not None and backup.last.ago == "1 min ago"
    assert [bar.status for bar in backup.bars] == ["ok"] * (BARS - 1) + ["error"]
    assert backup.bars_label == "1 of the last 30 runs were not well"
    assert backup.next_due == ""
    assert (report.state_words, report.schedule) == ("running", "0 3 * * * Asia/Tokyo")
    assert report.next_due.startswith("in ")
    assert report.next_due_exact.endswith("18:00:00 UTC")


def test_one_monitor_shows_what_is_expected_and_its_runs(
    store: Store, clock: Clock
) -> None:
    every = {"schedule": {"type": "interval", "value": 10, "unit": "minute"}}
    tell(store, "sync", "ok", duration=2.5, environment="live", monitor_config=every)
    clock.seconds += 1000
    store.report_overdue()
    page = monitor_page(store, 1, now=clock.seconds)
    assert page is not None
    assert (page.margin, page.max_runtime) == ("1 min", "30 min")
    assert page.monitor.schedule == "every 10 minutes"
    missed, run = page.runs
    assert (missed.words, missed.took) == ("missed", "")
    assert (run.words, run.took) == ("ok", "2.5 s")
    assert (page.monitor.environment, page.thresholds) == ("live", "")
    assert [bar.status for bar in page.monitor.bars] == ["ok", "missed"]
    assert monitor_page(store, 2, now=clock.seconds) is None


def test_the_pages_are_served_with_what_was_sent_escaped(store: Store) -> None:
    client = dashboard(store).test_client()
    empty = client.get("/errtrack/monitors")
    assert (empty.status_code, "capture_check_in" in empty.text) == (200, True)
    tell(store, "<script>", "error", environment="<b>&", monitor_config=CONFIG)
    for path in ("/errtrack/monitors", "/errtrack/monitors/1"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<b>" not in answer.text and "style=" not in answer.text
    assert "&lt;b&gt;&amp;" in answer.text
    assert client.get("/errtrack/monitors/7").status_code == 404
    assert client.get("/errtrack/monitors?page=-1").status_code == 200


def test_an_editor_mutes_and_deletes_a_job_on_its_page(store: Store) -> None:
    tell(store, "backup", "ok")
    client, path = dashboard(store).test_client(), "/errtrack/monitors/1"
    muted = client.post(path, data={"action": "mute"}, follow_redirects=True)
    assert "ok, muted" in muted.text and "none becomes an issue" in muted.text
    assert 'value="unmute"' in muted.text
    loud = client.post(path, data={"action": "unmute"}, follow_redirects=True)
    assert "ok, muted" not in loud.text
    unsure = client.post(path, data={"action": "delete"})
    assert (unsure.status_code, client.get(path).status_code) == (400, 200)
    sure = {"action": "delete", "sure": "yes"}
    gone = client.post(path, data=sure, follow_redirects=True)
    assert "it is listed again" in gone.text
    assert client.get(path).status_code == 404
    assert client.post(path, data=sure).status_code == 404
    assert client.post(path, data={"action": "dance"}).status_code == 400


def test_who_may_only_look_finds_no_buttons(store: Store) -> None:
    tell(store, "backup", "ok")
    client = dashboard(store, lambda user, action: action == "view").test_client()
    text = client.get("/errtrack/monitors/1").text.partition("<main")[2]
    assert "backup" in text and "<form" not in text


def test_nobody_else_sees_them(store: Store) -> None:
    client = dashboard(store, lambda: False).test_client()
    for path in ("/errtrack/monitors", "/errtrack/monitors/1", "/errtrack/alerts"):
        assert client.get(path).status_code == 403
