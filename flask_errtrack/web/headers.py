"""The headers of every answer below our prefix: what a browser may do with it.

Strict, so that nothing an event says can become more than text. Knows no route.
"""

from __future__ import annotations

from flask import Response

STRICT = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def protect(response: Response) -> Response:
    """Give an answer the strict headers, but for those that it has itself."""
    for name, value in STRICT.items():
        response.headers.setdefault(name, value)
    return response
