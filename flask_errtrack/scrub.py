"""Takes secrets out of an event, by the name and by the value of things.

Knows nothing of Flask. Must be the last to touch an event, after the user's
hooks; it works on a copy, which it also makes safe to send: JSON values only,
no text that UTF-8 or a database cannot hold.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, cast
from urllib.parse import quote, quote_plus, urlsplit

from .event import Event
from .serialize import CUT_MARK, DATA_LIMITS, Serializer

REDACTED = "[redacted]"
#: Shorter values are not looked for: they would eat half of the event.
MIN_SECRET_LENGTH = 8

# Anywhere in a name; these mean nothing else.
_STRONG = (
    "password|passwd|passphrase|secret|credential|authorization|api_?key|apikey"
    "|access_?key|private_?key|signing_?key|encryption_?key|connection_?string"
)
# As a word of a name: "tokenizer" and "compass" are no secrets.
_WORDS = (
    "token|tokens?_?hash|pwd|pass|auth|jwt|csrf|xsrf|cookie|cookies|otp|pin|cvv|cvc|ssn"
)
_WORDS += "|session_?id|sid|signature|bearer|dsn"
_SECRET_NAME = re.compile(f"{_STRONG}|(?:^|_)(?:{_WORDS})(?:_|$)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")

# An app's setting is a secret by these names, and also as ANYTHING_KEY.
_SECRET_SETTING = re.compile(f"{_STRONG}|(?:^|_)(?:token|pwd|pass|key|dsn)$|fallbacks$")

# What the protocol needs as it is; no app text gets there.
_PROTOCOL_FIELDS = ("event_id", "timestamp", "platform", "level", "sdk")
_MAX_DEPTH = 40
_SOURCE_FIELDS = ("context_line", "pre_context", "post_context")


@dataclass(frozen=True)
class Rule:
    """Redacts one shape of secret in a text.

    :param positions: where in a text (given as it is, and in lower case) the shape
        may stand. Called once with all texts of an event together, so that what
        does not occur costs next to nothing.
    """

    positions: Callable[[str, str], Iterable[int]]
    redact: Callable[[str], str]
    in_source: bool = True


class Scrubber:
    """Redacts events by an app's rules.

    :param keys: more names whose values are redacted.
    :param patterns: more expressions that are redacted wherever they match.
    """

    def __init__(
        self, keys: Iterable[str] = (), patterns: Iterable[re.Pattern[str]] = ()
    ) -> None:
        self._keys = frozenset(_plain_name(key) for key in keys)
        self._rules = (*RULES, *(_pattern_rule(pattern) for pattern in patterns))

    def scrub(self, event: Event, secrets: Collection[str] = ()) -> Event:
        """Return a redacted copy of an event.

        :param secrets: values to redact wherever they turn up.
        """
        copy = _Copy(self.is_secret_name)
        made = copy.value(event)
        values = {value for value in (*secrets, *copy.redacted) if _is_worth_it(value)}
        rules = [*_rules_of_secrets(values), *self._rules]
        new_texts = _redacted(copy.texts, rules)
        new_source = _redacted(copy.source, [rule for rule in rules if rule.in_source])
        if new_texts or new_source:
            made = {
                key: item
                if key in _PROTOCOL_FIELDS
                else _replace(item, key, new_texts, new_source)
                for key, item in made.items()
            }
        return cast("Event", made)

    def is_secret_name(self, name: str) -> bool:
        """Tell whether what has this name is redacted whatever it holds."""
        return is_secret_name(name) or (
            bool(self._keys) and _plain_name(name) in self._keys
        )


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether a name is that of a secret: ``db_password``, ``apiKey`` …"""
    return _SECRET_NAME.search(_plain_name(name)) is not None


def secrets_of_settings(settings: Mapping[str, Any]) -> set[str]:
    """Return the secret values among an app's settings, also those inside URLs."""
    found: set[str] = set()
    for name, value in settings.items():
        found |= _secrets_of_setting(name, value)
    return found


def _secrets_of_setting(name: Any, value: Any) -> set[str]:
    kind = type(value)
    if kind is dict:
        return secrets_of_settings(value)
    if kind in (list, tuple):
        return {secret for one in value for secret in _secrets_of_setting(name, one)}
    if kind is bytes:
        value = value.decode("utf-8", "replace")
    elif kind is not str:
        return set()
    found = set()
    if _is_secret_setting(str(name)) and "://" not in value:
        found.add(value)
    elif "://" in value and "@" in value:
        found.add(_password_of_url(value))
    return {secret for secret in found if _is_worth_it(secret)}


@lru_cache(maxsize=1024)
def _is_secret_setting(name: str) -> bool:
    return _SECRET_SETTING.search(_plain_name(name)) is not None


def _password_of_url(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _is_worth_it(secret: str) -> bool:
    return len(secret) >= MIN_SECRET_LENGTH and not secret.isspace()


@lru_cache(maxsize=4096)
def _plain_name(name: str) -> str:
    return _SEPARATORS.sub("_", _CAMEL.sub("_", name).lower()).strip("_")


class _Copy:
    """Copies JSON values, redacts by name, and gathers every text on the way."""

    def __init__(self, is_secret_name: Callable[[str], bool]) -> None:
        self._is_secret_name = is_secret_name
        self._serialize = Serializer(DATA_LIMITS)
        self.texts: set[str] = set()
        self.source: set[str] = set()
        self.redacted: list[str] = []

    def value(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if kind is str:
            self.texts.add(value)
            return value
        if value is None or kind is bool or kind is int:
            return value
        if kind is dict and depth < _MAX_DEPTH:
            return self._dict(value, depth)
        if kind in (list, tuple) and depth < _MAX_DEPTH:
            return self._list(value, depth)
        # A hook put something into the event that is not JSON, or is too deep.
        made = self._serialize(value, 0 if depth < _MAX_DEPTH else DATA_LIMITS.depth)
        return made if type(made) in (int, float) else self.value(made, depth)

    def _dict(self, items: dict[Any, Any], depth: int) -> dict[str, Any]:
        made = {}
        for key, item in items.items():
            name = key if type(key) is str else str(key)
            if name in _SOURCE_FIELDS:
                made[name] = self._source(item, depth)
                continue
            self.texts.add(name)
            if self._is_secret_name(name) and item not in (None, True, False, "", b""):
                made[name] = self._redact(item)
            else:
                made[name] = self.value(item, depth + 1)
        return made

    def _list(self, items: list[Any], depth: int) -> list[Any]:
        if len(items) == 2 and type(items[0]) is str and self._is_secret_name(items[0]):
            # A pair such as a header.
            return [items[0], self._redact(items[1])]
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

    def _redact(self, value: Any) -> str:
        """The value is a secret elsewhere in the event, too."""
        if type(value) is str:
            self.redacted.append(value.strip("'\""))
        elif type(value) in (list, tuple):
            for item in value:
                self._redact(item)
        return REDACTED


def _redacted(texts: Collection[str], rules: Iterable[Rule]) -> dict[str, str]:
    """Return the texts that change, each with what takes its place."""
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
            new_texts.get(key, key): _replace(item, key, new_texts, new_source)
            for key, item in value.items()
        }
    if kind is list:
        return [_replace(item, field, new_texts, new_source) for item in value]
    return value


def _rules_of_secrets(secrets: Iterable[str]) -> Iterator[Rule]:
    """Rules for known values; the longest first, as one may hold another."""
    for secret in sorted(secrets, key=len, reverse=True):
        for form in _forms(secret):
            yield _exact_rule(form)


@lru_cache(maxsize=1024)
def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it may be written: plain, in a URL, in a repr, in JSON."""
    clean = secret.encode("utf-8", "replace").decode()
    forms = {secret, quote(clean, safe=""), quote_plus(clean), repr(secret)[1:-1]}
    return tuple(sorted({*forms, json.dumps(secret)[1:-1]}, key=len, reverse=True))


@lru_cache(maxsize=1024)
def _exact_rule(secret: str) -> Rule:
    start = secret[:MIN_SECRET_LENGTH]

    def redact(text: str) -> str:
        text = text.replace(secret, REDACTED)
        if CUT_MARK in text and start in text:
            # The cut may have left the first part of the secret.
            kept = text.rstrip(f"{CUT_MARK}'\"")
            at = kept.rfind(start)
            if at >= 0 and secret.startswith(kept[at:]):
                return kept[:at] + REDACTED + CUT_MARK
        return text

    return Rule(lambda together, lower: _all_positions(together, start), redact)


def _all_positions(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def _pattern_rule(pattern: re.Pattern[str]) -> Rule:
    # Tried on each text: an anchor in it means the ends of a text.
    return Rule(
        lambda together, lower: _all_positions(together + "\n", "\n"),
        lambda text: pattern.sub(REDACTED, text),
    )


def _shape_rule(hints: str, pattern: str, keep: str = "", **more: bool) -> Rule:
    """A rule for texts that hold one of the words of ``hints``, in lower case."""
    words, expression = hints.split("|"), re.compile(pattern)

    def positions(together: str, lower: str) -> Iterator[int]:
        return chain.from_iterable(_all_positions(lower, word) for word in words)

    return Rule(
        positions, lambda text: expression.sub(f"{keep}{REDACTED}", text), **more
    )


_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")


def _redact_card(match: re.Match[str]) -> str:
    digits = [int(one) for one in match[0] if one.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    is_card = (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and any(digits)
    return REDACTED if is_card else match[0]


_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


def _positions_of_unsendable(together: str, lower: str) -> Iterator[int]:
    if together.isascii() and "\0" not in together:
        return iter(())
    return (match.start() for match in _UNSENDABLE.finditer(together))


RULES: tuple[Rule, ...] = (
    # What UTF-8 or PostgreSQL cannot hold: lone surrogates and NUL.
    Rule(_positions_of_unsendable, lambda text: _UNSENDABLE.sub("\ufffd", text)),
    _shape_rule(
        "-----begin",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*-----|\Z)",
    ),
    _shape_rule("eyj", r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    _shape_rule(
        "bearer|basic|digest",
        r"(?i)\b((?:bearer|basic|digest)\s+)(?!realm)[\w.~+/=-]{8,}",
        r"\1",
    ),
    _shape_rule(
        "://", r"(?i)(\b[a-z][\w+.-]{0,30}://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)", r"\1"
    ),
    # Keys that services mark as theirs.
    _shape_rule(
        "sk_|rk_|ghp_|gho_|ghs_|github_pat_|glpat-|xox|akia|aiza|sk-|npm_",
        r"\b(?:[sr]k_(?:live|test)_|gh[pos]_|github_pat_|glpat-|xox[abeoprs]-|AKIA|AIza"
        r"|sk-|npm_)[\w-]{12,}",
    ),
    # password=… in a URL, a form, a message; "password": … in a repr.
    _shape_rule(
        "pass|secret|token|credential|authori|api|key|jwt|sid|session|pwd|auth",
        rf"(?i)((?:{_STRONG}|token|api[-_]?key|session_?id|\bjwt|\bsid|\bpwd|\bauth)"
        r"[\w-]{0,40}(?:=|%3D|['\"]\s*:\s*|['\"]\s*,\s*(?=['\"]))b?['\"]?)"
        r"(?!\[redacted\])[^\s'\"&;,)\]}>]+",
        r"\1",
        in_source=False,
    ),
    Rule(
        lambda together, lower: (match.start() for match in _CARD.finditer(together)),
        lambda text: _CARD.sub(_redact_card, text),
    ),
)
