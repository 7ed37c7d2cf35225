"""Breadcrumbs of what an app sends with a client of httpx.

Stands before ``send`` of one client and only looks: each request is a breadcrumb,
one that got no answer, too. Adds no header, patches nothing but that client.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

try:
    import httpx
except ImportError as error:
    raise ImportError(
        "flask_errtrack.contrib.httpx needs httpx; pip install httpx"
    ) from error

from ..errors import ConfigError, guard
from ..integration import check
from .crumbs import Stop, leave_http

if TYPE_CHECKING:
    from ..client.client import Client
    from ..extension import ErrTrack


def watch_client(
    client: httpx.Client | httpx.AsyncClient, errtrack: ErrTrack | Client
) -> Stop:
    """Leave a breadcrumb for each request of a client; return what ends that.

    A client that is watched for this ``errtrack`` already stays as it is.

    :raises ConfigError: this is no client, or no ErrTrack.
    """
    check(errtrack, "watch_client")
    if not isinstance(client, httpx.Client | httpx.AsyncClient):
        raise ConfigError(
            f"watch_client got a {type(client).__name__} as client; expected an "
            "httpx.Client or httpx.AsyncClient"
        )
    earlier = getattr(vars(client).get("send"), "__self__", None)
    if isinstance(earlier, _Watch) and earlier.errtrack is errtrack:
        return earlier.stop
    watch = _Watch(client, errtrack)
    watch.start()
    return watch.stop


class _Watch:
    def __init__(
        self, client: httpx.Client | httpx.AsyncClient, errtrack: ErrTrack | Client
    ) -> None:
        self.errtrack = errtrack
        self._own = vars(client)
        self._inner: Callable[..., Any] = client.send
        is_async = isinstance(client, httpx.AsyncClient)
        self._send = self.send_async if is_async else self.send
        self._before = self._own.get("send")
        self._is_on = False

    def start(self) -> None:
        self._own["send"] = self._send
        self._is_on = True

    def stop(self) -> None:
        self._is_on = False
        # A wrap around ours would be lost: then ours stays, and does nothing.
        if self._own.get("send") == self._send:
            if self._before is None:
                del self._own["send"]
            else:
                self._own["send"] = self._before

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        started = perf_counter()
        try:
            response: httpx.Response = self._inner(request, **options)
        except BaseException as error:
            self._see_error(request, started, error)
            raise
        self._see_response(response, started)
        return response

    async def send_async(
        self, request: httpx.Request, **options: Any
    ) -> httpx.Response:
        started = perf_counter()
        try:
            response: httpx.Response = await self._inner(request, **options)
        except BaseException as error:
            self._see_error(request, started, error)
            raise
        self._see_response(response, started)
        return response

    def _see_response(self, response: httpx.Response, started: float) -> None:
        """Leave a breadcrumb for each answer: redirects and challenges come first."""
        seconds = perf_counter() - started
        with guard("looking at a response"):
            for earlier in response.history:
                took = earlier.elapsed.total_seconds()
                seconds -= took
                self._leave_answer(earlier, took)
            self._leave_answer(response, max(seconds, 0.0))

    def _leave_answer(self, response: httpx.Response, seconds: float) -> None:
        code, reason = response.status_code, response.reason_phrase
        self._leave(response.request, seconds, code, reason, response=response)

    def _see_error(
        self, request: httpx.Request, started: float, error: BaseException
    ) -> None:
        seconds = perf_counter() - started
        with guard("looking at a request that failed"):
            self._leave(request, seconds, None, type(error).__name__, error=error)

    def _leave(
        self,
        request: httpx.Request,
        seconds: float,
        status_code: int | None,
        reason: str,
        **hint: Any,
    ) -> None:
        if self._is_on:
            method, url = request.method, str(request.url)
            hint["request"] = request
            leave_http(self.errtrack, method, url, seconds, status_code, reason, hint)
