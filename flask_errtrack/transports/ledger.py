"""What an outbox remembers beside its envelopes, for every process of the host.

Until when the receiver is left alone and why, what was dropped, and why something
was set aside: one small file. Only who has the outbox's turn writes it. Knows
nothing of threads and of how to deliver.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..protocol.drops import Drop
from .files import read_plain

#: The category of a pause that holds for everything.
ALL = ""
#: Nobody asks for more; a clock that was set back must not hold for ever.
MAX_PAUSE_SECONDS = 24 * 3600.0
_MAX_OWN_PAUSE_SECONDS = 60.0
#: How much is kept of what went wrong.
MAX_TEXT = 500
_LATEST = 1e11
_MAX_FILE_BYTES = 1024 * 1024
# What reading a file may raise that is no ledger.
_NO_LEDGER = (
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
#: What ends by itself: it says nothing about a file.
SHORTAGES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))


class Pause(NamedTuple):
    """Why and until when something is not sent. Times are seconds since 1970."""

    until: float
    since: float
    problem: str
    #: How many tries have failed one after another.
    failures: int
    #: The receiver asked for it: what waits then goes slowly.
    is_asked: bool

    def left_seconds(self, now: float) -> float:
        """Return how long it still holds; 0 if it is over."""
        left = self.until - now
        longest = MAX_PAUSE_SECONDS if self.is_asked else _MAX_OWN_PAUSE_SECONDS
        return left if 0 < left <= longest else 0.0


@dataclass
class Page:
    """What the ledger says."""

    #: By category; ``ALL`` for everything.
    pauses: dict[str, Pause] = field(default_factory=dict)
    dropped: Counter[Drop] = field(default_factory=Counter)
    #: When something was last dropped, by reason.
    dropped_at: dict[str, float] = field(default_factory=dict)
    #: What no client report has told the receiver yet.
    unreported: Counter[Drop] = field(default_factory=Counter)
    reported_at: float = 0.0
    #: What the receiver said when it last refused something.
    refusal: str = ""
    #: Why an envelope was set aside, by its name.
    set_aside: dict[str, str] = field(default_factory=dict)

    def left_seconds(self, category: str, now: float) -> float:
        """Return how long a category has to wait; 0 if it may go."""
        return max((one.left_seconds(now) for one in self._of(category)), default=0.0)

    def is_slow(self, category: str) -> bool:
        """Tell whether what waits in a category goes slowly."""
        return any(one.is_asked for one in self._of(category))

    def _of(self, category: str) -> list[Pause]:
        return [self.pauses[key] for key in {ALL, category} & self.pauses.keys()]

    def count(self, drops: Mapping[Drop, int]) -> None:
        """Add what was dropped."""
        self.dropped.update(drops)
        self.unreported.update(drops)
        self.dropped_at.update((reason, time.time()) for reason, _ in drops)

    def forgive(self, drop: Drop) -> None:
        """Take one that was not lost after all from the counts."""
        self.dropped -= Counter({drop: 1})
        self.unreported -= Counter({drop: 1})


class Ledger:
    """The ledger of an outbox.

    :param path: its file; None keeps it in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        # What is not in the file, because there is none or it cannot be written.
        self._unsaved: Page | None = None

    def read(self) -> Page:
        """Return what it says; nothing if there is no file, or none that is one.

        :raises OSError: no file can be read at the moment.
        """
        if self._unsaved is not None:
            return deepcopy(self._unsaved)
        try:
            if self._path is not None:
                return _page_of(json.loads(read_plain(self._path, _MAX_FILE_BYTES)))
        except _NO_LEDGER as error:
            if getattr(error, "errno", None) in SHORTAGES:
                raise
        return Page()

    def write(self, page: Page) -> None:
        """Replace what it says, for this process only if the disk takes nothing."""
        self._unsaved = deepcopy(page)
        with suppress(OSError):
            if self._path is not None:
                _replace(self._path, json.dumps(_json_of(page)))
                self._unsaved = None


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(".writing")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
    os.replace(temporary, path)


def _json_of(page: Page) -> dict[str, Any]:
    return {
        **vars(page),
        "pauses": {key: pause._asdict() for key, pause in page.pauses.items()},
        "dropped": [[*drop, quantity] for drop, quantity in page.dropped.items()],
        "unreported": [[*drop, quantity] for drop, quantity in page.unreported.items()],
    }


def _page_of(found: dict[str, Any]) -> Page:
    return Page(
        pauses={key: _pause_of(value) for key, value in found["pauses"].items()},
        dropped=_drops_of(found["dropped"]),
        dropped_at={key: _time_of(at) for key, at in found["dropped_at"].items()},
        unreported=_drops_of(found["unreported"]),
        reported_at=_time_of(found["reported_at"]),
        refusal=str(found["refusal"])[:MAX_TEXT],
        set_aside={key: str(why) for key, why in found["set_aside"].items()},
    )


def _pause_of(found: dict[str, Any]) -> Pause:
    return Pause(
        until=_time_of(found["until"]),
        since=_time_of(found["since"]),
        problem=str(found["problem"])[:MAX_TEXT],
        failures=int(found["failures"]),
        is_asked=bool(found["is_asked"]),
    )


def _time_of(found: Any) -> float:
    """A time that a calendar has, in seconds since 1970."""
    seconds = float(found)
    if not 0 <= seconds < _LATEST:
        raise ValueError(f"no time: {seconds}")
    return seconds


def _drops_of(found: list[Any]) -> Counter[Drop]:
    return Counter(
        {(str(reason), str(category)): int(n) for reason, category, n in found}
    )
