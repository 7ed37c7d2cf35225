"""The group of the commands: what holds for the output of each of them.

Knows nothing of what they print.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

import click
from flask.cli import AppGroup


class CommandGroup(AppGroup):
    """Commands that print what their output can take, and say what it cannot."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        :raises ClickException: a file or the output cannot be read or written.
        """
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        with _forgiving_output():
            try:
                result = super().invoke(ctx)
                # What is left would fail when nobody can tell of it any more.
                sys.stdout.flush()
                return result
            except OSError as error:
                if error.errno == errno.EPIPE:
                    raise
                raise click.ClickException(_words(error)) from error


@contextmanager
def _forgiving_output() -> Iterator[None]:
    """Titles are in any language: escape what the output's encoding does not have."""
    output = sys.stdout
    if not isinstance(output, TextIOWrapper):
        yield
        return
    before = output.errors
    output.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        if not output.closed:
            output.reconfigure(errors=before)


def _words(error: OSError) -> str:
    what = error.filename or "the output"
    return f"{what} cannot be used: {error.strerror or error}"
