"""``errtrack …``: the commands on a tracker's database, without an app.

A tracker of its own is made for them from ``--database-url``, so that each command
is the same as that of ``flask errtrack …``.
"""

from __future__ import annotations

import secrets
import tomllib
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask.cli import ScriptInfo

from .cli.commands import COMMANDS
from .cli.current import base_url_of, explained
from .cli.group import CommandGroup
from .cli.migrate import migrate_files_command
from .cli.serve import serve_command
from .composition import dismantle
from .version import VERSION

# These are about an app that sends.
_OF_AN_APP = frozenset({"test", "outbox", "doctor", "migrate-config"})
# Whoever sets a tracker up makes its database.
_SETTING_UP = frozenset({"serve", "projects", "login-link", "upgrade"})
# Only these need the tracker's key; the others shall ask for none, and make none.
_SIGNING = frozenset({"serve", "login-link", "token"})


@click.group("errtrack", cls=CommandGroup)
@click.version_option(VERSION, prog_name="Flask-ErrTrack")
@click.option(
    "--database-url",
    envvar="ERRTRACK_DATABASE_URL",
    show_envvar=True,
    help="Where the tracker keeps its data: sqlite:///path or postgresql://…  "
    "[default: sqlite:///errtrack.db]",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="ERRTRACK_CONFIG_FILE",
    show_envvar=True,
    help="Options of the tracker in a TOML file: retention_days = 30",
)
@click.pass_context
def main(context: click.Context, database_url: str | None, config: Path | None) -> None:
    """Run a tracker for many apps, and look at its errors."""
    # Debug mode would open the dashboard to whoever is on this machine.
    context.obj = script = ScriptInfo(set_debug_flag=False)

    def create_app() -> Flask:
        options = {} if config is None else _read(config)
        if database_url is not None:
            options["database_url"] = database_url
        return _tracker(context, {**options, **script.data})

    script.create_app = create_app


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from error


def _tracker(context: click.Context, options: dict[str, Any]) -> Flask:
    """Return the tracker with a database, closed when the command ends."""
    from .tracker import standalone

    given = options.pop("database_url", standalone.DEFAULT_DATABASE_URL)
    database_url = standalone.absolute(str(given))
    path = database_url.removeprefix("sqlite:///")
    is_old = path == database_url or Path(path).exists()
    if not is_old and context.invoked_subcommand not in _SETTING_UP:
        raise click.ClickException(
            f"there is no tracker's database {path}; name it with "
            "`errtrack --database-url …` or ERRTRACK_DATABASE_URL"
        )
    if context.invoked_subcommand not in _SIGNING:
        options["secret_key"] = secrets.token_hex()
    base_url = options.pop("base_url", None)
    if base_url is not None:
        prefix = options.get("url_prefix", "")
        options["dashboard_url"] = f"{base_url_of(base_url)}{prefix}"
    with explained():
        app = standalone.create_app(database_url, **options)
    context.call_on_close(lambda: dismantle(app))
    return app


for _command in COMMANDS:
    if _command.name not in _OF_AN_APP:
        main.add_command(_command)
main.add_command(serve_command)
main.add_command(migrate_files_command)
