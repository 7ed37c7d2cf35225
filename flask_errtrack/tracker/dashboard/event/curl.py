"""The curl command that sends an event's request again.

It will be pasted into a shell: every part is quoted, and what holds control
characters, which steer a terminal, is left out. Pure functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import urlencode

from ....words import web_address

# As the scrubbers of our client and of Sentry's clients write it.
_REDACTED = re.compile(r"(\[|%5B)(redacted|filtered)(\]|%5D)", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# curl writes these itself, or they belong to that one connection.
_OWN_HEADERS = {"host", "content-length", "connection", "accept-encoding"}
_MAX_PART_LENGTH = 10_000


@dataclass(frozen=True)
class Curl:
    """The command, and in words what it lacks."""

    command: str
    notes: tuple[str, ...]


def curl_of(request: Mapping[str, Any]) -> Curl | None:
    """Return the command for the request of an event; ``None`` without a URL."""
    url = full_url(request)
    if web_address(url) is None or not _can_be_sent(url):
        return None
    headers, left_out = _headers(request)
    body = _body(request.get("data"), headers)
    if not all(_can_be_sent(part) for part in body):
        body = []
        left_out.append("the body")
    parts = ["curl", *_method(request.get("method") or "GET")]
    # Without this curl reads brackets and braces as patterns.
    parts.append(("--globoff " if re.search(r"[\[\]{}]", url) else "") + quote(url))
    parts += [f"-H {quote(f'{name}: {text}')}" for name, text in headers]
    parts += body
    notes = []
    if left_out:
        notes.append("Left out: " + ", ".join(left_out) + ".")
    if any(_REDACTED.search(part) for part in (url, *body)):
        notes.append("Values that were redacted are still missing.")
    return Curl(" \\\n  ".join(parts), tuple(notes))


def full_url(request: Mapping[str, Any]) -> str:
    """Return the URL of a request with its query."""
    url = request.get("url") or ""
    query = request.get("query_string") or ""
    return f"{url}?{query}" if url and query and "?" not in url else url


def _method(method: str) -> list[str]:
    if method == "GET" or not _TOKEN.fullmatch(method):
        return []
    return ["--head"] if method == "HEAD" else [f"-X {quote(method)}"]


def _headers(request: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    """The headers that can be sent, and the names of those that cannot."""
    kept: list[tuple[str, str]] = []
    left_out: list[str] = []
    for pair in request.get("headers") or []:
        name, text = pair if pair and len(pair) == 2 else ("", "")
        if not _TOKEN.fullmatch(name or "") or name.lower() in _OWN_HEADERS:
            continue
        if text and _can_be_sent(text) and not _REDACTED.search(text):
            kept.append((name, text))
        else:
            left_out.append(name)
    return kept, left_out


def _can_be_sent(text: str) -> bool:
    return len(text) <= _MAX_PART_LENGTH and not _CONTROLS.search(text)


def _body(data: Any, headers: list[tuple[str, str]]) -> list[str]:
    if not data:
        return []
    if isinstance(data, str):
        return [f"--data-raw {quote(data)}"]
    kind = next((text for name, text in headers if name.lower() == "content-type"), "")
    if isinstance(data, Mapping) and "multipart" in kind:
        # curl writes the header itself: it knows the boundary.
        headers[:] = [pair for pair in headers if pair[0].lower() != "content-type"]
        return [f"--form-string {quote(f'{key}={text}')}" for key, text in data.items()]
    if isinstance(data, Mapping) and "form" in kind:
        return [f"--data-raw {quote(urlencode(data, doseq=True))}"]
    return [f"--data-raw {quote(json.dumps(data, ensure_ascii=False))}"]
