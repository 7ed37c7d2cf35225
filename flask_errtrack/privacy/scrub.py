"""Takes secrets out of an event, by the name and by the value of things.

Knows nothing of Flask. Must be the last to touch an event, after the user's
hooks; it works on a copy, which it also makes safe to send: JSON values only,
no text that UTF-8 or a database cannot hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
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
from .copying import SOURCE_FIELDS, Copy, Names
from .named_values import named_rule
from .redaction import RULES, pattern_rule, rules_of_secrets
from .rule import REDACTED
from .search import Known, Search
from .secret_names import is_secret_name, is_worth_it, plain_name

# What the protocol needs as it is; no app text gets there.
_PROTOCOL_FIELDS = ("event_id", "timestamp", "platform", "level", "sdk")
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


class Scrubber:
    """Redacts events by an app's rules.

    :param keys: more names whose values are redacted.
    :param patterns: more expressions that are redacted wherever they match.
    """

    def __init__(
        self, keys: Iterable[str] = (), patterns: Iterable[re.Pattern[str]] = ()
    ) -> None:
        self._keys = frozenset(plain_name(key) for key in keys)
        hints = [max(key.split("_"), key=len) or key for key in self._keys]
        rules = (*RULES, *(pattern_rule(pattern) for pattern in patterns))
        is_secret = self.is_secret_name if self._keys else is_secret_name
        self._names = Names(is_secret)
        self._texts = Search((*rules, named_rule(is_secret, hints, in_source=False)))
        self._source = Search((*rules, named_rule(is_secret, hints, in_source=True)))

    def scrub(
        self,
        event: Event,
        secrets: Collection[str] = (),
        lasting: Collection[str] = (),
    ) -> Event:
        """Return a redacted copy of an event.

        :param secrets: values to redact wherever they turn up.
        :param lasting: more of them, which are mostly the same for each event: a text
            that was searched for them is not searched for them again.
        """
        copy = Copy(self._names)
        made = copy.value(event)
        known = _known(secrets, lasting, copy.redacted)
        new_texts = self._texts.redacted(copy.texts, known)
        new_source = self._source.redacted(copy.source, known)
        if new_texts or new_source:
            replace = _Replacement(new_texts, new_source)
            entry = made.get("logentry")
            shown_before = entry.get("formatted") if type(entry) is dict else None
            for key in made.keys() - frozenset(_PROTOCOL_FIELDS):
                made[key] = replace.value(made[key], key)
            if type(entry) is dict:
                _hide_params(made["logentry"], shown_before)
        return cast("Event", made)

    def is_secret_name(self, name: str) -> bool:
        """Tell whether what has this name is redacted whatever it holds."""
        return is_secret_name(name) or (
            bool(self._keys) and plain_name(name) in self._keys
        )


def _known(
    secrets: Collection[str], lasting: Collection[str], guesses: Collection[str]
) -> Known:
    now = set(filter(is_worth_it, secrets))
    always = frozenset(filter(is_worth_it, lasting))
    maybe = set(filter(is_worth_it, guesses))
    passing = tuple(rules_of_secrets(now, maybe))
    return Known(passing, tuple(rules_of_secrets(now | always, maybe)), always)


class _Replacement:
    """Puts new texts in the place of others, in a copy that nobody else has."""

    def __init__(
        self, new_texts: Mapping[str, str], new_source: Mapping[str, str]
    ) -> None:
        self._new_texts = new_texts
        self._new_source = new_source
        self._new_names = {
            name: new for name, new in new_texts.items() if name not in _SHAPE
        }
        self._all = new_texts.keys() | new_source.keys()

    def value(self, value: Any, field: str) -> Any:
        """Return what takes the place of the value of a field."""
        kind = type(value)
        if kind is str:
            return self._text(value, field) if value in self._all else value
        if kind is dict:
            return self._dict(value)
        if kind is list:
            for number, item in enumerate(value):
                value[number] = self.value(item, field)
        return value

    def _text(self, text: str, field: str) -> str:
        news = self._new_source if field in SOURCE_FIELDS else self._new_texts
        return news.get(text, text)

    def _dict(self, value: dict[str, Any]) -> dict[str, Any]:
        for name, item in value.items():
            kind = type(item)
            if kind is str:
                if item in self._all:
                    value[name] = self._text(item, name)
            elif kind is dict or kind is list:
                value[name] = self.value(item, name)
        if self._new_names.keys().isdisjoint(value):
            return value
        return {self._new_names.get(name, name): item for name, item in value.items()}


def _hide_params(entry: dict[str, Any], shown_before: Any) -> None:
    """Redact the arguments that a log entry's redacted text does not show any more.

    The name that tells of a secret is in the template: ``password=%s``.
    """
    shown, params = entry.get("formatted"), entry.get("params")
    if not isinstance(shown_before, str) or not isinstance(shown, str):
        return
    if isinstance(params, list):
        entry["params"] = [
            REDACTED if str(one) in shown_before and str(one) not in shown else one
            for one in params
        ]
