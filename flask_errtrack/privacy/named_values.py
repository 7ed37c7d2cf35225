"""The rule that finds a secret in a text by the name that stands before it.

Knows the ways in which names and values are written beside each other, in prose, code,
URLs and what Python or JSON shows. Which names are secret, it is told.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import accumulate

from .rule import REDACTED, Rule, all_positions

# A name and what stands between it and its value: password=…, 'password': …,
# ('password', …), form["password"] = …, password%3D…
_NAME = re.compile(
    r"(?:(?<![\w%\\-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))(?P<name>[\w-]{2,80}+)"
    r"(?P<quote>\\{0,7}['\"])?\]?(?P<between>\s{0,8}(?:=(?![=~])|%3[Dd]|:|,)\s{0,8})"
)
_OPENING = re.compile(r"[(\[]\s{0,8}[bB]?\\{0,7}['\"]\Z")
_CLOSING = re.compile(r"\\{0,7}['\"]?\s{0,8},?\s{0,8}[)\]]")
_OPEN = re.compile(r"[bBfFrRuU]{0,2}(?P<slashes>\\{0,7})(?P<quote>['\"])")
_NOTHING = re.compile(
    r"(?:None|null|nil|undefined|[Tt]rue|[Ff]alse|\*+|\[redacted\]|''|\"\")(?!\w)"
)
_BRACKETS = re.compile(r"[\[({<][^\])}>]*+[\])}>]?")
_BARE = re.compile(
    r"(?:[^\s'\"&;,)\]}>\\%]|\\(?![nrt'\"])|%(?!26|22|27)|,(?=[^\s'\"]))+"
)
_PROSE = re.compile(r"(?!%\(|:\w|\$\{|<)(?=\S{0,60}[\d@#$%^*+=/])[^\s'\"&;,)\]}>]{4,}")
_LITERAL = re.compile(r"(?=[^\s{}]*\d)[^\s{}]{8,}")
_QUERY_LITERAL = re.compile(r"(?=[^\s{}'\"&#]*\d)[^\s{}'\"&#]{8,}")
# A part of each secret name, in lower case: "srf" is in csrf and xsrf.
_NAME_HINTS = (
    "pass|pwd|pw|secret|token|credential|auth|key|jwt|srf|cookie|otp|pin|cvv|cvc"
    "|ssn|sid|sess|sig|bearer|dsn|card|connection"
)
_AFTER_HINT = re.compile(r"[\w-]{0,80}+\\{0,7}['\"]?\]?\s{0,8}=")
# How much of a text before a separator its name may begin in, behind a hint.
_AFTER_HINT_LENGTH = 100


def named_rule(
    is_secret_name: Callable[[str], bool], more_hints: Iterable[str], in_source: bool
) -> Rule:
    """Return the rule for a value that stands behind its name.

    :param more_hints: further words, in lower case, that are in secret names.
    :param in_source: the texts are code: there only a literal can be a secret.
    """
    words = {*_NAME_HINTS.split("|"), *more_hints}
    reach = _AFTER_HINT_LENGTH + max(map(len, words))

    def positions(together: str, lower: str) -> Iterator[int]:
        # Of a text without separators, such as prose, little is left to be searched.
        parts = _with_one_separator(lower).split("=")
        before = [part[-reach:] for part in parts]
        short = "=".join(before)
        ends = list(accumulate(len(part) + 1 for part in parts))
        short_ends = list(accumulate(len(part) + 1 for part in before))
        for word in words:
            for at in all_positions(short, word):
                if _AFTER_HINT.match(short, at + len(word)):
                    yield ends[bisect_right(short_ends, at)] - 1

    def redact(text: str) -> str:
        parts, done = [], 0
        for match in _NAME.finditer(text):
            if match.start() < done or not is_secret_name(match["name"]):
                continue
            value = _value_after(match, text, in_source)
            if value is not None and value[0]:
                parts += [text[done : value.start()], REDACTED]
                done = value.end()
        return "".join((*parts, text[done:]))

    return Rule(positions, redact)


def _with_one_separator(lower: str) -> str:
    """A text, as long as it was, in which ``=`` stands for all that separates."""
    return lower.replace("%3d", "===").replace(":", "=").replace(",", "=")


def _value_after(
    name: re.Match[str], text: str, in_source: bool
) -> re.Match[str] | None:
    """The value behind a name, if one stands there that may be a secret."""
    body = _body_of_quoted(text, name.end())
    if "," in name["between"] and not _is_pair(name, text, body):
        return None
    is_loose = not name["quote"] and name["between"] not in ("=", "%3D", "%3d")
    if body is not None:
        return body if _is_quoted_secret(body[0], is_loose, in_source) else None
    if in_source:
        before = text[name.start() - 1 : name.start()]
        is_in_query = before in ("?", "&") and name["between"] == "="
        return _QUERY_LITERAL.match(text, name.end()) if is_in_query else None
    return _bare_value(text, name.end(), is_loose)


def _is_quoted_secret(body: str, is_loose: bool, in_source: bool) -> bool:
    if _NOTHING.fullmatch(body):
        return False
    if in_source:
        return _LITERAL.fullmatch(body) is not None
    return not is_loose or len(body) > 3


def _bare_value(text: str, at: int, is_loose: bool) -> re.Match[str] | None:
    if _NOTHING.match(text, at):
        return None
    if is_loose:
        return _PROSE.match(text, at)
    return _BRACKETS.match(text, at) or _BARE.match(text, at)


def _body_of_quoted(text: str, at: int) -> re.Match[str] | None:
    """What stands between the quotes that open at a position, if any do."""
    opened = _OPEN.match(text, at)
    if opened is None:
        return None
    return _body_pattern(opened["slashes"], opened["quote"]).match(text, opened.end())


@lru_cache(maxsize=32)
def _body_pattern(slashes: str, quote: str) -> re.Pattern[str]:
    # A quote that is escaped once more belongs to the body; without an end the text
    # was cut, or it was no quote: then the line is the body.
    if slashes:
        inside = rf".*?(?=(?<!\\){re.escape(slashes + quote)})"
    else:
        inside = rf"(?:[^{quote}\\]|\\.)*+(?={quote})"
    return re.compile(rf"(?s){inside}|[^\n]*")


def _is_pair(name: re.Match[str], text: str, body: re.Match[str] | None) -> bool:
    """``('password', 'x')`` is a pair; of three names in a row none is a value."""
    opening = text[max(name.start() - 20, 0) : name.start()]
    value = body or _BARE.match(text, name.end())
    return (
        bool(name["quote"] and _OPENING.search(opening))
        and value is not None
        and _CLOSING.match(text, value.end()) is not None
    )
