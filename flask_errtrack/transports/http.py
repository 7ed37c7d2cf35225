"""Envelopes over HTTP to a Sentry-protocol server.

requests does the HTTP: proxies, certificates, keep-alive and TLS verification as
people expect them.
"""

from __future__ import annotations

import gzip
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

from ..dsn import Dsn
from ..envelope import Envelope
from ..errors import Refused, TransportError
from ..exceptions import timestamp_now

#: How long to leave a server alone that said 429 and no time.
DEFAULT_RETRY_AFTER_SECONDS = 60.0
# A waiting time beyond this is a mistake of the server.
_MAX_RETRY_AFTER_SECONDS = 24 * 3600.0

# So much of an answer is read to keep the connection for the next envelope; with a
# longer or slower answer a new connection costs less.
_MAX_ANSWER_BYTES = 4096
_MAX_ANSWER_SECONDS = 1.0

_MENDS = {
    400: "it cannot read the envelope; is it a Sentry-protocol server?",
    401: "the key of the DSN is not known there; copy the DSN anew",
    403: "the key of the DSN may not send there; check the project's settings",
    404: "there is no such project; check the path and project id of the DSN",
    413: "the envelope is too large for it; raise the server's limit",
}


class HttpTransport:
    """Posts envelopes to the server of a DSN, one at a time.

    Obeys the server's rate limits: until its time is up, nothing is sent.

    :param client: name and version of the sender, "name/1.0".
    :param clock: returns seconds that only grow.
    """

    def __init__(
        self,
        dsn: Dsn,
        client: str,
        timeout_seconds: float = 5,
        proxies: Mapping[str, str] | None = None,
        ca_certs: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dsn = dsn
        self._clock = clock
        self._quiet_until = clock()
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        # Given with each request: else the environment's would win over the options.
        self._proxies = dict(proxies or {})
        self._verify: bool | str = True if ca_certs is None else ca_certs
        self._headers = {
            "User-Agent": client,
            "Content-Type": "application/x-sentry-envelope",
            "Content-Encoding": "gzip",
            "X-Sentry-Auth": dsn.auth_header(client),
        }

    def __repr__(self) -> str:
        return f"<HttpTransport to {self.dsn}>"

    def send(self, envelope: Envelope) -> None:
        """Deliver one envelope; 200 means that the server has it."""
        left_seconds = self._quiet_until - self._clock()
        if left_seconds > 0:
            raise TransportError(f"{self.dsn} asked for a pause", left_seconds)
        body = gzip.compress(envelope.encode(sent_at=timestamp_now()), compresslevel=5)
        try:
            response = self._session.post(
                self.dsn.envelope_url,
                data=body,
                headers=self._headers,
                timeout=self._timeout_seconds,
                proxies=self._proxies,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, OSError) as error:
            # The error's text may hold a URL with a key in it.
            raise TransportError(
                f"{self.dsn} could not be reached: {type(error).__name__}"
            ) from error
        with response:
            self._read_short(response)
        self._judge(response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _read_short(self, response: requests.Response) -> None:
        """Read a short body to its end; what it says does not matter."""
        until = self._clock() + _MAX_ANSWER_SECONDS
        # The server has the envelope or refused it, whatever becomes of the body.
        with suppress(requests.RequestException, OSError):
            # Byte by byte: to ask for more would wait for more.
            for count, _ in enumerate(response.iter_content(1), start=1):
                if count >= _MAX_ANSWER_BYTES or self._clock() > until:
                    return

    def _judge(self, response: requests.Response) -> None:
        status = response.status_code
        seconds = rate_limit_seconds(response.headers.get("X-Sentry-Rate-Limits"))
        if status == 429 and not seconds:
            seconds = retry_after_seconds(
                response.headers.get("Retry-After"), datetime.now(UTC)
            )
        self._quiet_until = self._clock() + seconds
        if 200 <= status < 300:
            return
        if status == 429:
            raise TransportError(f"{self.dsn} asked for a pause (429)", seconds)
        if status >= 500:
            raise TransportError(f"{self.dsn} answered {status}")
        mend = _MENDS.get(status, "it does not take envelopes")
        raise Refused(f"{self.dsn} answered {status}: {mend}")


def rate_limit_seconds(value: str | None) -> float:
    """Return how long an ``X-Sentry-Rate-Limits`` header forbids errors, else 0.

    Its limits are ``seconds:categories:…``, with commas between them, and semicolons
    between categories; none means all.
    """
    longest = 0.0
    for limit in (value or "").split(","):
        seconds, categories = [*limit.split(":"), ""][:2]
        names = {name.strip() for name in categories.split(";")}
        if names & {"", "error"}:
            longest = max(longest, _positive(seconds))
    return min(longest, _MAX_RETRY_AFTER_SECONDS)


def _positive(text: str) -> float:
    """The number that a text is; 0 if it is none, or none to wait for."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def retry_after_seconds(value: str | None, now: datetime) -> float:
    """Return how long a ``Retry-After`` header asks to wait: seconds or a date."""
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value or "") - now).total_seconds()
        except (ValueError, TypeError):
            return DEFAULT_RETRY_AFTER_SECONDS
    if not 0 <= seconds <= _MAX_RETRY_AFTER_SECONDS:
        return DEFAULT_RETRY_AFTER_SECONDS
    return seconds
