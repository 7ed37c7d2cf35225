"""Signed, short-lived tokens: for the feedback dialog and the login link.

The key is the app's own secret key. An app without one gets a random key in a
file beside the tracker's data, so that all its processes share it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from ..errors import ErrTrackError, logger

#: Where an app without a secret key has one, in its instance folder.
KEY_NAME = "errtrack.key"
# A key file with less in it was not written by us, or not to its end.
MIN_KEY_LENGTH = 32


class BadToken(ErrTrackError):
    """A token that was not made here, or for something else, or has expired."""

    def __init__(self, message: str, is_expired: bool = False) -> None:
        super().__init__(message)
        self.is_expired = is_expired


def make_token(keys: Sequence[str | bytes], purpose: str, value: str) -> str:
    """Return ``value`` as a signed token that is good for ``purpose`` only."""
    return str(_serializer(keys, purpose).dumps(value))


def read_token(
    keys: Sequence[str | bytes], purpose: str, token: str, max_age_seconds: int
) -> str:
    """Return the value inside a token of :func:`make_token`.

    :raises BadToken: if it is forged, for another purpose, or too old.
    """
    try:
        value = _serializer(keys, purpose).loads(token, max_age=max_age_seconds)
    except SignatureExpired as error:
        raise BadToken("the token has expired", is_expired=True) from error
    except BadData as error:
        raise BadToken("the token is not valid") from error
    return str(value)


def key_from_file(path: Path) -> str:
    """Return the key in a file, made with a random key if there is none.

    Where the file cannot be written the key lives as long as the process.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text().strip()
        if len(key) < MIN_KEY_LENGTH:
            raise OSError(f"it holds {len(key)} characters; delete it")
        return key
    except OSError as error:
        logger.warning(
            "The signing key cannot be kept in %s (%s): login links and feedback "
            "forms work only within this process. Set SECRET_KEY, or make the "
            "folder writable.",
            path,
            error,
        )
        return secrets.token_hex(32)


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        temporary.touch(mode=0o600)
        temporary.write_text(secrets.token_hex(32))
        # A link, unlike a rename, never replaces a key that another process made.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _serializer(keys: Sequence[str | bytes], purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        [_bytes(key) for key in keys], salt=f"flask-errtrack.{purpose}"
    )


def _bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key
