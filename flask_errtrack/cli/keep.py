"""The commands that keep a tracker's data in order: export, backup, prune."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from flask.cli import with_appcontext

from ..words import count, size
from .current import store_of_app

#: Is told how much more is done.
Step = Callable[[int], None]


@click.command("export")
@click.option(
    "--query",
    default="",
    help="Only the issues that this search finds: 'is:unresolved release:2.1'.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    show_default=True,
    help="The file to write; -: the standard output.",
)
@with_appcontext
def export_command(query: str, output: str) -> None:
    """Write all issues, events and feedback as lines of JSON.

    Projects come first, without their keys.
    """
    from ..tracker.backup import written_whole
    from ..tracker.export import Export
    from ..tracker.search.conditions import issues_condition
    from ..tracker.search.language import parse

    with store_of_app() as store:
        export = Export(store, issues_condition(parse(query), store.now()))
        number = export.count()
        # Closed before the store is, also if what is written to is full.
        with (
            closing(export.lines()) as all_lines,
            progress_bar("Exporting", number) as step,
        ):
            lines = _told(all_lines, step)
            if output == "-":
                sys.stdout.writelines(lines)
                return
            with written_whole(store, Path(output)) as part, part.open("w") as file:
                file.writelines(lines)
    click.echo(f"{output} holds it, {size(Path(output).stat().st_size)}.")


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def backup_command(file: Path) -> None:
    """Copy a SQLite tracker to FILE while it is in use.

    The copy is a tracker as it was at this moment: put it in the place of the
    original, or look at it with `errtrack --database-url`.
    """
    from ..tracker.backup import back_up

    with store_of_app() as store, progress_bar("Copying", 1000) as step:
        done = 0

        def tell(copied: int, total: int) -> None:
            nonlocal done
            thousandths = copied * 1000 // max(total, 1)
            step(thousandths - done)
            done = thousandths

        back_up(store, file, tell)
    click.echo(f"{file} is a copy of the tracker, {size(file.stat().st_size)}.")


@click.command("prune")
@click.option(
    "--shrink",
    is_flag=True,
    help="Give the free room of a SQLite file back to the disk; others wait meanwhile.",
)
@with_appcontext
def prune_command(shrink: bool) -> None:
    """Delete events older than retention_days; the counts stay."""
    from ..tracker.status import shrink_file, size_of

    with store_of_app() as store:
        with progress_bar("Deleting", store.count_old()) as step:
            deleted = store.prune(step)
        click.echo(f"{count(deleted, 'event')} {_were(deleted)} deleted.")
        if shrink:
            shrink_file(store)
        with store.reading() as connection:
            found = size_of(connection)
    free = f", {size(found.free_bytes)} of it free" if found.free_bytes else ""
    click.echo(f"The database takes {size(found.size_bytes)}{free}.")


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Step]:
    """Yield what is to be told of each step; a terminal shows how far it is."""
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    # No wider than the terminal: what is broken into lines cannot be written over.
    shown = click.progressbar(length=length, label=label, width=0, file=sys.stderr)
    with shown as bar:
        yield bar.update


def _told(lines: Iterable[str], step: Step) -> Iterator[str]:
    for line in lines:
        yield line
        step(1)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
