"""``flask errtrack …``, on an app with its own tracker and with other ways out."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import Result
from conftest import MakeApp
from flask import Flask

from flask_errtrack.transports import MemoryTransport
from flask_errtrack.transports.ledger import ALL, Page, Pause
from flask_errtrack.transports.outbox import FolderOutbox


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An app with a tracker of its own, and a view that fails."""
    app = make_app()

    @app.get("/broken")
    def broken() -> str:
        return str(1 / 0)

    return app


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["errtrack", *arguments])


def happen(app: Flask, times: int = 1) -> str:
    """Let the view fail; return the id of the last event, when it is stored."""
    for _ in range(times):
        event_id = app.test_client().get("/broken").headers["X-ErrTrack-ID"]
    assert app.extensions["errtrack"].flush(60)
    return event_id


def rows(app: Flask, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        run(app, "issues", "--format", "json", *arguments).output
    )
    return found


def test_the_list_of_commands_says_whole_sentences(app: Flask) -> None:
    listed = run(app, "--help").output.partition("Commands:\n")[2].splitlines()
    assert len(listed) > 20
    assert [line for line in listed if line.endswith("...")] == []


def test_test_sends_an_event_and_says_where_it_went(app: Flask) -> None:
    result = run(app, "test")
    assert result.exit_code == 0
    assert "It is in the tracker of this app, see /errtrack/." in result.output
    (issue,) = rows(app)
    assert issue["title"] == "A test event from `flask errtrack test`"


def test_test_fails_while_nothing_is_captured(app: Flask) -> None:
    app.testing = True
    result = run(app, "test")
    assert result.exit_code == 1
    assert "app.testing is on" in result.output


@pytest.mark.swallows_errors
def test_test_fails_when_the_event_does_not_arrive(make_app: MakeApp) -> None:
    options = {"timeout_seconds": 0.1, "shutdown_timeout_seconds": 0}
    app = make_app(dsn="http://key@127.0.0.1:9/1", **options)
    result = run(app, "test")
    assert result.exit_code == 1
    assert "could not be reached" in result.output
    assert "key" not in result.output.replace("keyerror", "")


def test_a_list_of_issues_in_json_has_the_promised_fields(app: Flask) -> None:
    happen(app, times=2)
    (issue,) = rows(app)
    assert list(issue) == [
        "id",
        "title",
        "culprit",
        "level",
        "status",
        "events",
        "users",
        "first_seen",
        "last_seen",
    ]
    assert issue["title"] == "ZeroDivisionError: division by zero"
    assert (issue["events"], issue["users"], issue["status"]) == (2, 0, "unresolved")


def test_a_list_of_issues_as_text_has_a_line_an_issue(app: Flask) -> None:
    happen(app)
    heading, line = run(app, "issues").output.splitlines()
    assert heading.split()[:2] == ["ID", "LEVEL"]
    assert line.endswith("ZeroDivisionError: division by zero")


def test_an_empty_list_teaches_the_next_step(app: Flask) -> None:
    assert "flask errtrack test" in run(app, "issues").output
    assert rows(app) == []


def test_limit_bounds_the_list(app: Flask) -> None:
    happen(app)
    run(app, "test")
    assert len(rows(app)) == 2
    assert len(rows(app, "--limit", "1")) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "many", "9" * 30])
def test_a_limit_beyond_all_bounds_is_a_usage_error(app: Flask, limit: str) -> None:
    result = run(app, "issues", "--limit", limit)
    assert (result.exit_code, limit in result.output) == (2, True)


def test_titles_cannot_send_escapes_to_the_terminal(app: Flask) -> None:
    with app.app_context():
        app.extensions["errtrack"].capture_message("\x1b[2Jgone\x07")
        app.extensions["errtrack"].flush(60)
    output = run(app, "issues").output + run(app, "show", "1").output
    assert "gone" in output
    assert "\x1b" not in output and "\x07" not in output


def test_show_prints_an_event_by_its_id_and_by_its_issue(app: Flask) -> None:
    event_id = happen(app)
    by_issue = run(app, "show", "1")
    assert by_issue.exit_code == 0
    assert "ZeroDivisionError" in by_issue.output
    assert "return str(1 / 0)" in by_issue.output
    assert run(app, "show", event_id).output == by_issue.output


def test_show_of_nothing_fails_and_says_where_to_look(app: Flask) -> None:
    result = run(app, "show", "no-such-event")
    assert result.exit_code == 1
    assert "flask errtrack issues" in result.output


def test_an_issue_is_resolved_regresses_and_is_muted_and_reopened(app: Flask) -> None:
    happen(app)
    assert run(app, "resolve", "1").exit_code == 0
    assert rows(app) == []
    assert [issue["id"] for issue in rows(app, "--status", "resolved")] == [1]
    happen(app)
    assert [issue["status"] for issue in rows(app)] == ["regressed"]
    assert run(app, "mute", "1").exit_code == 0
    happen(app)
    assert rows(app, "--status", "muted")[0]["events"] == 3
    assert run(app, "reopen", "1").exit_code == 0
    assert [issue["status"] for issue in rows(app)] == ["unresolved"]


@pytest.mark.parametrize("command", ["resolve", "reopen", "mute"])
def test_an_unknown_issue_is_named(app: Flask, command: str) -> None:
    happen(app)
    result = run(app, command, "1", "77")
    assert result.exit_code == 1
    assert "there is no issue 77" in result.output
    assert "Issue 1 is" in result.output


def test_a_login_link_opens_the_dashboard(app: Flask) -> None:
    happen(app)
    link = run(app, "login-link", "--base-url", "https://shop.example.com").output
    assert link.startswith("https://shop.example.com/errtrack/login?token=")
    browser = app.test_client()
    assert browser.get("/errtrack/").status_code == 403
    parts = urlsplit(link.strip())
    browser.get(f"{parts.path}?{parts.query}")
    assert b"ZeroDivisionError" in browser.get("/errtrack/").data


def test_a_login_link_uses_the_server_name_of_the_app(make_app: MakeApp) -> None:
    app = make_app({"SERVER_NAME": "shop.example.com"})
    output = run(app, "login-link").output
    assert output.startswith("http://shop.example.com/errtrack/login?token=")


def test_there_is_no_login_link_where_there_is_no_dashboard(make_app: MakeApp) -> None:
    result = run(make_app(dashboard=False), "login-link")

    assert result.exit_code == 1
    assert "this app serves no dashboard" in result.output


def test_a_login_link_leads_where_the_dashboard_is_said_to_be(
    make_app: MakeApp,
) -> None:
    app = make_app(dashboard_url="https://shop.example.com/behind/errtrack/")
    output = run(app, "login-link").output
    assert output.startswith("https://shop.example.com/behind/errtrack/login?token=")


def test_a_login_link_works_without_a_secret_key(make_app: MakeApp) -> None:
    app = make_app()
    app.secret_key = None
    parts = urlsplit(run(app, "login-link").output.strip())
    browser = app.test_client()
    browser.get(f"{parts.path}?{parts.query}")
    assert browser.get("/errtrack/").status_code == 200


def test_doctor_finds_nothing_wrong_with_a_fresh_app(app: Flask) -> None:
    result = run(app, "doctor")
    assert result.exit_code == 0
    assert "!!" not in result.output
    assert "its database works" in result.output


def test_doctor_tells_which_log_records_loggers_keep_to_themselves(
    make_app: MakeApp,
) -> None:
    root = logging.getLogger()
    before = root.level
    try:
        root.setLevel("WARNING")
        quiet = run(make_app(), "doctor").output
        errors_only = run(make_app(breadcrumb_level=None), "doctor").output
        root.setLevel("INFO")
        telling = run(make_app(), "doctor").output
    finally:
        root.setLevel(before)
    assert "events from ERROR; most loggers let pass from WARNING" in quiet
    assert "give the root logger the level INFO" in quiet
    assert "most loggers" not in errors_only + telling


def test_doctor_names_a_broken_database_and_fails(
    make_app: MakeApp, tmp_path: Path
) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    app = make_app(database_url=f"sqlite:///{tmp_path}/broken.db")
    result = run(app, "doctor")
    assert result.exit_code == 1
    assert "!!" in result.output and "broken.db" in result.output


@pytest.mark.parametrize(
    "command", [["issues"], ["show", "1"], ["resolve", "1"], ["prune"], ["upgrade"]]
)
def test_a_command_says_what_is_wrong_with_the_database(
    make_app: MakeApp, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    result = run(make_app(database_url=f"sqlite:///{tmp_path}/broken.db"), *command)
    assert result.exit_code == 1
    assert result.output.startswith("Error: the tracker's database")
    assert "is not an SQLite database" in result.output


def test_doctor_never_shows_a_key(make_app: MakeApp) -> None:
    app = make_app(dsn="http://public:verysecretkey@127.0.0.1:9/1")
    output = run(app, "doctor").output
    assert "127.0.0.1:9/1" in output
    assert "verysecretkey" not in output and "public:" not in output


def test_doctor_names_an_outbox_that_cannot_be_written(
    make_app: MakeApp, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    app = make_app(outbox=str(tmp_path / "file" / "outbox"))
    result = run(app, "doctor")
    assert result.exit_code == 1
    assert "cannot be made" in result.output


@pytest.mark.parametrize("command", ["issues", "outbox", "login-link", "projects"])
def test_an_app_that_is_switched_off_says_so(make_app: MakeApp, command: str) -> None:
    result = run(make_app(enabled=False), command)
    expected = "Error: the option enabled is False: this app captures and keeps nothing"
    assert (result.exit_code, result.output) == (1, f"{expected}\n")


def test_doctor_leads_nobody_to_a_dashboard_that_is_off(make_app: MakeApp) -> None:
    result = run(make_app(dashboard=False), "doctor")
    assert "ok  dashboard: off by the option dashboard=False" in result.output
    assert "/errtrack/" not in result.output


def test_doctor_names_a_folder_that_can_keep_no_key(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app = make_app()
    app.secret_key = None
    (tmp_path / "instance0").write_text("no folder")
    result = run(app, "doctor")
    assert result.exit_code == 1
    assert "!!  signing: no key can be kept: " in result.output
    assert "Set SECRET_KEY" in result.output


def test_commands_about_issues_say_that_the_events_are_elsewhere(
    make_app: MakeApp,
) -> None:
    app = make_app(transport=MemoryTransport())
    for command in (["issues"], ["show", "1"], ["resolve", "1"], ["login-link"]):
        result = run(app, *command)
        assert result.exit_code == 1
        assert "the transport MemoryTransport" in result.output


def test_prune_and_upgrade_say_what_they_did(app: Flask) -> None:
    assert run(app, "upgrade").output == "The tracker's tables are up to date.\n"
    assert run(app, "prune").output.startswith("0 events were deleted.\n")


def filled(app: Flask, page: Page) -> None:
    """Put something into the app's outbox, and into its ledger."""
    outbox = app.extensions["errtrack"].transport.outbox
    outbox.put(b"{}", "error")
    outbox.put(b"{}", "error")
    outbox.set_aside(outbox.names()[1])
    outbox.ledger.write(page)


def dropped(*reasons: str) -> Page:
    page = Page()
    page.count({(reason, "error"): 3 for reason in reasons})
    return page


def test_doctor_tells_what_waits_and_why(app: Flask) -> None:
    now = time.time()
    pause = Pause(now + 3570, now - 300, "the server is down", 3, is_asked=True)
    filled(app, Page({ALL: pause}, set_aside={"x": "not JSON", "y": "not JSON"}))
    result = run(app, "doctor")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    (outbox,) = [line for line in lines if line.startswith("ok  outbox: ")]
    assert "1 waiting, the oldest for " in outbox
    assert "of 64 MiB used" in outbox
    (delivery,) = [line for line in lines if line.startswith("!!  delivery: ")]
    assert "nothing has passed for 5 min: the server is down" in delivery
    assert "the next try is due in 59 min" in delivery
    assert "!!  set aside: 1 envelope: not JSON" in lines
    assert "flask errtrack outbox --set-aside" in result.output


@pytest.mark.parametrize(
    ("reason", "meaning", "mend"),
    [
        ("queue_overflow", "3 the outbox was full", "raise outbox_max_bytes"),
        ("send_error", "3 refused for good", "flask errtrack test"),
        ("expired", "3 waited for thirty days", "Mend the way"),
        ("set_aside", "3 set aside", "flask errtrack outbox --set-aside"),
    ],
)
def test_doctor_names_a_loss_and_its_mend(
    app: Flask, reason: str, meaning: str, mend: str
) -> None:
    filled(app, dropped(reason))
    output = run(app, "doctor").output
    assert f"!!  dropped so far: {meaning}" in output and mend in output


@pytest.mark.parametrize("reason", ["sample_rate", "before_send", "ignored"])
def test_what_the_app_wanted_is_no_fault(app: Flask, reason: str) -> None:
    app.extensions["errtrack"].transport.outbox.put(b"{}", "error")
    app.extensions["errtrack"].transport.outbox.ledger.write(dropped(reason))
    result = run(app, "doctor")
    assert result.exit_code == 0
    assert "ok  dropped so far: 3 left out by " in result.output


def test_a_loss_of_long_ago_is_told_but_no_fault_any_more(app: Flask) -> None:
    page = dropped("queue_overflow")
    page.dropped_at["queue_overflow"] -= 8 * 24 * 3600
    app.extensions["errtrack"].transport.outbox.put(b"{}", "error")
    app.extensions["errtrack"].transport.outbox.ledger.write(page)
    result = run(app, "doctor")
    assert result.exit_code == 0
    assert "3 the outbox was full, the last 8 days ago" in result.output


def test_doctor_repeats_what_the_receiver_said_when_it_refused(app: Flask) -> None:
    page = dropped("send_error")
    page.refusal = "the key \x1b[2J is not known"
    filled(app, page)
    output = run(app, "doctor").output
    assert "refused for good, the last just now: the key ␛[2J is not known" in output


def test_doctor_tells_what_waits_for_a_dsn_of_former_times(app: Flask) -> None:
    folder = app.extensions["errtrack"].transport.outbox.folder
    FolderOutbox(folder.with_name("before"), 1000).put(b"x", "error")
    FolderOutbox(folder, 1000).put(b"x", "error")
    result = run(app, "doctor")
    assert "waiting for another destination: 1 envelope in " in result.output
    assert "once it is set again" in result.output


def test_doctor_says_that_a_memory_outbox_loses_what_waits(make_app: MakeApp) -> None:
    assert "is killed" in run(make_app(outbox=False), "doctor").output
