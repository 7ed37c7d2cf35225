"""The commands that test the set-up, and keep it in order."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from ..client.client import Client
from ..diagnosis.doctor import Finding, destination_of, findings_of
from ..host.app import KEYS_KEY, TRACKER_KEY
from ..transports import BackgroundTransport
from .current import client_of_app, store_of_app
from .projects import base_url_option, dashboard_url


@click.command("test")
@with_appcontext
def test_command() -> None:
    """Send one event, and say where it went."""
    client = client_of_app()
    if not client.is_enabled:
        raise click.ClickException(
            "nothing is captured: app.testing is on, or the option enabled is False"
        )
    before = client.dropped
    event_id = client.capture_message(
        "A test event from `flask errtrack test`", tags={"errtrack": "test"}
    )
    if event_id is None:
        reasons = ", ".join(client.dropped) or "see the log"
        raise click.ClickException(f"the event was dropped ({reasons})")
    click.echo(f"Event {event_id} was captured.")
    if not client.flush(client.config.timeout_seconds + 1):
        problem = getattr(client.transport, "last_error", None) or "it takes too long"
        raise click.ClickException(
            f"it is not delivered yet: {problem}\n{_where_it_waits(client)}; "
            "`flask errtrack doctor` tells more."
        )
    if lost := client.dropped - before:
        raise click.ClickException(
            f"it was refused ({', '.join(lost)}); `flask errtrack doctor` tells more."
        )
    click.echo(f"It is in {destination_of(client)}.")


@click.command("login-link")
@base_url_option
@with_appcontext
def login_link_command(base_url: str | None) -> None:
    """Print a link that opens the dashboard.

    It is good for ten minutes; the browser that used it stays in for twelve hours.
    """
    from ..web.access import login_token

    with store_of_app() as store:
        store.check()
    token = login_token(current_app.extensions[KEYS_KEY]())
    click.echo(f"{dashboard_url(base_url)}login?token={token}")


@click.command("upgrade")
@with_appcontext
def upgrade_command() -> None:
    """Bring the tracker's tables up to date.

    PostgreSQL needs it after an upgrade of the package; SQLite does it by itself.
    """
    with store_of_app() as store:
        store.upgrade()
    click.echo("The tracker's tables are up to date.")


@click.command("doctor")
@with_appcontext
def doctor_command() -> None:
    """Say what works, what does not, and how to mend it."""
    tracker = current_app.extensions.get(TRACKER_KEY)
    findings = findings_of(
        client_of_app(), current_app, tracker and tracker.store.check
    )
    for finding in findings:
        _print_finding(finding)
    if not all(finding.is_fine for finding in findings):
        raise SystemExit(1)


def _print_finding(finding: Finding) -> None:
    mark, color = ("ok", "green") if finding.is_fine else ("!!", "red")
    click.secho(f"{mark}  ", fg=color, nl=False)
    click.echo(f"{finding.topic}: {finding.text}")
    if finding.mend:
        click.echo(f"    {finding.mend}")


def _where_it_waits(client: Client) -> str:
    transport = client.transport
    if isinstance(transport, BackgroundTransport) and not transport.spare.names():
        return "It waits in the outbox"
    return "It waits in memory only, and is lost when this process ends"
