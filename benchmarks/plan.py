"""What a run of the benchmark is asked for: each part reads from it what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .results import Result


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    :param is_quick: to see that it works, and about where the figures are.
    :param targets: other servers that store events, by name, each with a DSN.
    :param sizes: of the trackers whose pages are measured, in events.
    :param database_url: an empty PostgreSQL database whose pages are measured, too.
    """

    is_quick: bool = False
    targets: Mapping[str, str] = field(default_factory=dict)
    sizes: Sequence[int] = ()
    database_url: str | None = None


#: A part: it yields each figure when it has it.
Part = Callable[[Plan], Iterator[Result]]


def progress(text: str) -> None:
    """Say on stderr what is being measured."""
    print(f"  {text} …", file=sys.stderr, flush=True)
