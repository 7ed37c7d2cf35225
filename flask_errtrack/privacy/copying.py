"""A copy of an event without what secret names hold, and all texts that are in it.

The copy is safe to send: JSON values only. Knows nothing of how a text is searched.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from ..reading.serialize import CUT_MARK, DATA_LIMITS, Serializer, safe_text
from .redaction import is_card_number
from .rule import REDACTED

#: What holds lines of source: ``password = form["password"]`` is code, not a secret.
SOURCE_FIELDS = frozenset(("context_line", "pre_context", "post_context"))
_MAX_DEPTH = 40
# The protocol wants a mapping here.
_MAPPINGS = ("cookies",)
# What a hook may have put into an event without end.
_MAX_VALUES = 100_000
# No card has fewer digits.
_MIN_CARD = 10**14
# Values of secret names that are searched for; names are looked at without end.
_MAX_SEARCHED = 1000
_MAX_REMEMBERED_NAMES = 4096
_MAX_REMEMBERED_LENGTH = 100
# A text or bytes as Python writes them.
_REPR = re.compile(
    r"b?(?P<quote>['\"])(?:(?!(?P=quote))[^\\\n]"
    r"|\\(?:[\\'\"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*+(?P=quote)"
)
# Names of fields and states, not secrets, in spite of the name before them.
_WORD = re.compile("[a-z_]{1,14}")
_EMPTY = ("", "''", '""', "b''", "None", "null")


class Names:
    """Tells secret names, and remembers those that mean nothing here."""

    def __init__(self, is_secret: Callable[[str], bool]) -> None:
        self.is_secret = is_secret
        self.plain: set[str] = set()

    def remember(self, name: str) -> None:
        """Remember that a name is not secret, and holds no source."""
        if len(name) <= _MAX_REMEMBERED_LENGTH:
            if len(self.plain) >= _MAX_REMEMBERED_NAMES:
                self.plain.clear()
            self.plain.add(name)


class Copy:
    """Copies JSON values, redacts by name, and gathers every text on the way."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._serialize = Serializer(DATA_LIMITS)
        self._left = _MAX_VALUES
        self.texts: set[str] = set()
        self.source: set[str] = set()
        self.redacted: set[str] = set()

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a copy of a value."""
        kind = type(value)
        self._left -= 1
        if kind is str:
            self.texts.add(value)
            return value
        if value is None or kind is bool:
            return value
        if kind is int or kind is float:
            return self._number(value, depth)
        if depth < _MAX_DEPTH and self._left > 0:
            if issubclass(kind, dict):
                return self._dict(value, depth)
            if kind is list or kind is tuple:
                return self._list(value, depth)
        return self._other(value, depth)

    def _number(self, value: int | float, depth: int) -> Any:
        if not -(2**63) < value < 2**63:
            return self._other(value, depth)
        is_card = type(value) is int and value >= _MIN_CARD and _is_card(value)
        return REDACTED if is_card else value

    def _other(self, value: Any, depth: int) -> Any:
        """A hook put something into the event that is not JSON, or is too much."""
        made = self._serialize(value, DATA_LIMITS.depth if self._left <= 0 else 0)
        return made if type(made) in (int, float) else self.value(made, depth)

    def _dict(self, value: Any, depth: int) -> dict[str, Any]:
        # Never through code of a subclass.
        made = value.copy() if type(value) is dict else dict(dict.items(value))
        if not self._names.plain.issuperset(made):
            return self._named(made, depth)
        self.texts.update(made)
        for name, item in made.items():
            kind = type(item)
            if kind is str:
                self.texts.add(item)
            elif kind is int and 0 <= item < _MIN_CARD:
                continue
            elif item is not None and kind is not bool:
                made[name] = self.value(item, depth + 1)
        return made

    def _named(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        """A copy of what may have secret names."""
        made: dict[str, Any] = {}
        plain = self._names.plain
        for key, item in value.items():
            if key in plain:
                made[key] = item
                if type(item) is str:
                    self.texts.add(item)
                else:
                    made[key] = self.value(item, depth + 1)
                continue
            name = key if type(key) is str else safe_text(key)
            if name in SOURCE_FIELDS:
                made[name] = self._source(item, depth)
            elif not self._names.is_secret(name):
                self._names.remember(name)
                made[name] = self.value(item, depth + 1)
            elif _is_nothing(item):
                made[name] = self.value(item, depth + 1)
            else:
                made[name] = self._redact(item, is_mapping=name in _MAPPINGS)
        self.texts.update(made)
        return made

    def _list(self, items: Collection[Any], depth: int) -> list[Any]:
        if len(items) == 2:
            name, item = items
            if type(name) is str and self._names.is_secret(name):
                # A pair such as a header.
                return [name, self._redact(item)]
        made = list(items)
        for number, item in enumerate(made):
            if type(item) is str:
                self.texts.add(item)
            else:
                made[number] = self.value(item, depth + 1)
        return made

    def _source(self, value: Any, depth: int) -> Any:
        if type(value) is list and all(type(line) is str for line in value):
            self.source.update(value)
            return value.copy()
        if type(value) is str:
            self.source.add(value)
            return value
        return self.value(value, depth + 1)

    def _redact(self, value: Any, is_mapping: bool = False) -> Any:
        """The value is a secret elsewhere in the event, too."""
        kind = type(value)
        if kind in (str, int):
            if len(self.redacted) < _MAX_SEARCHED:
                self.redacted.update(_unquoted(safe_text(value)))
        elif kind in (list, tuple):
            for item in value:
                self._redact(item)
        elif kind is dict and is_mapping:
            return {safe_text(key): self._redact(item) for key, item in value.items()}
        return REDACTED


def _is_nothing(value: Any) -> bool:
    """Nothing, or a yes or no: it tells a lot and gives nothing away."""
    kind = type(value)
    return (
        value is None
        or kind is bool
        or (kind is str and value in _EMPTY)
        or (kind in (bytes, list, tuple, dict) and not value)
    )


def _is_card(number: int) -> bool:
    digits = str(number)
    return len(digits) in (15, 16) and digits[0] in "3456" and is_card_number(digits)


def _unquoted(value: str) -> set[str]:
    """A secret as it is, from a text that may be its ``repr``, even a cut one."""
    text = value.removesuffix(CUT_MARK)
    if _REPR.fullmatch(text):
        with suppress(ValueError, SyntaxError):
            match ast.literal_eval(text):
                case str(made):
                    text = made
                case bytes(made):
                    text = made.decode("utf-8", "replace")
    return set() if _WORD.fullmatch(text) else {text, text.strip()}
