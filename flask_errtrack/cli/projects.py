"""The commands about projects: the apps that send to a tracker, and their DSNs."""

from __future__ import annotations

import click
from flask import current_app, url_for
from flask.cli import with_appcontext

from .current import base_url_of, client_of_app, default_base_url, store_of_app
from .printing import format_option, limit_option, print_list

base_url_option = click.option(
    "--base-url",
    default=None,
    help="Where the app, or the tracker, is served.  [default: what the option "
    "dashboard_url or SERVER_NAME says, or else this machine]",
)


@click.group("projects", invoke_without_command=True)
@base_url_option
@format_option
@limit_option
@click.pass_context
def projects_command(
    context: click.Context, base_url: str | None, style: str, limit: int
) -> None:
    """List the apps that send to this tracker, with their DSNs."""
    if context.invoked_subcommand is None:
        context.invoke(_print_projects, base_url=base_url, style=style, limit=limit)


@with_appcontext
def _print_projects(base_url: str | None, style: str, limit: int) -> None:
    from ..tracker import projects

    with store_of_app() as store:
        found = projects.every(store)[:limit]
    home = dashboard_url(base_url)
    rows = [
        {"id": one.id, "name": one.name, "dsn": projects.dsn_of(one, home)}
        for one in found
    ]
    print_list(style, ("id", "name", "dsn"), rows)


@projects_command.command("add")
@click.argument("name")
@base_url_option
@with_appcontext
def add_command(name: str, base_url: str | None) -> None:
    """Make a project for one more app, and print its DSN."""
    from ..tracker import projects

    home = dashboard_url(base_url)
    with store_of_app() as store:
        made = projects.add(store, name)
    click.echo(projects.dsn_of(made, home))


@projects_command.command("rename")
@click.argument("number", type=int)
@click.argument("name")
@with_appcontext
def rename_command(number: int, name: str) -> None:
    """Give project NUMBER another name; its DSN stays."""
    from ..tracker import projects

    with store_of_app() as store:
        made = projects.rename(store, number, name)
    click.echo(f"Project {made.id} is {made.name!r}.")


@projects_command.command("rekey")
@click.argument("number", type=int)
@base_url_option
@with_appcontext
def rekey_command(number: int, base_url: str | None) -> None:
    """Give project NUMBER another key, and print the new DSN.

    Who sends with the old DSN is refused from now on.
    """
    from ..tracker import projects

    home = dashboard_url(base_url)
    with store_of_app() as store:
        made = projects.rekey(store, number)
    click.echo(projects.dsn_of(made, home))


def dashboard_url(base_url: str | None) -> str:
    """Return where the dashboard is.

    :param base_url: where the app is served; None: what the option ``dashboard_url``
        or ``SERVER_NAME`` says, or else this machine.
    :raises UsageError: that is no URL.
    :raises ClickException: the app serves no dashboard.
    """
    if "errtrack.issue_list" not in current_app.view_functions:
        raise click.ClickException(
            "this app serves no dashboard, and receives nothing: set the option "
            "dashboard to True"
        )
    told = client_of_app().config.dashboard_url
    if base_url is None and told:
        return f"{told}/"
    if base_url is None and not current_app.config["SERVER_NAME"]:
        base_url = default_base_url()
    if base_url is not None:
        base_url = base_url_of(base_url)
    with current_app.test_request_context(base_url=base_url):
        home = url_for("errtrack.issue_list", _external=True)
    # An app may add arguments to every URL.
    return home.partition("?")[0]
