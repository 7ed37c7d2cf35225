"""What commands that search have in common: the argument, and what is wrong with it.

Knows nothing of what is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ..errors import SearchError

if TYPE_CHECKING:
    from ..tracker.store import Store

query_argument = click.argument("query", nargs=-1)


@contextmanager
def searching() -> Iterator[None]:
    """End the command with a sentence if the search cannot be meant."""
    try:
        yield
    except SearchError as error:
        raise click.UsageError(str(error)) from error


def nothing_found(store: Store, search: str, words: str) -> None:
    """Print that nothing is found, and which tags of the search no event has."""
    from ..tracker.search.conditions import unknown_words
    from ..tracker.search.language import parse

    with store.reading() as connection:
        hint = unknown_words(connection, parse(search))
    click.echo(f"{words} {hint}".strip())
