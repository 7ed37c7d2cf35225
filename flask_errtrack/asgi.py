"""Errors of ASGI apps: Starlette, FastAPI, Quart, and Flask behind an adapter.

Sees what comes out of an app: exceptions, and the start of a response. Changes neither
what the app gets nor what it does; what is known of a request is for
:mod:`.asgi_request` to say.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from .client.client import Client
from .errors import ConfigError, guard, own_work
from .host.asgi_request import AsgiRequest as AsgiRequest
from .host.asgi_request import AsgiScope
from .integration import check, client_of
from .reading.exceptions import is_error
from .reading.marks import leaves_of
from .scopes.scope import Scope

if TYPE_CHECKING:
    from .extension import ErrTrack

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Each framework has types of its own for the same three.
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

_EVENT_ID_HEADER = b"x-errtrack-id"
_STARTS = ("http.response.start", "websocket.http.response.start")
_FAILURES = ("lifespan.startup.failed", "lifespan.shutdown.failed")
# After these a server ends, and uvicorn by a signal: nothing of ours is asked then.
_ENDS = (*_FAILURES, "lifespan.shutdown.complete")
# What uvicorn says of a failure that it was told.
_ECHOES = {
    ("uvicorn.error", "Application startup failed. Exiting."),
    ("uvicorn.error", "Application shutdown failed. Exiting."),
}
# How frameworks and servers tell an app that nobody listens any more; an app may use
# the same names for something else.
_FRAMEWORKS = {
    "blacksheep",
    "django",
    "falcon",
    "granian",
    "gunicorn",
    "hypercorn",
    "litestar",
    "quart",
    "sanic",
    "starlette",
    "uvicorn",
    "werkzeug",
}
_DISCONNECTS = {
    "ClientDisconnect",
    "ClientDisconnected",
    "ClientDisconnectedError",
    "RequestAborted",
    "WebSocketDisconnect",
    "WebSocketDisconnected",
}


class ErrTrackMiddleware:
    """Reports what goes wrong in an ASGI app, and gives each request its own scope.

    ::

        app = ErrTrackMiddleware(app, client)

    Exceptions go on as they came. A response with status 500 or above, if it has not
    started yet, gets the event's id in ``X-ErrTrack-ID``.

    :param app: any ASGI 3 app.
    :param errtrack: a :class:`~flask_errtrack.Client`, or the
        :class:`~flask_errtrack.ErrTrack` of a Flask app.
    :raises ConfigError: ``errtrack`` is neither, or ``app`` is no ASGI app.
    """

    def __init__(self, app: AsgiApp, errtrack: Client | ErrTrack) -> None:
        if not callable(app) or hasattr(app, "wsgi_app"):
            raise ConfigError(
                f"ErrTrackMiddleware needs an ASGI app, but got {app!r}; put a Flask "
                "app into a2wsgi.WSGIMiddleware or asgiref.wsgi.WsgiToAsgi first"
            )
        check(errtrack, "ErrTrackMiddleware")
        self.app = app
        self._errtrack = errtrack
        self._listens_to_quart = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the app."""
        client = self._client_for(scope)
        if client is None:
            await self.app(scope, receive, send)
        elif scope.get("type") == "lifespan":
            await self._see_lifespan(client, scope, receive, send)
        else:
            await self._see_request(client, scope, receive, send)

    def _client_for(self, scope: AsgiScope) -> Client | None:
        """The client that is to see a connection; None if there is nothing to do."""
        with guard("finding the client of an ASGI app"), own_work():
            self._listen_to_quart()
            client = client_of(self._errtrack)
            if client is None:
                return None
            seen = client.scope.request if client.is_in_work() else None
            # A middleware around this one is at it.
            return None if seen is not None and seen.scope is scope else client
        return None

    async def _see_request(
        self, client: Client, scope: AsgiScope, receive: Receive, send: Send
    ) -> None:
        # Frameworks answer one request in several tasks and threads.
        with client.work(is_shared=True) as own:
            own.request = AsgiRequest(scope)
            watch = _Watch(client, own, send)
            try:
                await self.app(scope, receive, watch.send_response)
            except BaseException as error:
                watch.see(error)
                raise

    async def _see_lifespan(
        self, client: Client, scope: AsgiScope, receive: Receive, send: Send
    ) -> None:
        is_supported = False

        async def receive_first() -> Message:
            nonlocal is_supported
            is_supported = True
            return await receive()

        with client.work("lifespan") as own:
            watch = _Watch(client, own, send)
            try:
                await self.app(scope, receive_first, watch.send_lifespan)
            except BaseException as error:
                # Apps without a lifespan say so by raising anything at once.
                if is_supported:
                    watch.see(error)
                raise

    def _listen_to_quart(self) -> None:
        """Quart makes a response of an exception by itself, and tells of it first."""
        signals = sys.modules.get("quart.signals")
        if signals is None or self._listens_to_quart:
            return
        self._listens_to_quart = True
        for name in ("request", "websocket", "background"):
            signal = getattr(signals, f"got_{name}_exception", None)
            if signal is not None:
                # Held weakly: no longer than this middleware lives.
                signal.connect(self._see_in_quart)

    async def _see_in_quart(
        self, sender: Any, *, exception: BaseException, **more: Any
    ) -> None:
        with guard("seeing an exception of Quart"), own_work():
            client = client_of(self._errtrack)
            if client is not None and client.scope.request is not None:
                _report(exception, client, client.scope)


class _Watch:
    """Looks at what comes out of one connection.

    :param own: the scope of the connection.
    """

    def __init__(self, client: Client, own: Scope, send: Send) -> None:
        self._client = client
        self._own = own
        self._send = send
        self._is_started = False
        self._of_server: Exception | None = None

    async def send_response(self, message: Message) -> None:
        """Send a message of a response or of a websocket."""
        if not self._is_started:
            message = self._with_event_id(message)
        try:
            await self._send(message)
        except OSError as error:
            # So a server says that nobody listens any more.
            self._of_server = error
            raise

    async def send_lifespan(self, message: Message) -> None:
        """Send a message of the lifespan; it may tell of an error that stays inside."""
        with guard("seeing the end of an ASGI app"), own_work():
            self._see_end(message["type"], sys.exception())
        try:
            # What a server logs of it is known.
            with own_work():
                await self._send(message)
        except Exception as error:
            self._of_server = error
            raise

    def _see_end(self, kind: str, error: BaseException | None) -> None:
        if kind in _FAILURES and error is not None:
            self.see(error)
            self._client.echoes |= _ECHOES
        if kind in _ENDS:
            self._client.flush(self._client.config.shutdown_timeout_seconds)

    def see(self, error: BaseException) -> None:
        """Capture an exception, unless it is no fault of the app."""
        with guard("seeing an exception of an ASGI app"), own_work():
            _report(error, self._client, self._own, self._of_server)

    def _with_event_id(self, message: Message) -> Message:
        """Add an event's id to the response that begins, if it tells of an error."""
        with guard("seeing the start of a response"), own_work():
            self._is_started = message["type"] in _STARTS
            if not self._is_started or message["status"] < 500:
                return message
            error = sys.exception()
            if error is not None and _is_given_up(error):
                self.see(error)
            event_id = self._own.work.event_id
            if event_id is not None:
                headers = [
                    pair
                    for pair in message.get("headers") or ()
                    if bytes(pair[0]).lower() != _EVENT_ID_HEADER
                ]
                headers.append((_EVENT_ID_HEADER, event_id.encode()))
                return {**message, "headers": headers}
        return message


def _report(
    error: BaseException,
    client: Client,
    own: Scope,
    of_server: BaseException | None = None,
) -> None:
    """Capture an exception if there is a fault in it.

    :param of_server: what the server raised is no fault of the app.
    """
    leaves = [leaf for leaf in leaves_of(error) if leaf is not of_server]
    faults = [leaf for leaf in leaves if _is_fault(leaf)]
    event_id = None
    if faults:
        was_told = all(own.work.decision_on(fault)[0] for fault in faults)
        is_alone = len(faults) == 1 and _is_of_quart(error)
        # A framework may put what it has told of into a group.
        told = faults[0] if was_told or is_alone else error
        event_id = client.capture_exception(
            told, mechanism="asgi", handled=False, scope=own
        )
    # Servers log whatever leaves an app; that is no other error.
    own.work.remember(error, event_id)


def _is_of_quart(error: BaseException) -> bool:
    """Tell whether an exception is the group of tasks in which Quart answers."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [frame.f_globals.get("__name__") for frame in frames[-2:]]
    return names == ["quart.asgi", "asyncio.taskgroups"]


def _is_fault(error: BaseException) -> bool:
    return is_error(error) and not any(
        kind.__name__ in _DISCONNECTS
        and str(kind.__module__).partition(".")[0] in _FRAMEWORKS
        for kind in type(error).__mro__
    )


def _is_given_up(error: BaseException) -> bool:
    """Tell whether the response to an exception is one for which it is a fault.

    An app's own handler for the exception's class has dealt with it. Starlette's last
    middleware has not, and raises it again after the response.
    """
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if "starlette.exceptions.HTTPException" in names:
        status = getattr(error, "status_code", None)
        return isinstance(status, int) and status >= 500
    trace = error.__traceback__
    where = None if trace is None else trace.tb_frame.f_code.co_qualname
    return where == "ServerErrorMiddleware.__call__"


class ContextPreservingExecutor(ThreadPoolExecutor):
    """A thread pool whose jobs see the context variables of who submits them.

    ::

        asyncio.get_running_loop().set_default_executor(ContextPreservingExecutor())
    """

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a job with a copy of the running context."""
        return super().submit(copy_context().run, fn, *args, **kwargs)
