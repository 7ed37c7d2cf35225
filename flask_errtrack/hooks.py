"""Where Flask tells of a request and of its errors, for one app.

A signal tells of most. What it does not tell of is seen by a wrap around this app's
own ``wsgi_app`` (teardown, error handlers that fail, middleware), around its
``handle_http_exception`` (``abort(500)``), around the methods that end a request and a
context, and around a streaming response.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial, wraps
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import flask
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from .client.client import Client
from .errors import guard, silence
from .host.app import is_fault
from .host.commands import error_of_command, is_reader_gone
from .host.request import keep_login
from .scopes.scope_home import globals_class

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: On a response with status 500 or above: the id of the request's event.
EVENT_ID_HEADER = "X-ErrTrack-ID"

# Where an app keeps its hooks.
HOOKS_KEY = "errtrack_hooks"


class AppHooks:
    """Connects an app with its client.

    :param on_first_request: what is left to do once the app is complete.
    """

    def __init__(
        self, app: Flask, client: Client, on_first_request: Callable[[], None]
    ) -> None:
        self._app = app
        self._client = client
        self._delivery = client.delivery
        self._on_first_request = on_first_request
        self._is_first_request = True
        self._wsgi_app = WatchedWsgiApp(app.wsgi_app, self)
        prefix = re.escape(client.config.url_prefix)
        self._is_delivery = re.compile(f"{prefix}/api/[^/]+/(?:envelope|store)/?")

    def connect(self) -> None:
        """Listen to the app."""
        app = self._app
        app.app_ctx_globals_class = globals_class(app)
        # Held weakly; it lives because the app holds the functions below.
        flask.got_request_exception.connect(self._see_exception, app)
        self._watch_http_exceptions()
        self._watch_ends()
        app.wsgi_app = self._wsgi_app  # type: ignore[method-assign]
        app.extensions[HOOKS_KEY] = self
        app.__class__ = _watched_class(type(app))

    def handle_request(
        self,
        wsgi_app: WSGIApplication,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Let the app handle a request, and see what leaves it."""
        if self._is_first_request:
            self._is_first_request = False
            with guard("completing the set-up"):
                self._on_first_request()
        start = self._tell_event_id(environ, start_response)
        if not self._client.scopes.is_nested(environ):
            return self.call(wsgi_app, environ, start)
        with self._client.scopes.isolated(environ):
            return self.call(wsgi_app, environ, start)

    def see_wsgi_error(
        self,
        error: Exception,
        environ: WSGIEnvironment,
        request: flask.Request | None = None,
    ) -> None:
        """Capture an exception that leaves the app, when its contexts are gone."""
        with guard("capturing an exception outside the app"):
            scope = self._client.scopes.in_environ(environ).fork()
            scope.request = request or self._request_of(environ)
            self._client.capture_exception(
                error, mechanism="wsgi", handled=False, scope=scope
            )

    def _request_of(self, environ: WSGIEnvironment) -> flask.Request:
        request = self._app.request_class(environ)
        adapter = self._app.create_url_adapter(request)
        if adapter is not None:
            # An error of middleware may concern a URL that the app does not know.
            with suppress(HTTPException):
                rule, arguments = adapter.match(return_rule=True)
                request.url_rule, request.view_args = rule, dict(arguments)
        return request

    def call(
        self,
        wsgi_app: WSGIApplication,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Call a WSGI app, and see what leaves it."""
        has_dsn = self._client.config.dsn is not None
        if has_dsn and self._is_delivery.fullmatch(environ.get("PATH_INFO", "")):
            # The DSN may lead here: an error of receiving would send the next one.
            with silence():
                return wsgi_app(environ, start_response)
        try:
            chunks = wsgi_app(environ, start_response)
        except Exception as error:
            self.see_wsgi_error(error, environ)
            raise
        if isinstance(chunks, GeneratorType):
            # Middleware that is a generator runs while the server iterates.
            see_error = partial(self.see_wsgi_error, environ=environ)
            return WatchedStream(chunks, see_error)
        return chunks

    def _tell_event_id(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> StartResponse:
        def start(
            status: str, headers: list[tuple[str, str]], *more: Any
        ) -> Callable[[bytes], object]:
            event_id = None
            if status >= "5":
                event_id = self._client.scopes.event_id_in(environ)
            if event_id is not None:
                name = EVENT_ID_HEADER.lower()
                headers = [pair for pair in headers if pair[0].lower() != name]
                headers.append((EVENT_ID_HEADER, event_id))
            return start_response(status, headers, *more)

        return start

    def _see_exception(self, sender: Flask, exception: Exception, **more: Any) -> None:
        # Flask-RESTful and its like send the signal for a 404, too.
        if is_fault(exception):
            self._capture(exception)

    def _watch_http_exceptions(self) -> None:
        """See exceptions with an answer of their own, of which no signal tells.

        Those of 500 and above are errors wherever they come from; any that gets as
        far as ``handle_exception`` becomes a 500.
        """
        app: Any = self._app
        watched = self._watched
        app.handle_http_exception = watched(app.handle_http_exception, is_fault)
        app.handle_exception = watched(app.handle_exception, _is_http_exception)

    def _watch_ends(self) -> None:
        """See responses that are complete, and contexts that end.

        Not as functions for Flask to call: it would ask at each request of each
        whether it is async, which takes longer than all that is to do here.
        """
        app: Any = self._app
        process = app.process_response

        @wraps(process)
        def processed(*args: Any, **named: Any) -> Any:
            response = process(*args, **named)
            self._see_response(response)
            return response

        app.process_response = processed
        app.do_teardown_request = _and_then(app.do_teardown_request, self._see_end)
        app.do_teardown_appcontext = _and_then(
            app.do_teardown_appcontext, self._see_end_of_context
        )

    def _watched(
        self, handle: Callable[..., Any], is_seen: Callable[[BaseException], bool]
    ) -> Callable[..., Any]:
        @wraps(handle)
        def watched(*args: Any) -> Any:
            # Newer versions of Flask hand a context over before the exception.
            if is_seen(args[-1]):
                self._capture(args[-1])
            return handle(*args)

        return watched

    def _capture(self, error: BaseException) -> None:
        self._client.capture_exception(error, mechanism="flask", handled=False)

    def _see_response(self, response: Any) -> None:
        # An app's own function may have returned none, for which Flask has words.
        is_streamed = getattr(response, "is_streamed", False)
        if is_streamed and not response.direct_passthrough:
            with guard("watching a stream"):
                self._watch_stream(response)
        if self._delivery.holding:
            self._client.end_work()

    def _watch_stream(self, response: Response) -> None:
        request: Any = flask.request
        request = request._get_current_object()
        keep_login(request)
        see_error = partial(
            self.see_wsgi_error, environ=request.environ, request=request
        )
        response.response = WatchedStream(response.response, see_error)

    def _see_end(self, error: BaseException | None) -> None:
        if error is not None and not self._is_settled(error) and is_fault(error):
            self._capture(error)
        if self._delivery.holding:
            self._client.end_work()

    def _is_settled(self, error: BaseException) -> bool:
        with guard("looking for what became of an exception"):
            scope = self._client.scopes.known()
            return scope is not None and scope.work.is_settled(error)
        return False

    def _see_end_of_context(self, error: BaseException | None) -> None:
        if error is None:
            error = error_of_command()
        is_quiet = error is None and not self._delivery.holding
        # Who began work outside tells of its errors, and when it ends.
        if is_quiet or self._client.is_in_work():
            return
        is_unread = isinstance(error, BrokenPipeError) and is_reader_gone()
        self._see_end(None if is_unread else error)


def _and_then(
    end: Callable[..., None], see: Callable[[BaseException | None], None]
) -> Callable[..., None]:
    """A method of Flask that ends a context, and what sees the error that ends it."""

    @wraps(end)
    def ended(*args: Any, **named: Any) -> None:
        end(*args, **named)
        if named:
            args = (*args, *named.values())
        # Newer versions of Flask hand a context over before the error.
        see(args[-1] if args else sys.exception())

    return ended


def _watched_class(kind: type[Flask]) -> type[Flask]:
    """A class for apps that sees errors of middleware put around ``wsgi_app`` later.

    Python looks ``__call__`` up on the class, so that no attribute of the app would do.
    """

    def call(
        app: Flask, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if isinstance(app.wsgi_app, WatchedWsgiApp):
            return kind.__call__(app, environ, start_response)
        hooks: AppHooks = app.extensions[HOOKS_KEY]
        return hooks.call(partial(kind.__call__, app), environ, start_response)

    own = {"__call__": call, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), own)


class WatchedWsgiApp:
    """Lets an app's hooks see exceptions that leave its WSGI callable."""

    def __init__(self, wsgi_app: WSGIApplication, hooks: AppHooks) -> None:
        self.wsgi_app = wsgi_app
        self._hooks = hooks

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Call the app."""
        return self._hooks.handle_request(self.wsgi_app, environ, start_response)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wsgi_app, name)


class WatchedStream:
    """Lets an app's hooks see exceptions that break a streaming response.

    A client that leaves closes the stream: no exception, and none is reported.
    """

    def __init__(
        self, stream: Iterable[Any], see_error: Callable[[Exception], None]
    ) -> None:
        self._stream = stream
        self._see_error = see_error
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
            self._see_error(error)
            raise

    def close(self) -> None:
        """Close the stream, as far as it can be closed."""
        try:
            if self._iterator is not self._stream:
                _close(self._iterator)
            _close(self._stream)
        except Exception as error:
            self._see_error(error)
            raise


def _close(stream: Any) -> None:
    close = getattr(stream, "close", None)
    if close is not None:
        close()


def _is_http_exception(error: BaseException) -> bool:
    return isinstance(error, HTTPException)
