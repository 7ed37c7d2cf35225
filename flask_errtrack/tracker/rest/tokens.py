"""What a script shows to be let in: a signed text that says what it may.

Nothing is kept anywhere: a token is taken back by changing the key that signs it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ...web.signing import BadToken, make_token, read_token

MAX_DAYS = 3650
MAX_NAME_LENGTH = 100
_DAY_SECONDS = 86400
_PURPOSE = "api"


@dataclass(frozen=True)
class Token:
    """Who comes, what they may, and until when, in seconds since 1970.

    :param name: stands in the history of what it changes.
    """

    name: str
    may_change: bool
    expires_at: float

    def signed(self, keys: Sequence[str | bytes]) -> str:
        """Return it as the text that a script sends."""
        value = [self.name, self.may_change, int(self.expires_at)]
        return make_token(keys, _PURPOSE, json.dumps(value))


def token_of(keys: Sequence[str | bytes], text: str, now: float) -> Token:
    """Return the token that a script has sent.

    :raises BadToken: if it is forged, for something else, or too old.
    """
    value = read_token(keys, _PURPOSE, text, MAX_DAYS * _DAY_SECONDS)
    name, may_change, expires_at = json.loads(value)
    if now >= expires_at:
        raise BadToken("the token has expired", is_expired=True)
    return Token(name, may_change, expires_at)
