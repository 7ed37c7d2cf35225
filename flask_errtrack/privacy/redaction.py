"""The rules that find secrets inside a text, by their value and by their shape.

A rule sees single texts and knows nothing of events. What a rule does not find it
must not cost: first it looks for hints in all texts of an event at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from html import escape
from itertools import accumulate, chain
from urllib.parse import quote, quote_plus

from ..reading.serialize import CUT_MARK
from .rule import REDACTED, Rule, all_positions
from .secret_names import MIN_SECRET_LENGTH, URL_PASSWORD

# Between the beginning of a secret and where it was cut.
_MAX_QUOTES = 2
_MAX_GUESS_RULES = 1000
_MAX_GUESS_HITS = 20_000


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
        for at in all_positions(text, start):
            end = text.find(CUT_MARK, at, at + len(secret) + _MAX_QUOTES + 1)
            kept = text[at:end].rstrip("'\"")
            if end >= 0 and secret.startswith(kept):
                parts += [text[done:at], REDACTED]
                done = at + len(kept)
        return "".join([*parts, text[done:]])

    return Rule(lambda together, lower: all_positions(together, start), redact)


def pattern_rule(pattern: re.Pattern[str]) -> Rule:
    """Return the rule for an expression that the app's developer wrote."""
    # Tried on each text: an anchor in it means the ends of a text.
    return Rule(
        lambda together, lower: all_positions(together + "\n", "\n"),
        lambda text: pattern.sub(lambda match: match[0] and REDACTED, text),
    )


def _shape_rule(hints: str, pattern: str, keep: str = "") -> Rule:
    """A rule for texts that hold one of the words of ``hints``, in lower case."""
    words, expression = hints.split("|"), re.compile(pattern)

    def positions(together: str, lower: str) -> Iterator[int]:
        return chain.from_iterable(all_positions(lower, word) for word in words)

    return Rule(positions, lambda text: expression.sub(f"{keep}{REDACTED}", text))


_CARD = re.compile(
    r"(?:(?<![^\W_])(?<!\d\.)|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"
    r"(?=3[0-9]|[4-6]|2[2-7])"
    r"(?:\d{14,16}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?"
    r"|\d{4}([ -])\d{6}\2\d{4,5})"
    r"(?![^\W_]|\.\d|[ -]\d)"
)
# Each digit as 0, and what any card then consists of.
_AS_ZEROS = str.maketrans("123456789", "0" * 9)
_ZEROS = ("0" * 14, "0000 0000", "0000-0000")
# Digits of other scripts, too.
_DIGITS = re.compile(r"\d{4}[ -]?\d{4}")


def _positions_of_cards(together: str, lower: str) -> Iterator[int]:
    if not together.isascii():
        return (match.start() for match in _DIGITS.finditer(together))
    digits = together.translate(_AS_ZEROS)
    return chain.from_iterable(all_positions(digits, zeros) for zeros in _ZEROS)


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
    if "\0" not in together:
        with suppress(UnicodeEncodeError):
            together.encode()
            return iter(())
    return (match.start() for match in _UNSENDABLE.finditer(together))


# The first line of a key is found by its marker, the next ones by their look: in
# source context each line is a text of its own.
_KEY_LINE = re.compile(
    r"(?m)^(?P<before>[ \t]*+['\"]?)(?=[^\sA-Z]*[A-Z])(?=[^\sa-z]*[a-z])"
    r"[A-Za-z0-9+/]{60,76}={0,2}(?P<after>(?:\\n)?['\"]?,?[ \t]*)$"
)
_MIN_KEY_LINE_LENGTH = 60


def _positions_of_key_lines(together: str, lower: str) -> Iterator[int]:
    at = 0
    for line in together.split("\n"):
        if len(line) >= _MIN_KEY_LINE_LENGTH and " " not in line.strip():
            yield at
        at += len(line) + 1


# Where a word begins, also behind an escaped line break and in a quoted URL.
_BEGIN = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
# Keys that services mark as theirs, as in ghp_… and sk-…
_SERVICE_KEY = re.compile(
    _BEGIN + r"(?:[sr]k_(?:live|test)_[\w-]{12,}|gh[oprsu]_\w{16,}"
    r"|github_pat_\w{16,}|glpat-[\w-]{12,}|xox[abeoprs]-[\w-]{10,}"
    r"|A[KS]IA[A-Z0-9]{12,}|AIza[\w-]{20,}|sk-(?=[\w-]{0,40}\d)[\w-]{16,}"
    r"|(?:npm|hf)_[A-Za-z0-9]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|whsec_[\w+/=]{16,}"
    r"|ya29\.[\w-]{16,}|pypi-[\w-]{16,})"
)
# The last letters of the marks before their first separator, and those without one.
_MARK_ENDS = frozenset(
    "sk rk hp ho hs hu hr ub at xa xb xe xo xp xr xs pm hf SG ec 29 pi".split()
)
_MARKS = ("AKIA", "ASIA", "AIza")


def _positions_of_service_keys(together: str, lower: str) -> Iterator[int]:
    for mark in _MARKS:
        yield from all_positions(together, mark)
    # One search for a common letter takes less time than one for each mark.
    parts = together.replace("-", "_").replace(".", "_").split("_")
    ends = [part[-2:] for part in parts]
    if not _MARK_ENDS.isdisjoint(ends):
        lengths = accumulate(len(part) + 1 for part in parts)
        yield from (
            at - 1 for at, end in zip(lengths, ends, strict=True) if end in _MARK_ENDS
        )


RULES: tuple[Rule, ...] = (
    # What UTF-8 or PostgreSQL cannot hold: lone surrogates and NUL.
    Rule(_positions_of_unsendable, lambda text: _UNSENDABLE.sub("\ufffd", text)),
    _shape_rule(
        "-----begin",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
        r"[\s\S]*?(?:-----END [A-Z ]*-----|\Z)",
    ),
    Rule(
        _positions_of_key_lines,
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
        lambda together, lower: all_positions(together, "://"),
        lambda text: URL_PASSWORD.sub(rf"\g<before>{REDACTED}", text),
    ),
    Rule(
        _positions_of_service_keys,
        lambda text: _SERVICE_KEY.sub(REDACTED, text),
    ),
    Rule(
        _positions_of_cards,
        lambda text: _CARD.sub(_redact_card, text),
    ),
)
