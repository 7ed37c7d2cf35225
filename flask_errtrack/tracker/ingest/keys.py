"""Whose request it is: the key of a project, wherever a client puts it.

Knows nothing of how projects are kept.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import BadDsn
from ...settings.dsn import Dsn
from ..projects import Project
from .problems import NoKey, WrongKey

#: Where clients put their key; a header begins with the word Sentry.
AUTH_HEADERS = ("X-Sentry-Auth", "Authorization")

_PAIR = re.compile(r"\bsentry_key\s*=\s*([^\s,]+)", re.IGNORECASE)


def key_of_request(headers: Iterable[str], argument: str | None) -> str | None:
    """Return the key that a request names, if it does.

    :param headers: the values of :data:`AUTH_HEADERS`.
    :param argument: ``sentry_key`` of the query string.
    """
    for value in headers:
        if value.lstrip().lower().startswith("sentry") and (
            pair := _PAIR.search(value)
        ):
            return pair[1]
    return argument or None


def key_of_envelope(headers: Mapping[str, Any]) -> str:
    """Return the key of the DSN that an envelope names.

    :raises NoKey: it names none.
    """
    dsn = headers.get("dsn")
    if not isinstance(dsn, str):
        raise NoKey(
            "no key came along; expected the header X-Sentry-Auth: Sentry "
            "sentry_version=7, sentry_key=<public key>, or ?sentry_key=, or the dsn "
            "in the envelope's header"
        )
    try:
        return Dsn.parse(dsn).public_key
    except BadDsn as error:
        raise NoKey(f"in the envelope's header {error}") from None


def check_key(key: str, project: Project | None) -> Project:
    """Return the project, if the key is its own.

    :raises WrongKey: there is no such project, or it has another key.
    """
    expected = "" if project is None else project.public_key
    is_right = hmac.compare_digest(_bytes(key), _bytes(expected))
    if project is None or not is_right:
        raise WrongKey(
            "there is no project with this number and this key; expected the DSN "
            "that the tracker shows on its page Projects"
        )
    return project


def _bytes(key: str) -> bytes:
    return key.encode(errors="replace")
