"""The rules that find secrets inside a text, by their value and by their shape.

A rule sees single texts and knows nothing of events. What a rule does not find it
must not cost: first it looks for hints in all texts of an event at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import chain
from urllib.parse import quote, quote_plus

from ..reading.serialize import CUT_MARK
from .secret_names import MIN_SECRET_LENGTH, URL_PASSWORD

REDACTED = "[redacted]"

# Between the beginning of a secret and where it was cut.
_MAX_QUOTES = 2
_MAX_GUESS_RULES = 1000
_MAX_GUESS_HITS = 20_000


@dataclass(frozen=True)
class Rule:
    """Redacts one shape of secret in a text.

    :param positions: where in a text (given as it is, and in lower case) the shape
        may stand. Called once with all texts of an event together, so that what
        does not occur costs next to nothing.
    """

    positions: Callable[[str, str], Iterable[int]]
    redact: Callable[[str], str]


def rules_of_secrets(
    secrets: Iterable[str], guesses: Iterable[str] = ()
) -> Iterator[Rule]:
    """Return rules for known values; the longest first, as one may hold another.

    :param guesses: values from the event itself, which whoever sent it may have made
        so that the search never ends: it does.
    """
    surely = frozenset(secrets)
    rules, hits = iter(range(_MAX_GUESS_RULES)), iter(range(_MAX_GUESS_HITS))
    for secret in sorted({*surely, *guesses}, key=len, reverse=True):
        for form in _forms(secret):
            rule = _exact_rule(form)
            if secret in surely:
                yield rule
            elif next(rules, None) is not None:
                yield _limited(rule, hits)


def _limited(rule: Rule, hits: Iterator[int]) -> Rule:
    """A rule that finds only so much as others that share ``hits`` have left."""

    def positions(together: str, lower: str) -> Iterator[int]:
        for at in rule.positions(together, lower):
            if next(hits, None) is None:
                return
            yield at

    return Rule(positions, rule.redact)


@lru_cache(maxsize=1024)
def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it may be written: plain, in a URL, a repr, JSON or HTML."""
    clean = secret.encode("utf-8", "replace").decode()
    forms = {secret, quote(clean, safe=""), quote(clean, safe="!'()*"), quote(clean)}
    forms |= {quote_plus(clean), escape(secret), repr(clean.encode())[2:-1]}
    for text in (secret, json.dumps(secret)[1:-1]):
        in_repr = repr(text)[1:-1]
        forms |= {text, in_repr, json.dumps(text)[1:-1], in_repr.replace("'", "\\'")}
    return tuple(sorted(forms, key=len, reverse=True))


@lru_cache(maxsize=1024)
def _exact_rule(secret: str) -> Rule:
    start = secret[:MIN_SECRET_LENGTH]

    def redact(text: str) -> str:
        text = text.replace(secret, REDACTED)
        if CUT_MARK not in text:
            return text
        # A cut may have left the first part of the secret.
        parts, done = [], 0
        for at in _all_positions(text, start):
            end = text.find(CUT_MARK, at, at + len(secret) + _MAX_QUOTES + 1)
            kept = text[at:end].rstrip("'\"")
            if end >= 0 and secret.startswith(kept):
                parts += [text[done:at], REDACTED]
                done = at + len(kept)
        return "".join([*parts, text[done:]])

    return Rule(lambda together, lower: _all_positions(together, start), redact)


def _all_positions(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def pattern_rule(pattern: re.Pattern[str]) -> Rule:
    """Return the rule for an expression that the app's developer wrote."""
    # Tried on each text: an anchor in it means the ends of a text.
    return Rule(
        lambda together, lower: _all_positions(together + "\n", "\n"),
        lambda text: pattern.sub(lambda match: match[0] and REDACTED, text),
    )


def _shape_rule(hints: str, pattern: str, keep: str = "") -> Rule:
    """A rule for texts that hold one of the words of ``hints``, in lower case."""
    words, expression = hints.split("|"), re.compile(pattern)

    def positions(together: str, lower: str) -> Iterator[int]:
        return chain.from_iterable(_all_positions(lower, word) for word in words)

    return Rule(positions, lambda text: expression.sub(f"{keep}{REDACTED}", text))


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
_NAME_HINTS = (
    "pass|pwd|pw|secret|token|credential|auth|key|jwt|csrf|xsrf|cookie|otp|pin|cvv|cvc"
    "|ssn|sid|sess|sig|bearer|dsn|card|connection"
)
_AFTER_HINT = re.compile(r"[\w-]{0,40}+\\{0,7}['\"]?\]?\s{0,8}(?:=|%3d|:|,)")


def named_rule(
    is_secret_name: Callable[[str], bool], more_hints: Iterable[str], in_source: bool
) -> Rule:
    """Return the rule for a value that stands behind its name.

    :param more_hints: further words, in lower case, that are in secret names.
    :param in_source: the texts are code: there only a literal can be a secret.
    """
    words = {*_NAME_HINTS.split("|"), *more_hints}

    def positions(together: str, lower: str) -> Iterator[int]:
        for word in words:
            for at in _all_positions(lower, word):
                if _AFTER_HINT.match(lower, at + len(word)):
                    yield at

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


_CARD = re.compile(
    r"(?:(?<![^\W_])(?<!\d\.)|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"
    r"(?=3[0-9]|[4-6]|2[2-7])"
    r"(?:\d{14,16}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?"
    r"|\d{4}([ -])\d{6}\2\d{4,5})"
    r"(?![^\W_]|\.\d|[ -]\d)"
)
_DIGITS = re.compile(r"\d{4}[ -]?\d{4}")


def is_card_number(digits: str) -> bool:
    """Tell whether digits have the check digit of a payment card (Luhn)."""
    numbers = [int(digit) for digit in digits]
    doubled = [sum(divmod(number * 2, 10)) for number in numbers[-2::-2]]
    return (sum(numbers[-1::-2]) + sum(doubled)) % 10 == 0


def _redact_card(match: re.Match[str]) -> str:
    digits = match[0].replace(" ", "").replace("-", "")
    return REDACTED if is_card_number(digits) else match[0]


_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


def _positions_of_unsendable(together: str, lower: str) -> Iterator[int]:
    if together.isascii() and "\0" not in together:
        return iter(())
    return (match.start() for match in _UNSENDABLE.finditer(together))


# The first line of a key is found by its marker, the next ones by their look: in
# source context each line is a text of its own.
_KEY_LINE = re.compile(
    r"(?m)^(?P<before>[ \t]*+['\"]?)(?=[^\sA-Z]*[A-Z])(?=[^\sa-z]*[a-z])"
    r"[A-Za-z0-9+/]{60,76}={0,2}(?P<after>(?:\\n)?['\"]?,?[ \t]*)$"
)
# Where a word begins, also behind an escaped line break and in a quoted URL.
_BEGIN = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"

RULES: tuple[Rule, ...] = (
    # What UTF-8 or PostgreSQL cannot hold: lone surrogates and NUL.
    Rule(_positions_of_unsendable, lambda text: _UNSENDABLE.sub("\ufffd", text)),
    _shape_rule(
        "-----begin",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
        r"[\s\S]*?(?:-----END [A-Z ]*-----|\Z)",
    ),
    Rule(
        lambda together, lower: (one.start() for one in _KEY_LINE.finditer(together)),
        lambda text: _KEY_LINE.sub(rf"\g<before>{REDACTED}\g<after>", text),
    ),
    # JSON web tokens, also cut ones, and the session cookies of Flask.
    _shape_rule(
        "eyj|.ej",
        _BEGIN + r"(?:eyJ[\w-]{8,}|\.eJ[\w-]{8,})"
        rf"(?:(?:\.[\w-]{{4,}}){{1,4}}|\.[\w-]*(?={CUT_MARK}))",
    ),
    # Whole header lines.
    _shape_rule(
        "authorization",
        r"(?i)\b(authorization\s*:\s*(?:digest|token|bearer|basic|negotiate|ntlm|apikey"
        r"|aws4-hmac-sha256|hawk|sentry)\s+)(?!realm)"
        r"(?:(?<=digest )[^\r\n]+|[^\r\n'\"\\]+)",
        r"\1",
    ),
    _shape_rule(
        "cookie", r"(?i)\b(cookie\s*:\s*)(?=[^\s=;'\"]{1,80}=)[^\r\n'\"\\]+", r"\1"
    ),
    _shape_rule(
        "bearer|basic|digest",
        r"\b((?i:bearer|basic|digest)\s{1,8})(?!realm|\[redacted\])"
        r"(?=[\w.~+/=-]{20}|[\w.~+/-]{0,40}(?:\d|[a-z][A-Z]|=))[\w.~+/=-]{8,}",
        r"\1",
    ),
    Rule(
        lambda together, lower: _all_positions(together, "://"),
        lambda text: URL_PASSWORD.sub(rf"\g<before>{REDACTED}", text),
    ),
    # Keys that services mark as theirs.
    _shape_rule(
        "sk_|rk_|ghp_|gho_|ghs_|ghu_|ghr_|github_pat_|glpat-|xox|akia|asia|aiza|sk-|npm_"
        "|hf_|sg.|whsec_|ya29.|pypi-",
        _BEGIN + r"(?:[sr]k_(?:live|test)_[\w-]{12,}|gh[oprsu]_\w{16,}"
        r"|github_pat_\w{16,}|glpat-[\w-]{12,}|xox[abeoprs]-[\w-]{10,}"
        r"|A[KS]IA[A-Z0-9]{12,}|AIza[\w-]{20,}|sk-(?=[\w-]{0,40}\d)[\w-]{16,}"
        r"|(?:npm|hf)_[A-Za-z0-9]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|whsec_[\w+/=]{16,}"
        r"|ya29\.[\w-]{16,}|pypi-[\w-]{16,})",
    ),
    Rule(
        lambda together, lower: (one.start() for one in _DIGITS.finditer(together)),
        lambda text: _CARD.sub(_redact_card, text),
    ),
)
