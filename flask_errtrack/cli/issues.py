"""The commands that look at issues and finish them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

from .current import store_of_app
from .printing import format_option, limit_option, print_table

if TYPE_CHECKING:
    from ..tracker.store import Status


@click.command("issues")
@click.option(
    "--status",
    type=click.Choice(["unresolved", "resolved", "muted", "all"]),
    default="unresolved",
    show_default=True,
    help="Which issues to list.",
)
@format_option
@limit_option
@with_appcontext
def issues_command(status: str, style: str, limit: int) -> None:
    """List the issues, what breaks most people now first."""
    from ..tracker.dashboard.issue_list import issue_rows

    with store_of_app() as store:
        rows = issue_rows(store, status=status, limit=limit, now=time.time())
    if style == "json":
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("No issues. `flask errtrack test` makes one to look at.")
    else:
        columns = ("id", "level", "status", "events", "users", "last_seen", "title")
        print_table(columns, rows)


@click.command("show")
@click.argument("event_or_issue")
@with_appcontext
def show_command(event_or_issue: str) -> None:
    """Print an event, or the newest event of an issue, as Markdown."""
    from ..tracker.dashboard.markdown import event_as_markdown
    from ..tracker.dashboard.pages import find_event

    with store_of_app() as store:
        found = find_event(store, event_or_issue)
    if found is None:
        raise click.ClickException(
            f"there is no event or issue {event_or_issue!r}; "
            "`flask errtrack issues` lists the issues"
        )
    click.echo(event_as_markdown(*found))


@click.command("resolve")
@click.argument("issue_ids", type=int, nargs=-1, required=True)
@with_appcontext
def resolve_command(issue_ids: tuple[int, ...]) -> None:
    """Mark issues as resolved; one that happens again is shown as regressed."""
    _set_status(issue_ids, "resolved")


@click.command("reopen")
@click.argument("issue_ids", type=int, nargs=-1, required=True)
@with_appcontext
def reopen_command(issue_ids: tuple[int, ...]) -> None:
    """Mark issues as unresolved again."""
    _set_status(issue_ids, "unresolved")


@click.command("mute")
@click.argument("issue_ids", type=int, nargs=-1, required=True)
@with_appcontext
def mute_command(issue_ids: tuple[int, ...]) -> None:
    """Keep counting issues, but out of the way."""
    _set_status(issue_ids, "muted")


def _set_status(issue_ids: Sequence[int], status: Status) -> None:
    unknown = []
    with store_of_app() as store:
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
