"""The commands that look at issues."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from .current import is_without_app, spelled, store_of_app
from .printing import format_option, limit_option, print_list
from .searching import nothing_found, query_argument

_COLUMNS = ("id", "level", "status", "events", "users", "last_seen", "title")


@click.command("issues")
@query_argument
@click.option(
    "--status",
    type=click.Choice(["unresolved", "resolved", "muted", "regressed", "all"]),
    help="Only issues in this state; without a QUERY those that are unresolved.",
)
@format_option
@limit_option
@with_appcontext
def issues_command(
    query: tuple[str, ...], status: str | None, style: str, limit: int
) -> None:
    """List the issues, what breaks most people now first.

    QUERY narrows them, in the language of the dashboard's search:
    is:unresolved level:error environment:production user:ada@example.org
    """
    from ..tracker.dashboard.finding.issue_list import issue_rows

    status = status or ("all" if query else "unresolved")
    terms = query if status == "all" else (f"is:{status}", *query)
    search = " ".join(terms)
    with store_of_app() as store:
        rows = issue_rows(store, search, limit=limit, now=store.now())
        if not rows and style == "text":
            words = "No issues." if query else f"No issues. {_first_step()}"
            nothing_found(store, search, words)
            return
    print_list(style, _COLUMNS, rows)


def _first_step() -> str:
    if is_without_app():
        return "`errtrack projects` tells the DSNs for apps."
    return "`flask errtrack test` makes one to look at."


@click.command("show")
@click.argument("event_or_issue")
@with_appcontext
def show_command(event_or_issue: str) -> None:
    """Print an event, or the newest of an issue, as Markdown."""
    from ..tracker.dashboard.event.markdown import event_as_markdown
    from ..tracker.dashboard.issue.pages import find_event

    with store_of_app() as store:
        found = find_event(store, event_or_issue)
    if found is None:
        raise click.ClickException(
            f"there is no event or issue {event_or_issue!r}; an event's id has 32 "
            f"digits, and `{spelled('issues')}` lists the issues"
        )
    click.echo(event_as_markdown(*found))
