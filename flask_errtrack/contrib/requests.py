"""Breadcrumbs of what an app sends with a session of requests.

Stands before the adapters of one session and only looks: each request is a
breadcrumb, one that got no answer, too. Adds no header, patches nothing.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter

from ..errors import ConfigError, guard
from ..integration import check
from .crumbs import Stop, leave_http

if TYPE_CHECKING:
    from ..client.client import Client
    from ..extension import ErrTrack


def watch_session(session: Session, errtrack: ErrTrack | Client) -> Stop:
    """Leave a breadcrumb for each request of a session; return what ends that.

    Adapters that are mounted later are not watched. A session that is watched for
    this ``errtrack`` already stays as it is.

    :raises ConfigError: this is no session, or no ErrTrack.
    """
    check(errtrack, "watch_session")
    if not isinstance(session, Session):
        raise ConfigError(
            f"watch_session got a {type(session).__name__} as session; expected a "
            "requests.Session"
        )
    for prefix, adapter in session.adapters.items():
        if not _is_watched(adapter, errtrack):
            session.adapters[prefix] = _WatchedAdapter(adapter, errtrack)

    def stop() -> None:
        for prefix, adapter in session.adapters.items():
            if isinstance(adapter, _WatchedAdapter) and adapter.errtrack is errtrack:
                session.adapters[prefix] = adapter.adapter

    return stop


class _WatchedAdapter(BaseAdapter):
    def __init__(self, adapter: BaseAdapter, errtrack: ErrTrack | Client) -> None:
        super().__init__()
        self.adapter = adapter
        self.errtrack = errtrack

    def send(
        self, request: PreparedRequest, *arguments: Any, **options: Any
    ) -> Response:
        started = perf_counter()
        try:
            response = self.adapter.send(request, *arguments, **options)
        except BaseException as error:
            name = type(error).__name__
            self._leave(request, started, None, name, {"error": error})
            raise
        with guard("looking at a response"):
            # The answer to a challenge is sent by this way, too.
            response.connection = cast("Any", self)
            code, reason = response.status_code, response.reason
            self._leave(request, started, code, reason, {"response": response})
        return response

    def _leave(
        self,
        request: PreparedRequest,
        started: float,
        status_code: int | None,
        reason: str | None,
        hint: dict[str, Any],
    ) -> None:
        seconds = perf_counter() - started
        method, url = request.method, request.url
        hint["request"] = request
        leave_http(self.errtrack, method, url, seconds, status_code, reason, hint)

    def close(self) -> None:
        self.adapter.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.adapter, name)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of the session, in another process even, is not watched.
        return _the_same, (self.adapter,)


def _the_same(adapter: BaseAdapter) -> BaseAdapter:
    return adapter


def _is_watched(adapter: BaseAdapter, errtrack: object) -> bool:
    while isinstance(adapter, _WatchedAdapter):
        if adapter.errtrack is errtrack:
            return True
        adapter = adapter.adapter
    return False
