"""From an error in an app to who is told of it; and the command."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_errtrack import ErrTrack
from flask_errtrack.tracker.alerts.messages import Alert

from ..stores import item
from .receivers import Listener, watchman_of, web_server

SECRET = "s3cr3t-t0ken"

MakeShop = Callable[..., Flask]


class Inbox:
    """A function of an app that is told."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.has_some = threading.Event()

    def __call__(self, alert: Alert) -> None:
        self.alerts.append(alert)
        self.has_some.set()


@pytest.fixture
def make_shop(tmp_path: Path) -> Iterator[MakeShop]:
    """Make an app with a tracker of its own; what it began is ended."""
    made: list[tuple[Flask, ErrTrack]] = []

    def make(settings: dict[str, str] | None = None, **options: Any) -> Flask:
        app = Flask("shop", instance_path=str(tmp_path))
        app.config.from_mapping(settings or {})
        app.secret_key = "the-secret-key-of-the-tests"
        errtrack = ErrTrack()
        errtrack.init_app(app, logging=False, **options)
        app.add_url_rule("/boom", "boom", lambda: str(1 / 0))
        made.append((app, errtrack))
        return app

    yield make
    for app, errtrack in made:
        with app.app_context():
            errtrack.close()


@pytest.mark.parametrize(
    ("settings", "options", "home"),
    [
        ({}, {"dashboard_url": "https://errors.example/"}, "https://errors.example"),
        (
            {"SERVER_NAME": "shop.example", "PREFERRED_URL_SCHEME": "https"},
            {},
            "https://shop.example/errtrack",
        ),
        ({}, {}, ""),
    ],
)
def test_an_error_in_a_view_is_told_with_a_link(
    make_shop: MakeShop, settings: dict[str, str], options: dict[str, str], home: str
) -> None:
    inbox = Inbox()
    app = make_shop(settings, alerts=[inbox], **options)
    assert app.test_client().get("/boom").status_code == 500
    assert inbox.has_some.wait(30)
    (alert,) = inbox.alerts
    assert alert.subject == "New issue: ZeroDivisionError: division by zero"
    assert alert.issues[0].url == (f"{home}/issues/1" if home else "")


def test_the_command_tests_each_target_and_says_what_happened(
    make_shop: MakeShop,
) -> None:
    inbox = Inbox()
    with web_server() as server:
        closed = server.port
    app = make_shop(alerts=[inbox, f"json://127.0.0.1:{closed}/{SECRET}"])
    result = app.test_cli_runner().invoke(args=["errtrack", "alerts", "--test"])
    assert result.exit_code == 1
    good, bad = result.output.splitlines()
    assert (good, inbox.alerts[0].subject) == ("1: Inbox: told", "ErrTrack: a test")
    assert bad.startswith("2: json: not told: ")
    assert SECRET not in result.output


def test_the_command_has_what_failed_tried_again(make_shop: MakeShop) -> None:
    app = make_shop(alerts=[print])
    tracker = app.extensions["errtrack_tracker"]
    tracker.store.record(item())
    listener = Listener()
    listener.refusal = "not now"
    watchman = watchman_of(tracker.store, listener)
    watchman.round()
    result = app.test_cli_runner().invoke(args=["errtrack", "alerts", "--retry"])
    assert result.output == "1 alert will be tried again by the running app.\n"
    listener.refusal = ""
    watchman.round()
    assert len(listener.alerts) == 1


def test_the_command_says_how_to_name_somebody(make_shop: MakeShop) -> None:
    result = make_shop().test_cli_runner().invoke(args=["errtrack", "alerts", "--test"])
    assert result.exit_code == 1
    assert "nobody is told: set the option alerts" in result.output


def test_the_command_lists_what_was_told(make_shop: MakeShop) -> None:
    inbox = Inbox()
    app = make_shop(alerts=[inbox])
    app.test_client().get("/boom")
    assert inbox.has_some.wait(30)
    app.extensions["errtrack_tracker"].watchman.close()
    run = app.test_cli_runner().invoke
    (row,) = json.loads(run(args=["errtrack", "alerts", "--format", "json"]).output)
    assert (row["rule"], row["status"], row["issue_id"]) == ("new issue", "sent", 1)
    assert row["title"] == "ZeroDivisionError: division by zero"
    text = run(args=["errtrack", "alerts"]).output
    assert "new issue" in text and "sent" in text
