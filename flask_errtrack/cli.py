"""``flask errtrack …``: look at issues, finish them, and check the set-up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from flask import current_app, url_for
from flask.cli import AppGroup

from .client import Client
from .diagnosis import Finding, findings_of
from .errors import StoreError
from .host import CLIENT_KEY, KEYS_KEY, TRACKER_KEY
from .transports import BackgroundTransport

if TYPE_CHECKING:
    from .tracker import Tracker
    from .tracker.store import Status, Store

errtrack_commands = AppGroup("errtrack", help="Look at the app's errors.")

_format = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the list.",
)
_limit = click.option(
    "--limit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="How many to print at most.",
)


@errtrack_commands.command("test")
def test_command() -> None:
    """Send one event, and say where it went."""
    client = _client()
    if not client.is_enabled:
        raise click.ClickException(
            "nothing is captured: app.testing is on, or the option enabled is False"
        )
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
    dropped = getattr(client.transport, "dropped", {})
    if dropped:
        raise click.ClickException(
            f"it was refused ({', '.join(dropped)}); "
            "`flask errtrack doctor` tells more."
        )
    click.echo(f"It is in {_destination(client)}.")


@errtrack_commands.command("issues")
@click.option(
    "--status",
    type=click.Choice(["unresolved", "resolved", "muted", "all"]),
    default="unresolved",
    show_default=True,
    help="Which issues to list.",
)
@_format
@_limit
def issues_command(status: str, style: str, limit: int) -> None:
    """List the issues, what breaks most people now first."""
    from .tracker.dashboard.issue_list import issue_rows

    with _store() as store:
        rows = issue_rows(store, status=status, limit=limit, now=time.time())
    if style == "json":
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("No issues. `flask errtrack test` makes one to look at.")
    else:
        columns = ("id", "level", "status", "events", "users", "last_seen", "title")
        _print_table(columns, rows)


@errtrack_commands.command("show")
@click.argument("event_or_issue")
def show_command(event_or_issue: str) -> None:
    """Print an event, or the newest event of an issue, as Markdown."""
    from .tracker.dashboard.markdown import event_as_markdown
    from .tracker.dashboard.pages import find_event

    with _store() as store:
        found = find_event(store, event_or_issue)
    if found is None:
        raise click.ClickException(
            f"there is no event or issue {event_or_issue!r}; "
            "`flask errtrack issues` lists the issues"
        )
    click.echo(event_as_markdown(*found))


@errtrack_commands.command("resolve")
@click.argument("issue_ids", type=int, nargs=-1, required=True)
def resolve_command(issue_ids: tuple[int, ...]) -> None:
    """Mark issues as resolved; one that happens again is shown as regressed."""
    _set_status(issue_ids, "resolved")


@errtrack_commands.command("reopen")
@click.argument("issue_ids", type=int, nargs=-1, required=True)
def reopen_command(issue_ids: tuple[int, ...]) -> None:
    """Mark issues as unresolved again."""
    _set_status(issue_ids, "unresolved")


@errtrack_commands.command("mute")
@click.argument("issue_ids", type=int, nargs=-1, required=True)
def mute_command(issue_ids: tuple[int, ...]) -> None:
    """Keep counting issues, but out of the way."""
    _set_status(issue_ids, "muted")


@errtrack_commands.command("login-link")
@click.option(
    "--base-url",
    default=None,
    help="Where the app is served.  [default: http://localhost:5000, or SERVER_NAME]",
)
def login_link_command(base_url: str | None) -> None:
    """Print a link that opens the dashboard; it is good for ten minutes."""
    from .tracker.dashboard.access import login_token

    with _store() as store:
        store.check()
    base_url = base_url or (
        None if current_app.config["SERVER_NAME"] else "http://localhost:5000"
    )
    token = login_token(current_app.extensions[KEYS_KEY]())
    with current_app.test_request_context(base_url=base_url):
        link = url_for("errtrack.login", token=token, _external=True)
    click.echo(link)


@errtrack_commands.command("upgrade")
def upgrade_command() -> None:
    """Bring the tracker's tables up to date; SQLite does it by itself."""
    with _store() as store:
        store.upgrade()
    click.echo("The tracker's tables are up to date.")


@errtrack_commands.command("prune")
def prune_command() -> None:
    """Delete events older than retention_days; the counts stay."""
    with _store() as store:
        count = store.prune()
    click.echo(f"{count} events were deleted.")


@errtrack_commands.command("doctor")
def doctor_command() -> None:
    """Say what is set up, what works, what does not, and how to mend it."""
    tracker = current_app.extensions.get(TRACKER_KEY)
    findings = findings_of(_client(), current_app, tracker and tracker.store.check)
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


def _client() -> Client:
    client: Client = current_app.extensions[CLIENT_KEY]
    return client


@contextmanager
def _store() -> Iterator[Store]:
    """Yield the store of the app's tracker; what is wrong with it ends the command."""
    tracker: Tracker | None = current_app.extensions.get(TRACKER_KEY)
    if tracker is None:
        raise click.ClickException(
            "this app has no tracker of its own: its events go to "
            f"{_destination(_client())}"
        )
    try:
        yield tracker.store
    except StoreError as error:
        raise click.ClickException(str(error)) from error


def _destination(client: Client) -> str:
    if client.config.dsn is not None:
        return str(client.config.dsn)
    if client.config.transport is not None:
        return f"the transport {type(client.config.transport).__name__}"
    return f"the tracker of this app, see {client.config.url_prefix}/"


def _where_it_waits(client: Client) -> str:
    transport = client.transport
    if isinstance(transport, BackgroundTransport) and not transport.spare.names():
        return "It waits in the outbox"
    return "It waits in memory only, and is lost when this process ends"


def _set_status(issue_ids: Sequence[int], status: Status) -> None:
    unknown = []
    with _store() as store:
        for issue_id in issue_ids:
            if store.set_status(issue_id, status):
                click.echo(f"Issue {issue_id} is {status}.")
            else:
                unknown.append(str(issue_id))
    if unknown:
        raise click.ClickException(
            f"there is no issue {', '.join(unknown)}; "
            "`flask errtrack issues --status all` lists them"
        )


def _print_table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    from .tracker.dashboard.words import visible

    table = [[name.upper().replace("_", " ") for name in columns]]
    # Titles are written by whoever causes the error: no escapes for the terminal.
    table += [[visible(str(row[name])) for name in columns] for row in rows]
    widths = [max(len(line[at]) for line in table) for at in range(len(columns) - 1)]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        click.echo("  ".join([*cells, line[-1]]))
