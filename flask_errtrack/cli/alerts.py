"""The command about alerts: what was told to whom, and a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import with_appcontext

from ..host.app import TRACKER_KEY
from ..words import count
from .current import store_of_app
from .printing import format_option, limit_option, print_list

if TYPE_CHECKING:
    from ..tracker.embedded import Tracker

_COLUMNS = ("created_at", "status", "rule", "issue_id", "title", "problem")


@click.command("alerts")
@click.option("--test", "is_test", is_flag=True, help="Send a test to each target.")
@click.option("--retry", "is_retry", is_flag=True, help="Try again what was not sent.")
@format_option
@limit_option
@with_appcontext
def alerts_command(is_test: bool, is_retry: bool, style: str, limit: int) -> None:
    """List the last alerts; send a test, or try again."""
    if is_test:
        _test()
    elif is_retry:
        _retry()
    else:
        _list(style, limit)


def _list(style: str, limit: int) -> None:
    from ..tracker.alerts.listing import last_alerts
    from ..tracker.shapes import alert_shape

    with store_of_app() as store:
        rows = [alert_shape(row) for row in last_alerts(store, limit)]
    print_list(style, _COLUMNS, rows, "There was nothing to tell yet.")


def _test() -> None:
    with store_of_app():
        tracker: Tracker = current_app.extensions[TRACKER_KEY]
    teller = tracker.watchman.teller
    if not teller.targets:
        raise click.ClickException(
            "nobody is told: set the option alerts to a list of apprise URLs, such as "
            '"mailto://…", or of functions'
        )
    answers = teller.tell()
    for answer in answers:
        went = f"not told: {answer.problem}" if answer.problem else "told"
        click.echo(f"{answer.name}: {went}")
    if any(answer.problem for answer in answers):
        raise SystemExit(1)


def _retry() -> None:
    from ..tracker.alerts import queue

    with store_of_app() as store:
        number = queue.try_again(store)
    click.echo(f"{count(number, 'alert')} will be tried again by the running app.")
