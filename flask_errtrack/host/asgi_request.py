"""What an ASGI server and framework tell of a request, in the words of Werkzeug.

Everything is read from the connection's ASGI scope, and only when an event asks for
it. Knows no framework's classes; never receives anything, so that a body stays unread.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from werkzeug.datastructures import Headers
from werkzeug.sansio.request import Request
from werkzeug.utils import cached_property

AsgiScope = MutableMapping[str, Any]


class Rule(NamedTuple):
    """The part of the app that answers: its name, and the template of its URLs."""

    endpoint: str
    rule: str


class AsgiRequest(Request):
    """A request or the handshake of a websocket, seen from outside of the framework.

    It has what every Werkzeug request has (``method``, ``url``, ``headers``,
    ``cookies``, ``remote_addr`` …), and no body.

    :param scope: the connection's ASGI scope; :attr:`scope` for those who need more.
    """

    def __init__(self, scope: AsgiScope) -> None:
        # Not super().__init__, which reads everything: most requests do well.
        self.scope = scope
        # Routers of frameworks change both for what is mounted.
        self._at_first = scope.get("root_path"), scope.get("path")

    @cached_property
    def method(self) -> str:
        """A handshake is a GET."""
        return _text(self.scope.get("method") or "GET").upper()

    @cached_property
    def scheme(self) -> str:
        """``http``, ``https``, ``ws`` or ``wss``."""
        default = "ws" if self.scope.get("type") == "websocket" else "http"
        return _text(self.scope.get("scheme") or default)

    @cached_property
    def server(self) -> tuple[str, int | None] | None:
        """The address of the server: host and port."""
        server = self.scope.get("server")
        return (_text(server[0]), server[1]) if server else None

    @cached_property
    def root_path(self) -> str:
        """The prefix under which a proxy has put the app."""
        return _text(self._at_first[0] or "").rstrip("/")

    @cached_property
    def path(self) -> str:
        """The path below the root path, which servers repeat in it or leave out."""
        path = _text(self._at_first[1] or "/")
        root = self.root_path
        if root and (path == root or path.startswith(f"{root}/")):
            path = path.removeprefix(root)
        return "/" + path.lstrip("/")

    @cached_property
    def query_string(self) -> bytes:
        """The part of the URL after the question mark."""
        query = self.scope.get("query_string") or b""
        return query if isinstance(query, bytes) else _text(query).encode()

    @cached_property
    def headers(self) -> Headers:
        """The headers, spelled as in HTTP/1.1."""
        headers = Headers()
        for name, value in self.scope.get("headers") or ():
            # What no server lets through would be refused here, too.
            line = _text(value).replace("\r", " ").replace("\n", " ")
            headers.add(_text(name).title(), line)
        return headers

    @cached_property
    def remote_addr(self) -> str | None:
        """The address of the client, as the server sees it."""
        client = self.scope.get("client")
        return _text(client[0]) if client else None

    @property
    def url_rule(self) -> Rule | None:
        """What answers: a function of Starlette or FastAPI, or a rule of Quart."""
        rule = getattr(self._in_quart(), "url_rule", None)
        if rule is not None:
            return Rule(rule.endpoint, rule.rule)
        name = _name_of(self.scope.get("endpoint"))
        return None if name is None else Rule(name, self._template())

    @property
    def view_args(self) -> Mapping[str, Any]:
        """The variable parts of the path."""
        found = getattr(self._in_quart(), "view_args", None)
        found = found or self.scope.get("path_params")
        return found if isinstance(found, Mapping) else {}

    @property
    def blueprint(self) -> str | None:
        """The blueprint of Quart that answers."""
        return getattr(self._in_quart(), "blueprint", None)

    @property
    def user(self) -> Any:
        """Who asks, where a framework's middleware has found out; else None."""
        return self.scope.get("user")

    def _in_quart(self) -> Any:
        """The same request as Quart knows it, while it does."""
        quart = sys.modules.get("quart")
        if quart is None:
            return None
        for is_there, request in (
            (quart.has_request_context, quart.request),
            (quart.has_websocket_context, quart.websocket),
        ):
            if is_there() and request.scope is self.scope:
                return request
        return None

    def _template(self) -> str:
        """The path with the names of its variable parts.

        Routes know theirs, but not what they are mounted under.
        """
        template = self.root_path + self.path
        for name, value in [*self.view_args.items()][::-1]:
            found = [
                *re.finditer(rf"(?<=/){re.escape(_text(value))}(?=[/.]|$)", template)
            ]
            if found:
                start, end = found[-1].span()
                template = f"{template[:start]}{{{name}}}{template[end:]}"
        return template


def _name_of(endpoint: Any) -> str | None:
    """The dotted name of a function or class; None for anything else.

    Else it is an app that is mounted: what answers in there is its own business.
    """
    while isinstance(endpoint, functools.partial):
        endpoint = endpoint.func
    name = getattr(endpoint, "__qualname__", None)
    return None if name is None else f"{endpoint.__module__}.{name}"


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
