"""Which names tell of a secret, and which of an app's settings are secrets.

Pure functions over names and values. Knows nothing of events or texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

#: Shorter values are not looked for: they would eat half of the event.
MIN_SECRET_LENGTH = 8

# Anywhere in a name; these mean nothing else ("secretary" is somebody).
_STRONG = (
    "password|passwd|passphrase|passcode|secret(?!ar)|credential|authorization"
    "|api_?key|(?:access|account|private|signing|encryption|master|shared)_?key"
    "|connection_?string|card_?number|credit_?card"
)
# As a word of a name: "tokenizer", "max_tokens", "author" and "compass" are none.
_WORDS = (
    "[a-z]*token|(?:access|refresh|auth|api|bearer|id)_?tokens|tokens?_?hash"
    "|pwd|pw|pass|(?:db|my|user|smtp|mail)pass|auth|jwt|csrf|xsrf|cookies?"
    "|t?otp|pin|cvv2?|cvc|ssn|[a-z]*sess(?:ion)?_?id|sid|sig|signature|bearer|dsn"
)
_SECRET_NAME = re.compile(f"{_STRONG}|(?:^|_)(?:{_WORDS})(?:_|$)")

# An app's setting is a secret by these names, and also as ANYTHING_KEY …
_SECRET_SETTING = re.compile(
    f"{_STRONG}|(?:^|_)(?:[a-z]*token|pwd|pw|pass|key|dsn|salt)$"
)
# … unless it tells something about a secret, such as how its header is named.
_ABOUT_SECRETS = re.compile(
    "(?:^|_)(?:msg|message|subject|template|label|path|endpoint|headers?|names?"
    "|location|within|schemes?|type|algorithm|prefix|field|view|expires)(?:_|$)"
)

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")

#: The password inside a URL. It may hold an ``@`` or, as databases are lenient, a
#: slash; a port with a path, or a placeholder as in ``{password}@``, is no password.
#: Without steps back over what stands before an ``@``: the text may be made for them.
URL_PASSWORD = re.compile(
    r"(?i)(?P<before>(?<=[a-z0-9])://[^\s/:@'\"]{0,80}:)"
    r"(?!\d{1,5}(?:[/?#]|$)|\{|\$\{|%\()(?=[^@]|@[^\s'\"<>@]{0,300}+@)"
    r"(?P<password>(?:[^\s'\"<>@]{0,300}+@){0,5}[^\s'\"<>@]{0,300}+)(?=@[^\s@'\"<>])"
)
# Settings may hold themselves.
_MAX_SETTINGS_DEPTH = 6


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Return a name as lower-case words: ``apiKey`` and ``API-Key`` are ``api_key``."""
    words = _SEPARATORS.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
    # Of a name in another script nothing is left in plain letters.
    return words or name.lower()


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether a name is that of a secret: ``db_password``, ``apiKey`` …"""
    return _SECRET_NAME.search(plain_name(name)) is not None


def is_worth_it(secret: str) -> bool:
    """Tell whether a value is long enough to be looked for."""
    return len(secret) >= MIN_SECRET_LENGTH and not secret.isspace()


def secrets_of_settings(settings: Mapping[str, Any]) -> set[str]:
    """Return the secret values among an app's settings, also those inside URLs."""
    return {
        secret
        for name, text in _texts_of(settings.items())
        for secret in _secrets_in(name, text)
        if is_worth_it(secret)
    }


def _texts_of(
    settings: Iterable[tuple[Any, Any]], depth: int = 0
) -> Iterator[tuple[Any, str]]:
    """The texts in settings, each with the name that it stands under."""
    for name, value in settings:
        kind = type(value)
        if kind is str:
            yield name, value
        elif kind is bytes:
            yield name, value.decode("utf-8", "replace")
        elif kind in (dict, list, tuple) and depth < _MAX_SETTINGS_DEPTH:
            inside = value.items() if kind is dict else ((name, one) for one in value)
            yield from _texts_of(inside, depth + 1)


def _secrets_in(name: Any, text: str) -> Iterator[str]:
    for url in URL_PASSWORD.finditer(text):
        yield url["password"]
        yield unquote(url["password"])
    if _is_secret_setting(str(name)) and "://" not in text:
        yield text


@lru_cache(maxsize=1024)
def _is_secret_setting(name: str) -> bool:
    plain = plain_name(name)
    return bool(_SECRET_SETTING.search(plain)) and not _ABOUT_SECRETS.search(plain)
