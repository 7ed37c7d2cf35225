"""The commands about monitors: how jobs are, and what is done with them."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from .current import store_of_app
from .printing import Row, format_option, limit_option, print_list

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
    from ..tracker.shapes import monitor_shape

    with store_of_app() as store:
        rows = [monitor_shape(row) for row in monitor_actions.every(store, limit)]
    print_list(style, _COLUMNS, rows, "No job has told of a run yet.", _in_table)


def _in_table(row: Row) -> Row:
    return row | {"state": f"{row['state']}, muted"} if row["is_muted"] else row


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
