"""What a search asks for, as frozen terms; and the text that asks for it again.

Owns what can be asked. How a text is read stands in ``language``. Knows no table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ...event import Level

#: What an issue can be; one that has regressed is also unresolved.
State = Literal["unresolved", "resolved", "muted", "regressed"]
#: The columns by which a person is known.
UserColumn = Literal["user_id", "email", "username", "ip_address"]

STATES: tuple[State, ...] = get_args(State)

_PLAIN_KEY = re.compile(r'[^\s":!][^\s":]*')
_PLAIN_VALUE = re.compile(r"(?!//)[\w.@/+-][\w.@:/+-]*")


@dataclass(frozen=True)
class Pattern:
    """The parts of a text to compare with; between two of them anything may stand."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Return what a text means in which ``*`` stands for anything."""
        return cls(tuple(text.split("*")))

    def matches(self, found: str) -> bool:
        """Tell whether a text is meant; case counts only where all is given."""
        if len(self.parts) == 1:
            return found == self.parts[0]
        # Not a regular expression: with many stars one takes for ever.
        found = found.lower()
        first, *middle, last = (part.lower() for part in self.parts)
        if not found.startswith(first):
            return False
        place = len(first)
        for part in middle:
            start = found.find(part, place)
            if start < 0:
                return False
            place = start + len(part)
        return place <= len(found) - len(last) and found.endswith(last)


@dataclass(frozen=True)
class Is:
    """The issue is in this state."""

    state: State


@dataclass(frozen=True)
class HasLevel:
    """The newest event has this level."""

    level: Level


@dataclass(frozen=True)
class HasTag:
    """There is such a tag, or there is a user, whatever the value."""

    key: str


@dataclass(frozen=True)
class Tag:
    """There is a tag with such a value."""

    key: str
    value: Pattern


@dataclass(frozen=True)
class User:
    """Such a person was hit; no column: known by any of them."""

    column: UserColumn | None
    value: Pattern


@dataclass(frozen=True)
class Seen:
    """The first or the last event came within these seconds."""

    which: Literal["first", "last"]
    seconds: float


@dataclass(frozen=True)
class BegunIn:
    """The first event was of such a release."""

    release: Pattern


@dataclass(frozen=True)
class Words:
    """This stands in type, message, culprit, file or user; in lower case."""

    text: Pattern


Meaning = Is | HasLevel | HasTag | Tag | User | Seen | BegunIn | Words


@dataclass(frozen=True)
class Term:
    """One condition. ``key`` is what stands before the colon, ``text`` all of it."""

    meaning: Meaning
    is_negated: bool
    key: str
    text: str


@dataclass(frozen=True)
class Query:
    """What was typed. All of its terms have to hold; none means everything."""

    terms: tuple[Term, ...] = ()

    @property
    def text(self) -> str:
        """The query as it can be typed again."""
        return " ".join(term.text for term in self.terms)

    def without(self, key: str) -> Query:
        """Return the query without what it asks of a key, negations apart."""
        return Query(tuple(term for term in self.terms if not _asks(term, key)))

    def only(self, key: str) -> Query:
        """Return what the query asks of a key, negations apart."""
        return Query(tuple(term for term in self.terms if _asks(term, key)))

    def only_value(self, key: str) -> str | None:
        """Return what a tag or the state has to be, if there is just one answer."""
        found = [term.meaning for term in self.terms if _asks(term, key)]
        if len(found) != 1:
            return None
        match found[0]:
            case Is(state):
                return state
            case Tag(_, Pattern((text,))):
                return text
        return None

    def with_value(self, key: str, value: str) -> str:
        """Return the text that asks for one value of a key, whatever it was before."""
        wanted = [term_text(key, value)] if value else []
        texts = []
        for term in self.terms:
            if not _asks(term, key):
                texts.append(term.text)
            elif wanted:
                texts.append(wanted.pop())
        return " ".join(texts + wanted)


def term_text(key: str, value: str) -> str:
    """Return the term that asks for just this value of a tag, or for a state."""
    if not _PLAIN_KEY.fullmatch(key):
        key = _quoted(key)
    return f"{key}:{value if _PLAIN_VALUE.fullmatch(value) else _quoted(value)}"


def _asks(term: Term, key: str) -> bool:
    return term.key == key and not term.is_negated


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
