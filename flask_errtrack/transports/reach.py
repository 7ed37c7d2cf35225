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
from typing import Literal, get_args

from urllib3.exceptions import (
    ConnectTimeoutError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

#: How far it came: the stages of a delivery, in their order.
Stage = Literal["name", "connection", "TLS", "answer"]
STAGES = get_args(Stage)

_MAX_TEXT = 200
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


@dataclass(frozen=True)
class Trouble:
    """What went wrong on the way to a server."""

    stage: Stage
    text: str
    mend: str
    #: It was the proxy that could not be reached, or would not go on.
    is_of_proxy: bool = False


def trouble_of(error: BaseException) -> Trouble:
    """Return what an error of requests means."""
    chain = list(_chain(error))
    is_of_proxy = any(isinstance(one, ProxyError) for one in chain)
    for one in chain:
        for kinds, explain in _EXPLAINED:
            if isinstance(one, kinds) and (found := explain(one)) is not None:
                stage, text, mend = found
                if is_of_proxy:
                    text = f"the proxy: {text}"
                    mend = f"{_OF_PROXY} {mend}"
                return Trouble(stage, text, mend, is_of_proxy)
    return Trouble(
        "connection",
        f"{'the proxy: ' if is_of_proxy else ''}{type(error).__name__}",
        _OF_PROXY if is_of_proxy else "Check the DSN and the network.",
        is_of_proxy,
    )


def printable(text: str) -> str:
    """Return the start of a text that a server wrote, for a log or a terminal."""
    kept = "".join(one if one.isprintable() else " " for one in text[:_MAX_TEXT])
    return kept.strip()


Explained = tuple[Stage, str, str] | None
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
    return (
        "TLS",
        f"no TLS connection: {printable(reason) or type(error).__name__}",
        "Does the DSN say https where the server speaks http?",
    )


def _name(error: BaseException) -> Explained:
    return (
        "name",
        "the name of the host is not known",
        "Check the host in the DSN, and the name service of this machine.",
    )


def _refused(error: BaseException) -> Explained:
    return (
        "connection",
        "the connection was refused",
        "Does the server run, and is the port in the DSN right?",
    )


def _no_connection(error: BaseException) -> Explained:
    return (
        "connection",
        "no connection in time",
        "Check the host and port in the DSN, and what a firewall lets through.",
    )


def _no_answer(error: BaseException) -> Explained:
    return (
        "answer",
        "no answer in time",
        "The server is busy or hangs; timeout_seconds says how long to wait.",
    )


def _system(error: BaseException) -> Explained:
    number = getattr(error, "errno", None)
    if number in _NO_ROUTE:
        return "connection", "there is no route to the host", "Check the network."
    if str(error).startswith("Tunnel connection failed"):
        answer = printable(str(error).partition(":")[2])
        return "connection", f"it answered {answer}", "Check its user and password."
    return None


def _closed(error: BaseException) -> Explained:
    return (
        "answer",
        "the connection was closed without an answer",
        "See the log of the server, or of what stands before it.",
    )


def _nonsense(error: BaseException) -> Explained:
    return (
        "answer",
        f"the answer is no HTTP ({type(error).__name__})",
        "Does the DSN say http where the server speaks https, or name a wrong port?",
    )


# The first that fits explains.
_EXPLAINED: tuple[
    tuple[
        type[BaseException] | tuple[type[BaseException], ...],
        Callable[[BaseException], Explained],
    ],
    ...,
] = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLError, _tls),
    (socket.gaierror, _name),
    (ConnectionRefusedError, _refused),
    (ConnectTimeoutError, _no_connection),
    ((ReadTimeoutError, TimeoutError), _no_answer),
    (ConnectionError, _closed),
    (OSError, _system),
    ((HTTPException, ProtocolError), _nonsense),
)
