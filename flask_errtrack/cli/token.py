"""The command that makes tokens for the API."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from ..host.app import KEYS_KEY
from ..words import rfc3339
from .current import store_of_app

_DAY_SECONDS = 86400


@click.command("token")
@click.option("--write", is_flag=True, help="It may change issues, too.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=90,
    show_default=True,
    help="How long it is good for.",
)
@click.option(
    "--name",
    default="token",
    show_default=True,
    help="Stands in the history of the issues that it changes.",
)
@with_appcontext
def token_command(write: bool, days: int, name: str) -> None:
    """Print a token for scripts that use the API.

    By default it may only read.
    """
    from ..tracker.rest.tokens import Token

    with store_of_app() as store:
        store.check()
        expires_at = store.now() + days * _DAY_SECONDS
    keys = current_app.extensions[KEYS_KEY]()
    click.echo(Token(name[:100].strip() or "token", write, expires_at).signed(keys))
    scope = "read and change" if write else "only read"
    click.echo(f"It may {scope}, until {rfc3339(expires_at)}.", err=True)
