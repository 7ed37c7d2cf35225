"""How a search is read: what people type in, terms out. A pure function.

Follows Sentry's conventions: ``is:unresolved environment:production !user:ada "a
phrase"``. Says in a sentence what cannot be meant. Knows no table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ...errors import SearchError
from ...event import LEVELS, Level
from .terms import (
    STATES,
    BegunIn,
    HasLevel,
    HasTag,
    Is,
    Meaning,
    Pattern,
    Query,
    Seen,
    State,
    Tag,
    Term,
    User,
    UserColumn,
    Words,
)

MAX_LENGTH = 500
MAX_TERMS = 20


def parse(text: str) -> Query:
    """Return what a text asks for.

    :raises SearchError: if a part of it cannot be meant; says which, and what can.
    """
    # PostgreSQL refuses the one character, no database stores the others.
    text = text.replace("\0", " ").encode(errors="replace").decode()
    if len(text) > MAX_LENGTH:
        raise SearchError(
            f"This search has {len(text)} characters; at most {MAX_LENGTH} are read."
        )
    tokens = list(_tokens(text))
    if len(tokens) > MAX_TERMS:
        raise SearchError(
            f"This search has {len(tokens)} terms; at most {MAX_TERMS} are read."
        )
    return Query(tuple(_term(token) for token in tokens))


def tag_key(key: str) -> str:
    """Return how a tag is called here, where some names mean something else."""
    return f"tags[{key}]" if key in _FIELDS or _EXPLICIT.fullmatch(key) else key


@dataclass(frozen=True)
class _Token:
    """One term, taken apart: nothing is known yet of what it means."""

    text: str
    is_negated: bool
    key: str
    value: str
    is_quoted: bool


_STRING = r'(?:\\.|[^"\\])'
_TOKEN = re.compile(
    rf"""
      (?P<negation> !? )
      (?: (?: "(?P<quoted_key> {_STRING}+ )" | (?P<key> [^\s":!] [^\s":]* ) )
          : (?!//)                                      # an address is no key
      )?
      (?: "(?P<quoted> {_STRING}* )" | (?P<bare> [^\s"!] \S* ) )?
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r'\\(["\\])')
_EXPLICIT = re.compile(r"tags\[(.+)\]", re.DOTALL)
_AGE = re.compile(r"([+-]?)([0-9]{1,6})([mhdw])")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_STATE_NAMES: Mapping[str, State] = {
    **{state: state for state in STATES},
    # What Sentry calls it, now and before.
    "archived": "muted",
    "ignored": "muted",
}
_LEVEL_NAMES: Mapping[str, Level] = {
    **{level: level for level in LEVELS},
    "warn": "warning",
    "critical": "fatal",
}


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        found = _TOKEN.match(text, place)
        if found is None or found[0] in ("", "!"):
            raise SearchError(_unfinished(text[place:]))
        place = found.end()
        key, quoted = found["quoted_key"] or found["key"] or "", found["quoted"]
        yield _Token(
            found[0],
            bool(found["negation"]),
            _ESCAPED.sub(r"\1", key) if found["quoted_key"] else key,
            (found["bare"] or "") if quoted is None else _ESCAPED.sub(r"\1", quoted),
            quoted is not None,
        )


def _unfinished(rest: str) -> str:
    if rest.startswith(('"', '!"')):
        return f"The quote that opens at {rest[:30]} is never closed."
    return "A ! stands alone; put it before what must not hold."


def _term(token: _Token) -> Term:
    if not token.key:
        return _term_of(token, _words(token.value, token))
    read = _FIELDS.get(token.key)
    if not token.value and read is None and not token.is_quoted:
        # As in the title of an issue: "KeyError: 'price'".
        return _term_of(token, _words(f"{token.key}:", token))
    if not token.value:
        hint = f"write {token.key}:value"
        if read is None or token.key == "user":
            hint += f", or !has:{token.key} for issues that have none"
        raise SearchError(f"Nothing stands after {token.key}: — {hint}.")
    if token.value.startswith("[") and not token.is_quoted:
        raise SearchError(
            f"{token.key}:{token.value} looks like a list; a search is for one value. "
            "In quotes it is a text."
        )
    if read is not None:
        return _term_of(token, read(token.value, token))
    explicit = _EXPLICIT.fullmatch(token.key)
    key = explicit[1] if explicit else token.key
    return _term_of(token, Tag(key, _pattern(token.value, token)))


def _term_of(token: _Token, meaning: Meaning) -> Term:
    return Term(meaning, token.is_negated, token.key, token.text)


def _pattern(value: str, token: _Token) -> Pattern:
    return Pattern((value,)) if token.is_quoted else Pattern.of(value)


def _words(value: str, token: _Token) -> Words:
    if not token.is_quoted and value in ("AND", "OR"):
        raise SearchError(
            f"{value} is not known: all terms of a search have to hold. "
            f'As a text, write it in quotes: "{value}".'
        )
    pattern = _pattern(value.lower(), token)
    if not "".join(pattern.parts).strip():
        raise SearchError(f"There is nothing to look for in {token.text}")
    return Words(Pattern(("", *pattern.parts, "")))


def _is(value: str, token: _Token) -> Is:
    state = _STATE_NAMES.get(value.lower())
    if state is None:
        raise SearchError(
            f"is:{value} is not known; known are {_options('is', STATES)}."
        )
    return Is(state)


def _level(value: str, token: _Token) -> HasLevel:
    level = _LEVEL_NAMES.get(value.lower())
    if level is None:
        known = _options("level", LEVELS)
        raise SearchError(f"level:{value} is not known; known are {known}.")
    return HasLevel(level)


def _options(key: str, values: tuple[str, ...]) -> str:
    *first, last = (f"{key}:{value}" for value in values)
    return f"{', '.join(first)} and {last}"


def _has(value: str, token: _Token) -> HasTag:
    explicit = _EXPLICIT.fullmatch(value)
    return HasTag(explicit[1] if explicit else value)


def _user(column: UserColumn | None) -> Callable[[str, _Token], User]:
    return lambda value, token: User(column, _pattern(value, token))


def _seen(which: Literal["first", "last"]) -> Callable[[str, _Token], Seen]:
    def read(value: str, token: _Token) -> Seen:
        found = _AGE.fullmatch(value)
        if found is None or found[1] == "+":
            raise SearchError(
                f"{token.key}:{value} is no age; write {token.key}:24h, with m, h, d "
                f"or w for minutes, hours, days or weeks, and !{token.key}:24h for "
                "longer ago."
            )
        return Seen(which, int(found[2]) * _UNIT_SECONDS[found[3]])

    return read


_FIELDS: Mapping[str, Callable[[str, _Token], Meaning]] = {
    "is": _is,
    "level": _level,
    "has": _has,
    "user": _user(None),
    "user.id": _user("user_id"),
    "user.email": _user("email"),
    "user.username": _user("username"),
    "user.ip": _user("ip_address"),
    "first": _seen("first"),
    "firstSeen": _seen("first"),
    "age": _seen("first"),
    "last": _seen("last"),
    "lastSeen": _seen("last"),
    "firstRelease": lambda value, token: BegunIn(_pattern(value, token)),
    "message": _words,
    "title": _words,
}
