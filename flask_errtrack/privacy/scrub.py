"""Takes secrets out of an event, by the name and by the value of things.

Knows nothing of Flask. Must be the last to touch an event, after the user's
hooks; it works on a copy, which it also makes safe to send: JSON values only,
no text that UTF-8 or a database cannot hold.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import Any, cast

from ..event import (
    Breadcrumb,
    Event,
    ExceptionValue,
    Frame,
    LogEntry,
    Mechanism,
    Request,
    Thread,
    User,
)
from ..reading.serialize import CUT_MARK, DATA_LIMITS, Serializer, safe_text
from .redaction import (
    REDACTED,
    RULES,
    Rule,
    is_card_number,
    named_rule,
    pattern_rule,
    rules_of_secrets,
)
from .secret_names import is_secret_name, is_worth_it, plain_name

# What the protocol needs as it is; no app text gets there.
_PROTOCOL_FIELDS = ("event_id", "timestamp", "platform", "level", "sdk")
_MAX_DEPTH = 40
_SOURCE_FIELDS = ("context_line", "pre_context", "post_context")
# The protocol wants a mapping here.
_MAPPINGS = ("cookies",)
# Names that the shape of an event consists of.
_SHAPE = frozenset(
    name
    for part in (
        Event,
        ExceptionValue,
        Frame,
        Mechanism,
        Thread,
        LogEntry,
        Request,
        User,
        Breadcrumb,
    )
    for name in part.__annotations__
) | {"values", "frames"}
# What a hook may have put into an event without end.
_MAX_VALUES = 100_000
# No card has fewer digits.
_MIN_CARD = 10**14
# Values of secret names that are searched for; names are looked at without end.
_MAX_SEARCHED = 1000
# A text or bytes as Python writes them.
_REPR = re.compile(
    r"b?(?P<quote>['\"])(?:(?!(?P=quote))[^\\\n]"
    r"|\\(?:[\\'\"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*+(?P=quote)"
)
# Names of fields and states, not secrets, in spite of the name before them.
_WORD = re.compile("[a-z_]{1,14}")
_EMPTY = ("", "''", '""', "b''", "None", "null")


class Scrubber:
    """Redacts events by an app's rules.

    :param keys: more names whose values are redacted.
    :param patterns: more expressions that are redacted wherever they match.
    """

    def __init__(
        self, keys: Iterable[str] = (), patterns: Iterable[re.Pattern[str]] = ()
    ) -> None:
        self._keys = frozenset(plain_name(key) for key in keys)
        hints = [max(key.split("_"), key=len) for key in self._keys]
        rules = (*RULES, *(pattern_rule(pattern) for pattern in patterns))
        is_secret = self.is_secret_name
        self._text_rules = (*rules, named_rule(is_secret, hints, in_source=False))
        self._source_rules = (*rules, named_rule(is_secret, hints, in_source=True))

    def scrub(self, event: Event, secrets: Collection[str] = ()) -> Event:
        """Return a redacted copy of an event.

        :param secrets: values to redact wherever they turn up.
        """
        copy = _Copy(self.is_secret_name if self._keys else is_secret_name)
        made = copy.value(event)
        known = tuple(
            rules_of_secrets(
                filter(is_worth_it, secrets), filter(is_worth_it, copy.redacted)
            )
        )
        new_texts = _redacted(copy.texts, (*known, *self._text_rules))
        new_source = _redacted(copy.source, (*known, *self._source_rules))
        if new_texts or new_source:
            entry = made.get("logentry")
            made = {
                key: item
                if key in _PROTOCOL_FIELDS
                else _replace(item, key, new_texts, new_source)
                for key, item in made.items()
            }
            if type(entry) is dict:
                made["logentry"] = _without_hidden(entry, made["logentry"])
        return cast("Event", made)

    def is_secret_name(self, name: str) -> bool:
        """Tell whether what has this name is redacted whatever it holds."""
        return is_secret_name(name) or (
            bool(self._keys) and plain_name(name) in self._keys
        )


class _Copy:
    """Copies JSON values, redacts by name, and gathers every text on the way."""

    def __init__(self, is_secret_name: Callable[[str], bool]) -> None:
        self._is_secret_name = is_secret_name
        self._serialize = Serializer(DATA_LIMITS)
        self._left = _MAX_VALUES
        self.texts: set[str] = set()
        self.source: set[str] = set()
        self.redacted: set[str] = set()

    def value(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        self._left -= 1
        if kind is str:
            self.texts.add(value)
            return value
        if value is None or kind is bool:
            return value
        if kind is int and -(2**63) < value < 2**63:
            return REDACTED if value >= _MIN_CARD and _is_card(value) else value
        if depth < _MAX_DEPTH and self._left > 0:
            if issubclass(kind, dict):
                return self._dict(dict.items(value), depth)
            if kind in (list, tuple):
                return self._list(value, depth)
        # A hook put something into the event that is not JSON, or is too much.
        made = self._serialize(value, DATA_LIMITS.depth if self._left <= 0 else 0)
        return made if type(made) in (int, float) else self.value(made, depth)

    def _dict(self, items: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        made = {}
        for key, item in items:
            name = key if type(key) is str else safe_text(key)
            if name in _SOURCE_FIELDS:
                made[name] = self._source(item, depth)
                continue
            self.texts.add(name)
            if self._is_secret_name(name) and not _is_nothing(item):
                made[name] = self._redact(item, is_mapping=name in _MAPPINGS)
            elif type(item) is str:
                self.texts.add(item)
                made[name] = item
            else:
                made[name] = self.value(item, depth + 1)
        return made

    def _list(self, items: Collection[Any], depth: int) -> list[Any]:
        if len(items) == 2:
            name, item = items
            if type(name) is str and self._is_secret_name(name):
                # A pair such as a header.
                return [name, self._redact(item)]
        return [self.value(item, depth + 1) for item in items]

    def _source(self, value: Any, depth: int) -> Any:
        """Source lines: ``password = form["password"]`` is code, not a secret."""
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


def _redacted(texts: Collection[str], rules: Iterable[Rule]) -> dict[str, str]:
    """Return the texts that change, each with what takes its place."""
    if not texts:
        return {}
    every = list(texts)
    together = "\n".join(every)
    lower = together.lower()
    ends = list(accumulate(len(text) + 1 for text in every))
    # A few letters change their length in lower case: then positions mean nothing.
    lower = lower if len(lower) == len(together) else together
    changed: dict[str, str] = {}
    for rule in rules:
        hits = {bisect_right(ends, at) for at in rule.positions(together, lower)}
        for text in (every[hit] for hit in hits):
            changed[text] = rule.redact(changed.get(text, text))
    return {text: new for text, new in changed.items() if text != new}


def _replace(
    value: Any, field: str, new_texts: Mapping[str, str], new_source: Mapping[str, str]
) -> Any:
    kind = type(value)
    if kind is str:
        return (new_source if field in _SOURCE_FIELDS else new_texts).get(value, value)
    if kind is dict:
        return {
            key if key in _SHAPE else new_texts.get(key, key): _replace(
                item, key, new_texts, new_source
            )
            for key, item in value.items()
        }
    if kind is list:
        return [_replace(item, field, new_texts, new_source) for item in value]
    return value


def _without_hidden(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """A log entry without the arguments that its redacted text does not show any more.

    The name that tells of a secret is in the template: ``password=%s``.
    """
    text, shown = before.get("formatted"), after.get("formatted")
    params = after.get("params")
    if type(text) is not str or type(shown) is not str or type(params) is not list:
        return after
    return {
        **after,
        "params": [
            REDACTED if str(one) in text and str(one) not in shown else one
            for one in params
        ],
    }
