"""``flask errtrack outbox``: what waits, why, since when; send it, or drop it.

What is done is in ``transports.errand``, what is found in ``transports.stock``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from ..client.client import Client
from ..diagnosis.doctor import destination_of
from ..diagnosis.outbox_words import SET_ASIDE_MEND, problems_in_words, waiting_in_words
from ..transports import BackgroundTransport
from ..transports.errand import Busy, Sent, drop, send_now
from ..transports.ledger import MAX_TEXT
from ..transports.outbox import FolderOutbox
from ..transports.stock import Entry, Stock, entries_of, stock_of
from ..words import count, duration, one_line, rfc3339, size
from .current import client_of_app, refuse_if_off
from .printing import format_option, limit_option, print_table

try:
    import pwd
except ImportError:  # Windows
    pwd = None  # type: ignore[assignment]

_COLUMNS = ("age", "state", "category", "size", "event_id", "what", "why")
_MAX_WHAT_LENGTH = 60
_MAX_WHY_LENGTH = 100


@click.command("outbox")
@click.option("--send", is_flag=True, help="Try everything now, whatever pause is on.")
@click.option("--drop", "wants_drop", is_flag=True, help="Delete everything.")
@click.option("--set-aside", is_flag=True, help="Only what was set aside.")
@click.option("--yes", is_flag=True, help="Delete without asking.")
@format_option
@limit_option
@with_appcontext
def outbox_command(
    send: bool, wants_drop: bool, set_aside: bool, yes: bool, style: str, limit: int
) -> None:
    """List what waits to be delivered, since when and why."""
    if send and wants_drop:
        raise click.UsageError("--send and --drop exclude each other")
    desk = _Desk(client_of_app(), set_aside)
    try:
        if send:
            desk.send()
        elif wants_drop:
            desk.drop(yes)
        else:
            desk.show(style, limit)
    except (Busy, OSError) as error:
        raise click.ClickException(str(error)) from error


class _Desk:
    """The outbox of an app, or the part of it that was set aside."""

    def __init__(self, client: Client, only_set_aside: bool) -> None:
        refuse_if_off(client)
        transport = client.transport
        if not isinstance(transport, BackgroundTransport):
            raise click.ClickException(
                "this app has no outbox: its events go straight to "
                f"{destination_of(client)}"
            )
        outbox = transport.outbox
        if not isinstance(outbox, FolderOutbox):
            raise click.ClickException(
                "each process of this app keeps what waits in its own memory "
                "(outbox=False), and none of them can be looked at"
            )
        if outbox.folder.exists() and not os.access(outbox.folder, os.R_OK | os.X_OK):
            raise click.ClickException(
                f"{outbox.folder} cannot be read: run this as the user whom the app "
                "runs as"
            )
        self._client = client
        self._transport = transport
        self._outbox = outbox
        self._only_set_aside = only_set_aside
        # A worker may be in the middle of an envelope for so long.
        self._patience_seconds = 2 * client.config.timeout_seconds + 5

    def show(self, style: str, limit: int) -> None:
        """Print what is there."""
        entries = entries_of(self._outbox, limit, self._only_set_aside)
        if style == "json":
            click.echo(json.dumps([_as_json(entry) for entry in entries], indent=2))
            return
        stock, now = stock_of(self._outbox, self._transport.spare), time.time()
        for line in self._headlines(stock, now):
            click.echo(line)
        if entries:
            click.echo()
            print_table(_COLUMNS, [_as_row(entry, now) for entry in entries])
        left_out = self._total() - len(entries)
        if left_out > 0:
            click.echo(f"… and {left_out:,} more: --limit shows them.")

    def send(self) -> None:
        """Try everything now."""
        if not (total := self._total_for("send")):
            return
        with _progress(total) as step:
            sent = send_now(
                self._outbox,
                self._transport.make_transport,
                step,
                self._only_set_aside,
                self._patience_seconds,
            )
        click.echo(f"{count(sent.delivered, 'envelope')} delivered.")
        if not sent.is_complete:
            raise click.ClickException(_problem_of(sent))

    def drop(self, is_sure: bool) -> None:
        """Delete everything, if that is really wanted."""
        if not (total := self._total_for("drop")):
            return
        if not is_sure:
            _ask(count(total, "envelope"))
        dropped = drop(self._outbox, self._only_set_aside, self._patience_seconds)
        click.echo(f"{count(dropped.count, 'envelope')} dropped.")
        if dropped.problem:
            raise click.ClickException(f"not all was dropped: {dropped.problem}")

    def _total_for(self, verb: str) -> int:
        total = self._total()
        if not total:
            click.echo(f"There is nothing to {verb}.")
        elif pwd is not None:
            refuse_another_user(self._outbox.folder, os.geteuid())
        return total

    def _total(self) -> int:
        waiting = [] if self._only_set_aside else self._outbox.names()
        return len(waiting) + len(self._outbox.set_aside_names())

    def _headlines(self, stock: Stock, now: float) -> list[str]:
        lines = []
        if not self._only_set_aside:
            max_bytes = self._client.config.outbox_max_bytes
            lines.append(_sentence(waiting_in_words(stock, max_bytes, now)))
            lines += [_sentence(text) for text in problems_in_words(stock, now)]
        if stock.set_aside:
            lines.append(f"{count(stock.set_aside, 'envelope')} set aside.")
            lines += [] if self._only_set_aside else [SET_ASIDE_MEND]
        if self._only_set_aside and not stock.set_aside:
            lines.append("Nothing was set aside.")
        return lines


def refuse_another_user(folder: Path, user_id: int) -> None:
    """Let only who owns an outbox write into it: the app could not read the rest.

    :param user_id: of who wants to.
    :raises ClickException: it is somebody else.
    """
    owner_id = folder.stat().st_uid
    if owner_id != user_id:
        raise click.ClickException(
            f"{folder} belongs to the user {_name_of(owner_id)}: run this as that "
            "user, because the app could not read what others write there"
        )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not sys.stdout.isatty():
        yield lambda: None
        return
    bar: Any
    with click.progressbar(length=total, show_pos=True) as bar:
        yield lambda: bar.update(1)


def _problem_of(sent: Sent) -> str:
    """Say what was not delivered, and why."""
    parts = []
    if sent.refused:
        parts.append(f"{count(sent.refused, 'envelope')} refused for good, and dropped")
    if sent.set_aside:
        parts.append(f"{count(sent.set_aside, 'envelope')} set aside: {SET_ASIDE_MEND}")
    if sent.remaining:
        parts.append(f"{count(sent.remaining, 'envelope')} still waiting")
    if sent.problem:
        parts.append(one_line(sent.problem, MAX_TEXT))
    return "\n".join([*parts, "`flask errtrack doctor` tells more."])


def _ask(what: str) -> None:
    if not sys.stdin.isatty():
        raise click.ClickException(
            f"there is no terminal to ask on whether {what} may be deleted; "
            "--yes deletes without asking"
        )
    click.confirm(f"Delete {what}? Nobody will ever see them", abort=True)


def _as_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "state": _state(entry),
        "category": entry.category,
        "event_id": entry.event_id,
        "title": entry.title,
        "size_bytes": entry.size_bytes,
        "since": rfc3339(entry.since),
        "why": entry.why,
        "until": None if entry.until is None else rfc3339(entry.until),
    }


def _as_row(entry: Entry, now: float) -> dict[str, str]:
    return {
        "age": duration(max(now - entry.since, 0)),
        "state": _state(entry),
        "category": one_line(entry.category, 20),
        "size": size(entry.size_bytes),
        "event_id": one_line(entry.event_id or "-", 32),
        "what": one_line(entry.title, _MAX_WHAT_LENGTH),
        "why": _why(entry, now),
    }


def _why(entry: Entry, now: float) -> str:
    why = one_line(entry.why, _MAX_WHY_LENGTH)
    if entry.until is None:
        return why
    return f"{why} (for {duration(max(entry.until - now, 0))} more)"


def _state(entry: Entry) -> str:
    return "set aside" if entry.is_set_aside else "waiting"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].removesuffix(".") + "."


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
