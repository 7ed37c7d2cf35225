"""What every answer of the API has in common: who may, and how a fault is told.

Believes a token in a header and nothing else: what a browser sends by itself, a
cookie or a password, opens nothing here, so no foreign page can use it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from flask import Response, request, url_for

from ...errors import ActionError, SearchError, StoreError
from ...web.access import Action
from ...web.signing import BadToken
from ..database.rows import MAX_ID
from ..queries import reads
from ..shapes import Shape, issue_shape
from ..store import Store
from .tokens import Token, token_of

Keys = Callable[[], Sequence[str | bytes]]
View = Callable[..., Any]

#: Nothing that a script has to say is longer.
MAX_BODY_BYTES = 64 * 1024
MAX_LIMIT = 100
DEFAULT_LIMIT = 25
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Fault(Exception):
    """Why a request is not answered with what it asked for.

    :param status: of the answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def answering(
    keys: Keys, store: Store, action: Action = "view"
) -> Callable[[View], Callable[..., Response]]:
    """Let a view answer those who have a token for it; it returns what becomes JSON.

    A view that changes things is called with the ``actor``, too.
    """

    def with_token(view: View) -> Callable[..., Response]:
        @wraps(view)
        def answer(**arguments: Any) -> Response:
            try:
                token = _token(keys, store.now(), action)
                if arguments.get("issue_id", 0) > MAX_ID:
                    raise Fault(404, "there is no issue with so high a number")
                if action == "change":
                    arguments["actor"] = token.name
                found = view(**arguments)
            except Fault as fault:
                return error(fault.status, str(fault))
            except (SearchError, ActionError) as refused:
                return error(400, str(refused))
            except StoreError as broken:
                return error(503, str(broken))
            return found if isinstance(found, Response) else answer_of(found)

        return answer

    return with_token


def answer_of(found: Any, status: int = 200, link: str | None = None) -> Response:
    """Answer with JSON.

    :param link: the value of the header ``Link``.
    """
    # All in ASCII: half a surrogate pair has no UTF-8.
    response = Response(json.dumps(found) + "\n", status, mimetype="application/json")
    response.headers.update(_HEADERS)
    if link:
        response.headers["Link"] = link
    return response


def error(status: int, message: str) -> Response:
    """Answer with what is wrong."""
    response = answer_of({"error": message}, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="ErrTrack"'
    return response


def link_to(relation: str, changes: Mapping[str, Any]) -> str:
    """Return a ``Link`` to the same list with other arguments."""
    arguments = {**request.args.to_dict(), **changes}
    return f'<{request.base_url}?{urlencode(arguments)}>; rel="{relation}"'


def expect(said: Iterable[str], *known: str) -> None:
    """Check the names of what a script says.

    :raises Fault: one means nothing here.
    """
    for name in said:
        if name not in known:
            expected = ", ".join(known) or "nothing"
            raise Fault(400, f"{name!r:.60} is not known here; expected {expected}")


def number_asked(name: str, default: int, highest: int) -> int:
    """Return an argument of the request that is a number from 1 up.

    :raises Fault: it is none.
    """
    given = request.args.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        raise Fault(400, f"{name} is {given!r:.60}; expected a whole number from 1 on")
    if not 0 < int(given) <= highest:
        raise Fault(400, f"{name} is {given}; expected 1 to {highest}")
    return int(given)


def body() -> dict[str, Any]:
    """Return the JSON object that a script has sent; an empty one for nothing.

    :raises Fault: it is too large, or no JSON object.
    """
    sent = request.stream.read(MAX_BODY_BYTES + 1)
    if len(sent) > MAX_BODY_BYTES:
        raise Fault(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        found = json.loads(sent or b"{}")
    except (ValueError, RecursionError):
        raise Fault(400, "the body is not JSON; expected a JSON object") from None
    if not isinstance(found, dict):
        raise Fault(400, f"the body is a {type(found).__name__}; expected an object")
    return found


def known_issue(store: Store, issue_id: int) -> Shape:
    """Return an issue.

    :raises Fault: there is none with this number.
    """
    with store.reading() as connection:
        row = reads.issue(connection, issue_id)
        if row is not None:
            return linked_issue(row)
        target_id = reads.merged_into(connection, issue_id)
    if target_id is not None:
        raise Fault(404, f"issue {issue_id} is part of issue {target_id} now")
    raise Fault(404, f"there is no issue {issue_id} here")


def linked_issue(row: Any) -> Shape:
    """Return an issue by its row, with the address of its page."""
    page = url_for(".issue", issue_id=row.id, _external=True)
    return issue_shape(row) | {"url": page}


def _token(keys: Keys, now: float, action: Action) -> Token:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Fault(
            401,
            "there is no token: send it as 'Authorization: Bearer …'; "
            "`errtrack token` makes one",
        )
    try:
        token = token_of(keys(), text.strip(), now)
    except BadToken as bad:
        why = "has expired" if bad.is_expired else "was not made here"
        raise Fault(401, f"the token {why}: `errtrack token` makes a new one") from bad
    if action == "change" and not token.may_change:
        raise Fault(
            403, "this token may only read: `errtrack token --write` makes one for more"
        )
    return token
