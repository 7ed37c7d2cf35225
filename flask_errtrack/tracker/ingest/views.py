"""The routes to which SDKs send: who it is, what came, and the answer.

Browsers may send from any page. Knows nothing of what is in an envelope.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from ...errors import StoreError, own_work
from ...protocol.envelope import Envelope, Item
from .. import projects
from ..store import Store
from ..tally import Tallies
from .body import decoded, from_base64, read_bounded
from .intake import Intake
from .keys import AUTH_HEADERS, check_key, key_of_envelope, key_of_request
from .problems import OverQuota, Problem, TooLarge
from .quota import RETRY_AFTER_SECONDS, Quota
from .reading import Reading, read_envelope

logger = logging.getLogger("flask_errtrack")

BUSY_RETRY_AFTER_SECONDS = 5
_MAX_HEADER_CHARS = 200

#: A page of any site may send, and read how that went; no cookie comes along.
CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": (
        "content-type, x-sentry-auth, sentry-trace, baggage, authorization, "
        "content-encoding"
    ),
    "Access-Control-Expose-Headers": (
        "x-sentry-error, x-sentry-rate-limits, retry-after"
    ),
    "Access-Control-Max-Age": "3600",
}

#: Reads a body that is no longer compressed.
Read = Callable[[bytes], Reading]


def add_ingest(
    blueprint: Blueprint,
    store: Store,
    quota: Quota | None = None,
    tallies: Tallies | None = None,
) -> None:
    """Let a blueprint receive what SDKs send.

    :param quota: what may come in a time; None: the usual.
    :param tallies: counts what is not stored; None: in the store, once a second.
    """
    tallies = tallies or Tallies(store)
    door = _Door(store, quota or Quota(), tallies)
    # Who looks at a page shall see what came before.
    blueprint.before_request(lambda: tallies.flush_sometimes())

    def envelope(project: str) -> Response:
        return door.answer(_number(project), read_envelope)

    def event(project: str) -> Response:
        return door.answer(_number(project), _read_event)

    for name, view in (("envelope", envelope), ("store", event)):
        blueprint.add_url_rule(
            f"/api/<project>/{name}/",
            f"ingest_{name}",
            view,
            methods=["POST", "OPTIONS"],
            provide_automatic_options=False,
            strict_slashes=False,
        )


class _Door:
    """Answers the requests of SDKs."""

    def __init__(self, store: Store, quota: Quota, tallies: Tallies) -> None:
        self._store = store
        self._tallies = tallies
        self._intake = Intake(store, quota, tallies)

    def answer(self, project_id: int, read: Read) -> Response:
        """Take in what the running request brings, and say what became of it."""
        if request.method == "OPTIONS":
            return Response(status=204, headers=CORS_HEADERS)
        try:
            event_id = self._receive(project_id, read)
        except Problem as problem:
            return _refusal(problem)
        except StoreError as error:
            return _out_of_order(error)
        finally:
            self._tallies.flush_sometimes()
        return _answer(200, {} if event_id is None else {"id": event_id})

    def _receive(self, project_id: int, read: Read) -> str | None:
        project = projects.find(self._store, project_id)
        try:
            headers = [request.headers.get(name, "") for name in AUTH_HEADERS]
            key = key_of_request(headers, request.args.get("sentry_key"))
            if key is not None:
                # Who has no key shall not make us unpack anything.
                check_key(key, project)
            body = decoded(_body(), request.headers.get("Content-Encoding", ""))
            reading = read(body)
            if key is None:
                key = key_of_envelope(reading.envelope.headers)
            owner = check_key(key, project)
        except Problem as problem:
            if project is not None:
                self._intake.refuse(problem, project)
            raise
        return self._intake.take(reading, owner)


def _number(project: str) -> int:
    """The number of a project; 0, which is no project's, for anything else."""
    is_number = project.isascii() and project.isdigit() and len(project) < 20
    return int(project) if is_number else 0


def _body() -> bytes:
    try:
        # The app may have read it before us, and then keeps it.
        body = read_bounded(request.stream) or request.get_data()
    except RequestEntityTooLarge:
        raise TooLarge("the body is larger than this app takes") from None
    except _errors_of_servers():
        raise Problem("the body ended too early, or in the middle of a chunk") from None
    length = request.content_length
    if length is not None and len(body) < length:
        # Not every server says so.
        raise Problem(f"the body ended after {len(body)} of {length} bytes")
    return body


def _errors_of_servers() -> tuple[type[Exception], ...]:
    """Return what servers raise where a body ends early, or has chunks that are wrong.

    Only gunicorn has errors that are nothing else.
    """
    gunicorn = sys.modules.get("gunicorn.http.errors")
    own = () if gunicorn is None else (gunicorn.ParseException,)
    return (ClientDisconnected, OSError, ValueError, *own)


def _read_event(body: bytes) -> Reading:
    """Read what the older endpoint takes: an event alone, as JSON."""
    if not body.lstrip().startswith(b"{"):
        body = from_base64(body)
    return Reading(Envelope((Item("event", body),)))


def _refusal(problem: Problem) -> Response:
    headers = {}
    if isinstance(problem, OverQuota):
        seconds = RETRY_AFTER_SECONDS
        headers = {
            "Retry-After": str(seconds),
            "X-Sentry-Rate-Limits": f"{seconds}:{problem.category}:key",
        }
    return _answer(problem.status, {"detail": str(problem)}, headers)


def _out_of_order(error: StoreError) -> Response:
    with own_work():
        # The sender is a stranger, to whom our paths and hosts are no business.
        logger.warning("Flask-ErrTrack could not store what came: %s", error)
    detail = "the tracker's database does not work now; send it again later"
    return _answer(
        503, {"detail": detail}, {"Retry-After": str(BUSY_RETRY_AFTER_SECONDS)}
    )


def _answer(
    status: int, content: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> Response:
    response = Response(json.dumps(content), status, mimetype="application/json")
    response.headers.update(CORS_HEADERS)
    response.headers.update(headers or {})
    response.headers["X-Content-Type-Options"] = "nosniff"
    if detail := content.get("detail"):
        # What the message quotes of the body need not fit into a header.
        text = "".join(char if " " <= char <= "~" else "?" for char in detail)
        response.headers["X-Sentry-Error"] = text[:_MAX_HEADER_CHARS]
    return response
