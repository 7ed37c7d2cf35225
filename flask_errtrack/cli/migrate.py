"""``errtrack migrate-config``: what becomes of the settings of raven and sentry-sdk.

``flask errtrack migrate-config`` looks at an app, the console script at files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from ..migration.converting import as_python, as_rows, changes_of, problems_of
from ..migration.reading import (
    Setting,
    settings_of_config,
    settings_of_environ,
    settings_of_source,
    source_files,
)
from ..words import one_line
from .printing import format_option

secrets_option = click.option(
    "--show-secrets", is_flag=True, help="Print keys and passwords, too."
)


@click.command("migrate-config")
@format_option
@secrets_option
@with_appcontext
def migrate_app_command(style: str, show_secrets: bool) -> None:
    """Print settings of raven or sentry-sdk as new ones.

    Read are the app's config, the environment, and what the source of the app hands to
    Sentry(…) and sentry_sdk.init(…).
    """
    found = list(settings_of_config(current_app.config, "app.config"))
    found += settings_of_environ(os.environ)
    problems: list[str] = []
    for path in source_files(Path(current_app.root_path)):
        found += _read(path, problems, calls_only=True)
    _print(found, problems, style, show_secrets)


@click.command("migrate-config")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@format_option
@secrets_option
def migrate_files_command(
    paths: Sequence[Path], style: str, show_secrets: bool
) -> None:
    """Print settings of raven or sentry-sdk as new ones.

    PATHS are Python files, or folders of them. Their code is read, not run. The
    environment is read, too.
    """
    found: list[Setting] = []
    problems: list[str] = []
    for path in paths:
        for file in source_files(path):
            found += _read(file, problems, calls_only=False)
    found += settings_of_environ(os.environ)
    _print(found, problems, style, show_secrets)


def _read(path: Path, problems: list[str], *, calls_only: bool) -> list[Setting]:
    try:
        place = os.path.relpath(path)
        return settings_of_source(path.read_bytes(), place, calls_only=calls_only)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problems.append(f"{path} cannot be read: {error or type(error).__name__}")
        return []


def _print(
    found: Sequence[Setting], problems: list[str], style: str, show_secrets: bool
) -> None:
    changes = changes_of(found)
    if style == "json":
        click.echo(json.dumps(as_rows(changes, with_secrets=show_secrets), indent=2))
    elif changes:
        click.echo(as_python(changes, with_secrets=show_secrets))
    problems += problems_of(changes)
    if not changes:
        problems.append("there is no setting of raven or sentry-sdk")
    if problems:
        raise click.ClickException(
            "\n".join(one_line(problem, 400) for problem in problems)
        )
