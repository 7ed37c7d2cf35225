"""What is in an outbox, since when and why: for commands, doctor and monitors.

Only looks; what people have done with an outbox is in ``errand``. A file in the
folder may be anything, by anybody.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from ..errors import EnvelopeError
from ..protocol.envelope import Envelope
from .ledger import ALL, Page, Pause
from .memory import MemoryOutbox
from .outbox import FolderOutbox, Outbox

_NANOSECONDS = 1e9
_OUR_NUMBER = re.compile(r"[0-9]{20}")


class Stock(NamedTuple):
    """How much is in an outbox. Times are seconds since 1970."""

    waiting: int
    waiting_bytes: int
    oldest_at: float | None
    set_aside: int
    set_aside_bytes: int
    page: Page

    def problems(self, now: float) -> dict[str, Pause]:
        """Return what keeps it from being emptied, by category, all of it first.

        That is a pause that is not over, or a failure that no success has followed.
        """
        return {
            key: pause
            for key, pause in sorted(self.page.pauses.items())
            if pause.left_seconds(now) or (self.waiting and not pause.is_asked)
        }


class Entry(NamedTuple):
    """One file of an outbox. Its texts may hold anything."""

    name: str
    category: str
    is_set_aside: bool
    #: When it came, in seconds since 1970.
    since: float
    size_bytes: int
    event_id: str | None
    title: str
    #: Why it is still there; empty if nothing keeps it.
    why: str
    #: Before then it is not tried.
    until: float | None


def stock_of(outbox: Outbox, spare: MemoryOutbox) -> Stock:
    """Return what is in an outbox, and in the memory of this process."""
    kept = spare.names()
    kept_bytes = sum(len(spare.read(name) or b"") for name in kept)
    page = outbox.ledger.read()
    if not isinstance(outbox, FolderOutbox):
        return Stock(len(kept), kept_bytes, None, 0, 0, page)
    names, set_aside_names = outbox.names(), outbox.set_aside_names()
    return Stock(
        waiting=len(names) + len(kept),
        waiting_bytes=_size_bytes(outbox, names) + kept_bytes,
        oldest_at=_since(outbox, names[0]) if names else None,
        set_aside=len(set_aside_names),
        set_aside_bytes=_size_bytes(outbox, set_aside_names),
        page=page,
    )


def entries_of(
    outbox: FolderOutbox, limit: int, only_set_aside: bool = False
) -> list[Entry]:
    """Return what is in an outbox: what waits, the oldest first, then the rest."""
    return list(islice(_entries(outbox, only_set_aside), limit))


def _entries(outbox: FolderOutbox, only_set_aside: bool) -> Iterator[Entry]:
    page = outbox.ledger.read()
    for name in [] if only_set_aside else outbox.names():
        # What is gone was delivered meanwhile.
        with suppress(FileNotFoundError):
            yield _waiting_entry(outbox, page, name)
    for name in outbox.set_aside_names():
        with suppress(FileNotFoundError):
            why = page.set_aside.get(outbox.name_before(name), "")
            yield _entry(outbox, name, True, why or "the reason is not known")


def _waiting_entry(outbox: FolderOutbox, page: Page, name: str) -> Entry:
    for key in (ALL, outbox.category_of(name)):
        pause = page.pauses.get(key)
        if pause is not None and pause.left_seconds(time.time()):
            return _entry(outbox, name, False, pause.problem, pause.until)
        if pause is not None and not pause.is_asked:
            return _entry(outbox, name, False, pause.problem)
    return _entry(outbox, name, False)


def _entry(
    outbox: FolderOutbox,
    name: str,
    is_set_aside: bool,
    why: str = "",
    until: float | None = None,
) -> Entry:
    event_id, title = None, ""
    try:
        envelope = Envelope.parse(outbox.read(name) or b"")
        event_id, title = envelope.event_id, _title(envelope)
    except (OSError, EnvelopeError) as error:
        why = why if is_set_aside else f"cannot be read, and will be set aside: {error}"
    return Entry(
        name,
        outbox.category_of(name),
        is_set_aside,
        _since(outbox, name),
        (outbox.folder / name).lstat().st_size,
        event_id,
        title,
        why,
        until,
    )


def _since(outbox: FolderOutbox, name: str) -> float:
    """When it came: its name tells, or its file, but never a time to come."""
    digits, now = name.partition("-")[0], time.time()
    named = int(digits) / _NANOSECONDS if _OUR_NUMBER.fullmatch(digits) else 0.0
    if 0 < named <= now:
        return named
    with suppress(OSError):
        return min(max((outbox.folder / name).lstat().st_mtime, 0.0), now)
    return now


def _size_bytes(outbox: FolderOutbox, names: list[str]) -> int:
    total, folder = 0, str(outbox.folder)
    for name in names:
        # Delivered meanwhile: it is gone.
        with suppress(OSError):
            total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _title(envelope: Envelope) -> str:
    """What an envelope is about: its first event in words, or what it holds."""
    for event in envelope.events:
        kind = _at(event, "exception", "values", -1, "type")
        value = _at(event, "exception", "values", -1, "value")
        text = _at(event, "logentry", "formatted") or _at(event, "logentry", "message")
        return ": ".join(filter(None, (kind, value))) or text
    return ", ".join(item.type for item in envelope.items)


def _at(found: Any, *way: str | int) -> str:
    """The text at the end of a way through JSON, or none."""
    for step in way:
        try:
            found = found[step]
        except (LookupError, TypeError):
            return ""
    return found if isinstance(found, str) else ""
