"""The commands about monitors: how jobs are, and what is done with them."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from ..words import rfc3339
from .current import store_of_app
from .printing import format_option, limit_option, print_table

_COLUMNS = ("id", "state", "late_at", "schedule", "environment", "slug")


@click.group("monitors", invoke_without_command=True)
@format_option
@limit_option
@click.pass_context
def monitors_command(context: click.Context, style: str, limit: int) -> None:
    """List the jobs that tell of their runs, and how each is."""
    if context.invoked_subcommand is None:
        context.invoke(_print_monitors, style=style, limit=limit)


@with_appcontext
def _print_monitors(style: str, limit: int) -> None:
    from ..tracker import monitor_actions

    with store_of_app() as store:
        found = monitor_actions.every(store, limit)
    rows = [
        {
            "id": one.id,
            "slug": one.slug,
            "environment": one.environment,
            "schedule": one.schedule,
            "state": one.state,
            "is_muted": one.is_muted,
            "late_at": None if one.due_at is None else rfc3339(one.due_at),
        }
        for one in found
    ]
    if style == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("No job has told of a run yet.")
        return
    for row in rows:
        row["state"] = f"{row['state']}, muted" if row["is_muted"] else row["state"]
        row["late_at"] = row["late_at"] or ""
    print_table(_COLUMNS, rows)


@monitors_command.command("mute")
@click.argument("monitor_id", type=int)
@click.option("--off", is_flag=True, help="Make issues of its runs again.")
@with_appcontext
def mute_monitor_command(monitor_id: int, off: bool) -> None:
    """Keep the runs of a job, and make no issues of them."""
    from ..tracker import monitor_actions

    with store_of_app() as store:
        _check(monitor_actions.mute(store, monitor_id, not off), monitor_id)
    click.echo(f"Monitor {monitor_id} is {'no longer ' if off else ''}muted.")


@monitors_command.command("delete")
@click.argument("monitor_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_appcontext
def delete_monitor_command(monitor_id: int, yes: bool) -> None:
    """Delete a job with its runs; its next check-in makes it again."""
    from ..tracker import monitor_actions

    with store_of_app() as store:
        if not yes:
            click.confirm(f"Delete monitor {monitor_id} with its runs?", abort=True)
        _check(monitor_actions.delete_monitor(store, monitor_id), monitor_id)
    click.echo(f"Monitor {monitor_id} is deleted.")


def _check(is_there: bool, monitor_id: int) -> None:
    if not is_there:
        raise click.ClickException(
            f"there is no monitor {monitor_id}: `monitors` lists them all"
        )
