"""Looks for secrets in many texts at once, and remembers which hold none.

Most texts of an event were in one before: source lines, names, settings. Knows nothing
of what the texts are.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from ..reading.serialize import CUT_MARK
from .rule import Rule

# How much is remembered: the texts, and for each its place in a set.
_MAX_REMEMBERED_BYTES = 1024 * 1024
_MAX_REMEMBERED_LENGTH = 2048
_BYTES_IN_A_SET = 50
# The one letter that is two in lower case: then positions would mean nothing.
_GROWS = "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"


@dataclass(frozen=True)
class Known:
    """The secrets that are known when texts are searched.

    :param passing: rules for those of this time only.
    :param every: rules for all of them, in the order in which they apply.
    :param lasting: those of each time.
    """

    passing: Sequence[Rule] = ()
    every: Sequence[Rule] = ()
    lasting: frozenset[str] = frozenset()


class _Clean:
    """Texts in which nothing was found, as long as the lasting secrets are these."""

    def __init__(self, lasting: frozenset[str]) -> None:
        self.lasting = lasting
        self.texts: set[str] = set()
        self._left_bytes = _MAX_REMEMBERED_BYTES

    def add(self, texts: set[str]) -> None:
        texts = {text for text in texts if len(text) <= _MAX_REMEMBERED_LENGTH}
        size_bytes = sum(map(sys.getsizeof, texts)) + len(texts) * _BYTES_IN_A_SET
        if size_bytes > _MAX_REMEMBERED_BYTES:
            return
        if size_bytes > self._left_bytes:
            self.texts, self._left_bytes = set(), _MAX_REMEMBERED_BYTES
        self.texts.update(texts)
        self._left_bytes -= size_bytes


class Search:
    """Redacts texts of one kind by rules that are always the same, and known secrets.

    :param rules: what they make of a text depends on nothing else.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._clean = _Clean(frozenset())

    def redacted(self, texts: set[str], known: Known) -> dict[str, str]:
        """Return the texts that change, each with what takes its place."""
        clean = self._clean
        if clean.lasting != known.lasting:
            # Whoever still searches for others adds to what nobody looks at.
            clean = self._clean = _Clean(known.lasting)
        every, made = list(texts), dict[str, str]()
        _redact(every, "\n".join(every), "", known.passing, made)
        fresh = (texts - clean.texts) | made.keys()
        made = {}
        ascii_only = [text for text in fresh if text.isascii()]
        self._redact(ascii_only, known, made)
        if len(ascii_only) < len(fresh):
            others = [text for text in fresh if not text.isascii()]
            self._redact(others, known, made)
        changed = {text: new for text, new in made.items() if text != new}
        clean.add(fresh - changed.keys())
        return changed

    def _redact(self, texts: list[str], known: Known, made: dict[str, str]) -> None:
        together = "\n".join(texts)
        _redact(texts, together, "", known.every, made)
        # The mark is no part of any shape; without it most texts are ASCII.
        plain = together.replace(CUT_MARK, "?").replace(_GROWS, "i")
        _redact(texts, plain, plain.lower(), self._rules, made)


def _redact(
    texts: list[str],
    together: str,
    lower: str,
    rules: Iterable[Rule],
    made: dict[str, str],
) -> None:
    """Add to what is made of texts what rules make of them.

    :param together: the texts, with one character between them.
    """
    ends: list[int] = []
    for rule in rules if texts else ():
        positions = iter(rule.positions(together, lower))
        first = next(positions, None)
        if first is not None:
            ends = ends or list(accumulate(len(text) + 1 for text in texts))
            hits = {bisect_right(ends, at) for at in chain((first,), positions)}
            for text in (texts[hit] for hit in hits):
                made[text] = rule.redact(made.get(text, text))
