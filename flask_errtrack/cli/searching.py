"""What commands that search have in common: the argument, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..errors import SearchError

query_argument = click.argument("query", nargs=-1)


@contextmanager
def searching() -> Iterator[None]:
    """End the command with a sentence if the search cannot be meant."""
    try:
        yield
    except SearchError as error:
        raise click.UsageError(str(error)) from error
