"""Envelopes over HTTP to a Sentry-protocol server.

requests does the HTTP: proxies, certificates, keep-alive and TLS verification as
people expect them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError

from ..errors import Refused, TransportError
from ..event import timestamp_now
from ..protocol.envelope import Envelope
from ..settings.dsn import Dsn
from .compression import BROTLI, GZIP, best_encoding, compressed
from .deadline import DeadlineAdapter
from .limits import RateLimits
from .reach import printable, trouble_of

# So much of an answer is read to keep the connection for the next envelope; with a
# longer or slower answer a new connection costs less.
_MAX_ANSWER_BYTES = 4096
_MAX_ANSWER_SECONDS = 1.0

_MENDS = {
    400: "it cannot read the envelope; is it a Sentry-protocol server?",
    401: "the key of the DSN is not known there; copy the DSN anew",
    403: "the key of the DSN may not send there; check the project's settings",
    404: "it knows no such project, or is too old for envelopes; check the path and "
    "project id of the DSN",
    413: "the envelope is too large for it; raise the server's limit",
}
# What a server says of a body in an encoding that it does not know.
_UNREADABLE = frozenset((400, 415))
# What else a server below 500 may mean. It is not for good: nothing is lost by a
# redirect or a proxy that somebody has just set up wrongly.
_MEANWHILE_MENDS = {
    405: ": it does not take envelopes; check the host and path of the DSN",
    407: ": the proxy wants a user and password; see the option proxies",
}
# The errors of requests are OSErrors; it lets some of what is below it through. A
# RuntimeError: gevent looks names up in a thread, and a program that ends has none.
_FAILURES = (
    OSError,
    HTTPError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


class HttpTransport:
    """Posts envelopes to the server of a DSN. Several threads may do so at once.

    Obeys the server's rate limits: until its time is up, nothing is sent.

    :param client: name and version of the sender, "name/1.0".
    :param timeout_seconds: how long a connection, and then an answer, may take.
    :param clock: returns seconds that only grow.
    """

    #: So many connections are kept for those that come next.
    at_once = 8

    def __init__(
        self,
        dsn: Dsn,
        client: str,
        timeout_seconds: float = 5,
        proxies: Mapping[str, str] | None = None,
        ca_certs: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        encoding: str | None = None,
    ) -> None:
        self.dsn = dsn
        self.timeout_seconds = timeout_seconds
        self._clock = clock
        self._limits = RateLimits(clock)
        self._encoding = encoding or best_encoding()
        self._session = _session()
        # Asked for once: to merge options and environment takes longer than to send.
        self._way: dict[str, Any] = {
            **self._session.merge_environment_settings(
                dsn.envelope_url, dict(proxies or {}), True, ca_certs or True, None
            )
        }
        self._headers = {
            "User-Agent": client,
            "Content-Type": "application/x-sentry-envelope",
            "X-Sentry-Auth": dsn.auth_header(client),
        }

    def __repr__(self) -> str:
        return f"<HttpTransport to {self.dsn}>"

    def send(self, envelope: Envelope) -> None:
        """Deliver one envelope; 200 means that the server has it."""
        category = envelope.category
        seconds, categories = self._limits.limit_on(category)
        if seconds > 0:
            raise self._asked_for_a_pause(seconds, categories)
        data = envelope.encode(sent_at=timestamp_now())
        response, said = self._post(data, self._encoding)
        if response.status_code in _UNREADABLE and self._encoding == BROTLI:
            # It may be the encoding. A server that takes gzip gets it from now on.
            self._encoding = GZIP
            response, said = self._post(data, GZIP)
        status = response.status_code
        self._limits.hear(status, response.headers, category)
        if status == 429:
            raise self._asked_for_a_pause(*self._limits.limit_on(category))
        if not 200 <= status < 300:
            self._judge(status, said)

    def limited_seconds(self, category: str) -> float:
        """Return how long the server wants nothing of a category."""
        return self._limits.limit_on(category)[0]

    @property
    def proxy(self) -> str | None:
        """The proxy on the way, as host and port; None if there is none."""
        found = select_proxy(self.dsn.envelope_url, self._way["proxies"])
        return found and found.rpartition("://")[2].rpartition("@")[2].rstrip("/")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _asked_for_a_pause(
        self, seconds: float, categories: frozenset[str]
    ) -> TransportError:
        what = f" of {', '.join(categories)} events" if categories else ""
        return TransportError(
            f"{self.dsn} asked for a pause{what} (429)", seconds, categories
        )

    def _post(self, data: bytes, encoding: str) -> tuple[requests.Response, str]:
        """Return the answer, and what the server says in it."""
        url = self.dsn.envelope_url
        request = requests.Request(
            "POST",
            url,
            {**self._headers, "Content-Encoding": encoding},
            data=compressed(data, encoding),
        )
        try:
            response = self._session.get_adapter(url).send(
                request.prepare(), timeout=self.timeout_seconds, **self._way
            )
        except _FAILURES as error:
            text = trouble_of(error).text
            raise TransportError(f"{self.dsn} could not be reached: {text}") from error
        with response:
            answer = self._start_of_body(response)
        return response, self._said(response.headers, answer)

    def _start_of_body(self, response: requests.Response) -> bytes:
        """Read a short body to its end, and no more than the start of a long one."""
        until = self._clock() + _MAX_ANSWER_SECONDS
        body = bytearray()
        # The server has the envelope or refused it, whatever becomes of the body.
        with suppress(*_FAILURES):
            # What there is, or byte by byte: to ask for more would wait for more.
            take = getattr(response.raw, "read1", lambda size: response.raw.read(1))
            while len(body) < _MAX_ANSWER_BYTES and self._clock() <= until:
                part = take(_MAX_ANSWER_BYTES)
                if not part:
                    break
                body += part
        return bytes(body)

    def _said(self, headers: Mapping[str, str], body: bytes) -> str:
        """What the server says of a problem, without the keys of the DSN."""
        said = headers.get("X-Sentry-Error") or headers.get("Location")
        said = said or _detail_of(body)
        for secret in (self.dsn.secret_key, self.dsn.public_key):
            said = said.replace(secret, "***") if secret else said
        said = printable(_CREDENTIALS.sub("//***@", said))
        return f" ({said})" if said else ""

    def _judge(self, status: int, said: str) -> None:
        if status in _MENDS:
            raise Refused(f"{self.dsn} answered {status}: {_MENDS[status]}{said}")
        mend = _MEANWHILE_MENDS.get(status, "")
        if 300 <= status < 400:
            mend = ": set the DSN to where it redirects to"
        raise TransportError(f"{self.dsn} answered {status}{mend}{said}")


def _session() -> requests.Session:
    session = requests.Session()
    # No credentials of ~/.netrc, and no cookies: the DSN is all that a server gets.
    session.auth = _unchanged
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        adapter = DeadlineAdapter(
            pool_connections=1, pool_maxsize=HttpTransport.at_once
        )
        session.mount(scheme, adapter)
    return session


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _detail_of(body: bytes) -> str:
    """The field ``detail`` of an answer, as Sentry's servers have it."""
    found: Any = None
    with suppress(ValueError, RecursionError):
        found = json.loads(body)
    detail = found.get("detail") if isinstance(found, dict) else None
    return detail if isinstance(detail, str) else ""
