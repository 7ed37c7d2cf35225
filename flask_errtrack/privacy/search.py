"""Looks for secrets in many texts at once, and remembers which hold none.

Most texts of an event were in one before: source lines, names, settings. Knows nothing
of what the texts are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain

from ..reading.serialize import CUT_MARK
from .rule import Rule

# How much is remembered: the texts, and for each what Python needs to keep it.
_MAX_REMEMBERED_BYTES = 1024 * 1024
_MAX_REMEMBERED_LENGTH = 2048
_BYTES_PER_TEXT = 100
# The one letter that is two in lower case: then positions would mean nothing.
_GROWS = "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"


class Search:
    """Redacts texts of one kind by rules that are always the same.

    :param rules: what they make of a text depends on nothing else.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._clean: set[str] = set()
        self._clean_bytes = 0

    def redacted(self, texts: set[str], known: Sequence[Rule] = ()) -> dict[str, str]:
        """Return the texts that change, each with what takes its place.

        :param known: the rules of this time, which come first.
        """
        made: dict[str, str] = {}
        every = list(texts)
        _redact(every, "\n".join(every), "", known, made)
        fresh = (texts - self._clean) | made.keys()
        ascii_only = [text for text in fresh if text.isascii()]
        self._redact(ascii_only, made)
        if len(ascii_only) < len(fresh):
            self._redact([text for text in fresh if not text.isascii()], made)
        changed = {text: new for text, new in made.items() if text != new}
        self._remember(fresh - changed.keys())
        return changed

    def _redact(self, texts: list[str], made: dict[str, str]) -> None:
        together = "\n".join(texts)
        # The mark is no part of any shape; without it most texts are ASCII.
        plain = together.replace(CUT_MARK, "?").replace(_GROWS, "i")
        _redact(texts, plain, plain.lower(), self._rules, made)

    def _remember(self, texts: set[str]) -> None:
        texts = {text for text in texts if len(text) <= _MAX_REMEMBERED_LENGTH}
        self._clean_bytes += sum(map(len, texts)) + len(texts) * _BYTES_PER_TEXT
        if self._clean_bytes > _MAX_REMEMBERED_BYTES:
            self._clean, self._clean_bytes = set(), 0
        self._clean |= texts


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
