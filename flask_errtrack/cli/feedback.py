"""The command that lists what people wrote in the feedback dialog."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..words import one_line, rfc3339
from .current import store_of_app
from .printing import Row, format_option, limit_option, print_list

_COLUMNS = ("received_at", "event_id", "issue_id", "name", "email", "comments")
_MAX_COMMENT_LENGTH = 120


@click.command("feedback")
@format_option
@limit_option
@with_appcontext
def feedback_command(style: str, limit: int) -> None:
    """List what people wrote about errors, the newest first."""
    from ..tracker.queries.reads import reports

    with store_of_app() as store, store.reading() as connection:
        found = reports(connection, limit, 0)
    rows = [
        {
            "received_at": rfc3339(row.received_at),
            "event_id": row.event_id,
            # None as long as the event itself has not come.
            "issue_id": row.issue_id,
            "name": row.name,
            "email": row.email,
            "comments": row.comments,
            "is_read": row.is_read,
        }
        for row in found
    ]
    print_list(style, _COLUMNS, rows, "Nobody has written yet.", _in_table)


def _in_table(row: Row) -> Row:
    return row | {"comments": one_line(row["comments"], _MAX_COMMENT_LENGTH)}
