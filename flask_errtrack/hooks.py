"""Where Flask tells of a request and of its errors, for one app.

Signals tell of most. What they do not tell of is seen by a wrap around this app's
own ``wsgi_app`` (teardown, error handlers that fail, middleware), around its
``handle_http_exception`` (``abort(500)``), and around a streaming response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
import flask
from flask import Flask, Response, current_app, g, has_app_context
from werkzeug.exceptions import HTTPException

from .client import Client
from .errors import guard
from .scope import ENVIRON_KEY, Scope

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: On a response with status 500 or above: the id of the request's event.
EVENT_ID_HEADER = "X-ErrTrack-ID"

# How click ends a command on purpose.
_CLICK_ENDS = (click.ClickException, click.Abort, click.exceptions.Exit)


class AppHooks:
    """Connects an app with its client.

    :param on_first_request: what is left to do once the app is complete.
    """

    def __init__(
        self, app: Flask, client: Client, on_first_request: Callable[[], None]
    ) -> None:
        self._app = app
        self._client = client
        self._on_first_request = on_first_request
        self._is_first_request = True
        self._wsgi_app: Any = None

    def connect(self) -> None:
        """Listen to the app."""
        app = self._app
        app.app_ctx_globals_class = _with_event_id(app.app_ctx_globals_class)
        # Held weakly; it lives because the app holds the functions below.
        flask.got_request_exception.connect(self._see_exception, app)
        app.after_request(self._finish_request)
        app.teardown_request(self._tear_down)
        app.teardown_appcontext(self._tear_down)
        handle = self._see_http_exceptions(app.handle_http_exception)
        app.handle_http_exception = handle  # type: ignore[method-assign]
        self._watch_wsgi_app()

    def see_wsgi_error(
        self,
        error: Exception,
        environ: WSGIEnvironment,
        request: flask.Request | None = None,
    ) -> None:
        """Capture an exception that leaves the app, when its contexts are gone."""
        scope = environ.get(ENVIRON_KEY) or Scope(self._client.config.max_breadcrumbs)
        environ[ENVIRON_KEY] = scope
        with guard("capturing an exception outside the app"):
            self._client.capture_exception(
                error,
                mechanism="wsgi",
                handled=False,
                scope=scope,
                request=request or self._request_of(environ),
            )

    def _request_of(self, environ: WSGIEnvironment) -> flask.Request:
        request = self._app.request_class(environ)
        adapter = self._app.create_url_adapter(request)
        if adapter is not None:
            # An error of middleware may concern a URL that the app does not know.
            with suppress(HTTPException):
                found = adapter.match(return_rule=True)
                request.url_rule, request.view_args = found
        return request

    def _watch_wsgi_app(self) -> None:
        self._wsgi_app = WatchedWsgiApp(self._app.wsgi_app, self)
        self._app.wsgi_app = self._wsgi_app  # type: ignore[method-assign]

    def begin_request(self) -> None:
        """Prepare for a request that comes in."""
        if has_app_context() and current_app == self._app:
            # Flask lends the request this g: nothing of ours may be left on it.
            g.event_id = None
            self._client.begin_request()
        if self._is_first_request or self._app.wsgi_app is not self._wsgi_app:
            with guard("completing the set-up"):
                self._complete()

    def _complete(self) -> None:
        if self._is_first_request:
            self._is_first_request = False
            self._on_first_request()
        if self._app.wsgi_app is not self._wsgi_app:
            # Middleware was added later: its errors count, too.
            self._watch_wsgi_app()

    def _see_exception(self, sender: Flask, exception: Exception, **more: Any) -> None:
        self._client.capture_exception(exception, mechanism="flask", handled=False)

    def _see_http_exceptions(self, handle: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handle)
        def handle_http_exception(*args: Any) -> Any:
            error = args[-1]
            if isinstance(error, HTTPException) and (error.code or 0) >= 500:
                self._client.capture_exception(error, mechanism="flask", handled=False)
            return handle(*args)

        return handle_http_exception

    def _finish_request(self, response: Response) -> Response:
        if response.status_code >= 500 and (event_id := g.get("event_id")):
            response.headers[EVENT_ID_HEADER] = event_id
        if response.is_streamed and not response.direct_passthrough:
            response.response = WatchedStream(
                response.response,
                self,
                flask.request._get_current_object(),  # type: ignore[attr-defined]
            )
        self._client.end_request()
        return response

    def _tear_down(self, error: BaseException | None) -> None:
        if error is not None and _is_error(error):
            self._client.capture_exception(error, mechanism="flask", handled=False)
        self._client.end_request()


class WatchedWsgiApp:
    """Lets an app's hooks see exceptions that leave its WSGI callable."""

    def __init__(self, wsgi_app: WSGIApplication, hooks: AppHooks) -> None:
        self.wsgi_app = wsgi_app
        self._hooks = hooks

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Call the app."""
        self._hooks.begin_request()
        try:
            return self.wsgi_app(environ, start_response)
        except Exception as error:
            self._hooks.see_wsgi_error(error, environ)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wsgi_app, name)


class WatchedStream:
    """Lets an app's hooks see exceptions that break a streaming response.

    A client that leaves closes the stream: no exception, and none is reported.
    """

    def __init__(
        self, stream: Iterable[Any], hooks: AppHooks, request: flask.Request
    ) -> None:
        self._stream = stream
        self._hooks = hooks
        self._request = request
        self._iterator: Iterator[Any] | None = None

    def __iter__(self) -> WatchedStream:
        return self

    def __next__(self) -> Any:
        try:
            if self._iterator is None:
                self._iterator = iter(self._stream)
            return next(self._iterator)
        except StopIteration:
            raise
        except Exception as error:
            self._hooks.see_wsgi_error(error, self._request.environ, self._request)
            raise

    def close(self) -> None:
        """Close the stream, as far as it can be closed."""
        for one in (self._iterator, self._stream):
            close = getattr(one, "close", None)
            if close is not None:
                close()
                break


def _with_event_id(base: type[Any]) -> type[Any]:
    """A class for ``g`` that has an ``event_id`` from the start."""
    return type(base.__name__, (base,), {"event_id": None})


def _is_error(error: BaseException) -> bool:
    """Whether an exception that ends a context is a fault, not a way to end."""
    if isinstance(error, HTTPException):
        return (error.code or 0) >= 500
    return isinstance(error, Exception) and not isinstance(error, _CLICK_ENDS)
