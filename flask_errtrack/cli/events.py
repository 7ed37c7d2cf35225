"""The command that lists events."""

from __future__ import annotations

from itertools import islice

import click
from flask.cli import with_appcontext

from .current import store_of_app
from .printing import format_option, limit_option, print_list
from .searching import nothing_found, query_argument


@click.command("events")
@query_argument
@format_option
@limit_option
@with_appcontext
def events_command(query: tuple[str, ...], style: str, limit: int) -> None:
    """List the events that are kept, the newest first.

    QUERY narrows them, in the language of the dashboard's search:
    level:error environment:production user:ada@example.org
    """
    from ..tracker.search.events import events_found
    from ..tracker.search.language import parse
    from ..tracker.shapes import event_shape

    search = " ".join(query)
    with store_of_app() as store:
        asked = parse(search)
        with store.reading() as connection:
            found = list(islice(events_found(connection, asked, store.now()), limit))
        if not found and style == "text":
            nothing_found(store, search, "No such events are kept.")
            return
    rows = [event_shape(row) | {"title": row.title} for row in found]
    print_list(style, ("event_id", "issue_id", "received_at", "title"), rows)
