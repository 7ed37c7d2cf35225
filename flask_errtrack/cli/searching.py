"""What commands that search have in common: the argument, and what was not found.

Knows nothing of what is listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..tracker.store import Store

query_argument = click.argument("query", nargs=-1)


def nothing_found(store: Store, search: str, words: str) -> None:
    """Print that nothing is found, and which tags of the search no event has."""
    from ..tracker.search.conditions import unknown_words
    from ..tracker.search.language import parse

    with store.reading() as connection:
        hint = unknown_words(connection, parse(search))
    click.echo(f"{words} {hint}".strip())
