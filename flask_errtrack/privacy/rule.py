"""What a rule is that redacts one shape of secret.

A rule sees single texts and knows nothing of events. What a rule does not find it
must not cost: first it looks for hints in many texts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

REDACTED = "[redacted]"


class Rule(NamedTuple):
    """Redacts one shape of secret in a text.

    :param positions: where in a text (given as it is, and in lower case) the shape
        may stand. Called once with all texts of an event together, so that what
        does not occur costs next to nothing.
    """

    positions: Callable[[str, str], Iterable[int]]
    redact: Callable[[str], str]


def all_positions(text: str, word: str) -> Iterator[int]:
    """Yield where a word stands in a text."""
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))
