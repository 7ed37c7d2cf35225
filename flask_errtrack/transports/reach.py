"""Why a server could not be reached: in words, with how to mend it.

Repeats nothing of a URL: it may hold a key or the password of a proxy.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Literal

from requests.exceptions import InvalidProxyURL, InvalidSchema
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    ProtocolError,
    ProxyError,
    ProxySchemeUnknown,
    ReadTimeoutError,
)

from .deadline import HandshakeFailed

#: How far it came: the stages of a delivery, in their order.
Stage = Literal["name", "connection", "TLS", "answer"]

_MAX_TEXT = 200
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


@dataclass(frozen=True)
class Trouble:
    """What went wrong on the way to a server."""

    stage: Stage
    text: str
    mend: str


def trouble_of(error: BaseException) -> Trouble:
    """Return what an error of requests means."""
    chain = list(_chain(error))
    stage, text, mend = _explained(chain) or (
        "connection",
        type(error).__name__,
        "Check the DSN and the network.",
    )
    if any(isinstance(one, ProxyError) for one in chain):
        # The way to the server has not begun.
        stage = stage if stage == "name" else "connection"
        text, mend = f"the proxy: {text}", f"{_OF_PROXY} {mend}"
    return Trouble(stage, text, mend)


def printable(text: str) -> str:
    """Return the start of a text that a server wrote, for a log or a terminal."""
    kept = "".join(one if one.isprintable() else " " for one in text[:_MAX_TEXT])
    return kept.strip()


Explained = tuple[Stage, str, str]
_OF_PROXY = "See the option proxies, HTTP_PROXY and HTTPS_PROXY."


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps, the innermost first."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            wrapped = (
                getattr(one, name, None) for name in ("reason", "original_error")
            )
            waiting += [one.__context__, one.__cause__, *one.args, *wrapped]
    return reversed(seen)


def _explained(chain: list[BaseException]) -> Explained | None:
    """What is most special in a chain of errors explains the others."""
    for kinds, explain in _EXPLAINED:
        for one in chain:
            if isinstance(one, kinds):
                found = explain(one) if callable(explain) else explain
                if found is not None:
                    return found
    return None


def _certificate(error: BaseException) -> Explained:
    why = getattr(error, "verify_message", "") or "it cannot be verified"
    return (
        "TLS",
        f"the certificate of the server is not trusted: {printable(why)}",
        "Name the authority that signed it with the option ca_certs, or mend the "
        "server's certificate.",
    )


def _tls(error: BaseException) -> Explained:
    reason = str(getattr(error, "reason", None) or "").replace("_", " ").lower()
    if reason == "no certificate or crl found":
        return _no_authorities("holds no certificate")
    return (
        "TLS",
        f"no TLS connection: {printable(reason) or type(error).__name__}",
        "Does the DSN say https where the server speaks http?",
    )


def _no_authorities(problem: str) -> Explained:
    return (
        "TLS",
        f"the file of the authorities to trust {problem}",
        "Check the option ca_certs; without it, REQUESTS_CA_BUNDLE names the file.",
    )


def _no_route(error: BaseException) -> Explained | None:
    if getattr(error, "errno", None) not in _NO_ROUTE:
        return None
    return "connection", "there is no route to the host", "Check the network."


def _no_connection(error: BaseException) -> Explained:
    why = getattr(error.__cause__, "strerror", None) or "none in time"
    return (
        "connection",
        f"no connection: {printable(why)}",
        "Check the host and port in the DSN, and what a firewall lets through.",
    )


def _system(error: BaseException) -> Explained | None:
    if str(error).startswith("Tunnel connection failed"):
        answer = printable(str(error).partition(":")[2])
        return "connection", f"it answered {answer}", "Check its user and password."
    if str(error).startswith("Could not find a suitable TLS CA certificate bundle"):
        return _no_authorities("is not there")
    return None


def _nonsense(error: BaseException) -> Explained:
    return (
        "answer",
        f"the answer is no HTTP ({type(error).__name__})",
        "Does the DSN say http where the server speaks https, or name a wrong port?",
    )


_HANDSHAKE: Explained = (
    "TLS",
    "no TLS connection: no answer to the handshake",
    "Does the DSN say https where the server speaks another protocol?",
)
_BAD_PROXY: Explained = (
    "connection",
    "the URL of the proxy cannot be used",
    f"{_OF_PROXY} Expected http://host:port; socks5:// needs the package PySocks.",
)
_BAD_NAME: Explained = (
    "name",
    "that is no valid name of a host",
    f"Check the host in the DSN. {_OF_PROXY}",
)
_NAME: Explained = (
    "name",
    "the name of the host is not known",
    "Check the host in the DSN, and the name service of this machine.",
)
_REFUSED: Explained = (
    "connection",
    "the connection was refused",
    "Does the server run, and is the port in the DSN right?",
)
_NO_ANSWER: Explained = (
    "answer",
    "no answer in time",
    "The server is busy or hangs; timeout_seconds says how long to wait.",
)
_CLOSED: Explained = (
    "answer",
    "the connection was closed without an answer",
    "See the log of the server, or of what stands before it.",
)
# The first that fits explains.
_EXPLAINED: tuple[
    tuple[
        type[BaseException] | tuple[type[BaseException], ...],
        Explained | Callable[[BaseException], Explained | None],
    ],
    ...,
] = (
    (ssl.SSLCertVerificationError, _certificate),
    (HandshakeFailed, _HANDSHAKE),
    (ssl.SSLError, _tls),
    (socket.gaierror, _NAME),
    (ConnectionRefusedError, _REFUSED),
    (OSError, _no_route),
    (ConnectTimeoutError, _no_connection),
    ((ReadTimeoutError, TimeoutError), _NO_ANSWER),
    (ConnectionError, _CLOSED),
    ((InvalidProxyURL, InvalidSchema, ProxySchemeUnknown), _BAD_PROXY),
    ((LocationParseError, UnicodeError), _BAD_NAME),
    (OSError, _system),
    ((HTTPException, ProtocolError), _nonsense),
)
