"""What can be wrong with what a client sends, and how it is told so.

Owns the statuses. A problem is never one of the tracker's own.
"""

from __future__ import annotations

from ...errors import ErrTrackError


class Problem(ErrTrackError):
    """A request that is not taken as it is; the message tells its sender why."""

    status = 400
    #: Under which name it is counted.
    reason = "malformed"


class NoKey(Problem):
    """Nothing tells who sends."""

    status = 401
    reason = "key"


class WrongKey(Problem):
    """The key is not that of the project."""

    status = 403
    reason = "key"


class TooLarge(Problem):
    """More than one request may bring."""

    status = 413
    reason = "too_large"


class UnknownEncoding(Problem):
    """The body is compressed in a way that cannot be read here."""

    status = 415
    reason = "encoding"


class OverQuota(Problem):
    """Too much came lately.

    :param category: the protocol's name of what is not taken for now.
    """

    status = 429
    reason = "quota"

    def __init__(self, message: str, category: str) -> None:
        super().__init__(message)
        self.category = category
