"""The commands that finish issues: resolve, mute, merge, delete, write notes.

They do what the dashboard does, and stand in the history as the command line's.
"""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

from ..words import count, one_line
from .current import spelled, store_of_app

if TYPE_CHECKING:
    from ..tracker.actions import Changed

_issue_ids = click.argument("issue_ids", type=int, nargs=-1, required=True)
_COUNT = click.IntRange(1, 1_000_000_000)


@click.command("resolve")
@_issue_ids
@click.option(
    "--in-next-release",
    is_flag=True,
    help="Only a later release than the newest known now reopens them.",
)
@with_appcontext
def resolve_command(issue_ids: tuple[int, ...], in_next_release: bool) -> None:
    """Mark issues as resolved.

    One that happens again is open again, and shown as regressed.
    """
    from ..tracker import actions

    act = actions.resolve_in_next_release if in_next_release else actions.resolve
    with store_of_app() as store:
        changed = act(store, issue_ids, _actor())
    _say(changed, "is resolved")


@click.command("reopen")
@_issue_ids
@with_appcontext
def reopen_command(issue_ids: tuple[int, ...]) -> None:
    """Mark issues as unresolved again."""
    from ..tracker import actions

    with store_of_app() as store:
        changed = actions.reopen(store, issue_ids, _actor())
    _say(changed, "is unresolved")


@click.command("mute")
@_issue_ids
@click.option(
    "--hours", type=click.FloatRange(0, min_open=True), help="For so many hours."
)
@click.option("--events", type=_COUNT, help="Until so many more events have come.")
@click.option("--users", type=_COUNT, help="Until so many more people have met it.")
@with_appcontext
def mute_command(
    issue_ids: tuple[int, ...],
    hours: float | None,
    events: int | None,
    users: int | None,
) -> None:
    """Keep counting issues, but out of the way.

    For ever, or until the first of the options holds.
    """
    from ..tracker import actions

    seconds = None if hours is None else hours * 3600
    with store_of_app() as store:
        changed = actions.mute(
            store, issue_ids, _actor(), seconds=seconds, events=events, users=users
        )
    _say(changed, "is muted")


@click.command("delete")
@_issue_ids
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def delete_command(issue_ids: tuple[int, ...], yes: bool) -> None:
    """Delete issues with all that belongs to them.

    That is their events, counters, feedback and history.
    """
    from ..tracker import actions

    with store_of_app() as store:
        if not yes:
            numbers = ", ".join(map(str, issue_ids))
            question = f"Delete issue {numbers} with everything that belongs to it?"
            click.confirm(question, abort=True)
        changed = actions.delete_issues(store, issue_ids, _actor())
    _say(changed, "is deleted")


@click.command("note")
@click.argument("issue_id", type=int)
@click.argument("text")
@with_appcontext
def note_command(issue_id: int, text: str) -> None:
    """Write a note into the history of an issue."""
    from ..tracker import actions

    with store_of_app() as store:
        changed = actions.note(store, [issue_id], text, _actor())
    _say(changed, "has the note")


@click.command("merge")
@_issue_ids
@with_appcontext
def merge_command(issue_ids: tuple[int, ...]) -> None:
    """Make one issue of several; the first that is named stays."""
    from ..tracker import merging

    if len(set(issue_ids)) < 2:
        raise click.UsageError("To merge issues, name at least two.")
    with store_of_app() as store:
        target_id = merging.merge(store, issue_ids, _actor(), into=issue_ids[0])
    click.echo(f"All is issue {target_id} now.")


@click.command("unmerge")
@click.argument("issue_id", type=int)
@click.argument("group_id", type=int, required=False)
@with_appcontext
def unmerge_command(issue_id: int, group_id: int | None) -> None:
    """Make a group of an issue an issue of its own.

    Without GROUP_ID, list the groups that it has.
    """
    from ..tracker import merging
    from ..tracker.queries import reads

    with store_of_app() as store:
        if group_id is not None:
            new_id = merging.unmerge(store, group_id, _actor(), out_of=issue_id)
            click.echo(f"Group {group_id} is issue {new_id} now.")
            return
        with store.reading() as connection:
            groups = reads.groups(connection, issue_id)
        if not groups:
            raise _missing([issue_id])
        for group in groups:
            events = count(group.event_count, "event")
            click.echo(f"{group.id}  {events}  {one_line(group.words, 600)}")


def _actor() -> str:
    with suppress(OSError, KeyError, ImportError):
        return f"{getpass.getuser()} (command line)"
    return "command line"


def _say(changed: Changed, what: str) -> None:
    for issue_id in changed.issue_ids:
        click.echo(f"Issue {issue_id} {what}.")
    if changed.missing_ids:
        raise _missing(changed.missing_ids)


def _missing(issue_ids: Sequence[int]) -> click.ClickException:
    return click.ClickException(
        f"there is no issue {', '.join(map(str, issue_ids))}; "
        f"`{spelled('issues --status all')}` lists them"
    )
