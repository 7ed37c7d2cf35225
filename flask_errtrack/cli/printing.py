"""How commands print a list: the options for it, and a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from ..words import visible

Row = dict[str, Any]

format_option = click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the list.",
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="How many to print at most.",
)


def print_list(
    style: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    nothing: str = "",
    in_table: Callable[[Row], Row] = dict,
) -> None:
    """Print rows as JSON, or some of their columns as a table.

    :param nothing: what to say instead of a table without rows.
    :param in_table: returns a row as the table has it.
    """
    if style == "json":
        click.echo(json.dumps(rows, indent=2))
    elif nothing and not rows:
        click.echo(nothing)
    else:
        print_table(columns, [in_table(row) for row in rows])


def print_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Print rows with a heading; the last column may be as long as it is."""
    table = [[name.upper().replace("_", " ") for name in columns]]
    # Titles are written by whoever causes the error: no escapes for the terminal.
    table += [[_cell(row[name]) for name in columns] for row in rows]
    widths = [max(len(line[at]) for line in table) for at in range(len(columns) - 1)]
    for line in table:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        click.echo("  ".join([*cells, line[-1]]))


def _cell(value: Any) -> str:
    return "" if value is None else visible(str(value))
