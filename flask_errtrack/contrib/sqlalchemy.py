"""Breadcrumbs of the queries that an app sends to its databases.

Listens to one engine, and only looks: no query, no session, no patch. The time at
which a statement began is kept with the statement, so that nothing is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from ..errors import ConfigError, guard
from ..event import Breadcrumb, Level, timestamp_now
from ..integration import check
from ..reading.serialize import Limits, Serializer, cut
from .crumbs import Stop, client_at_work, milliseconds

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from ..client.client import Client
    from ..extension import ErrTrack

#: What is kept of a statement.
MAX_STATEMENT_LENGTH = 2000
#: Of many sets of parameters the first ones are kept.
MAX_PARAMETER_SETS = 3

_PARAMETER_LIMITS = Limits(depth=3, items=50, text_length=200, values=500)
# An attribute of SQLAlchemy's own object for one execution.
_STARTED = "errtrack_started"


def watch_engine(
    engine: Engine | AsyncEngine,
    errtrack: ErrTrack | Client,
    *,
    parameters: bool = False,
    slow_seconds: float = 0.5,
) -> Stop:
    """Leave a breadcrumb for each query of an engine; return what ends that.

    An engine that is watched for this ``errtrack`` already stays as it is.

    :param parameters: keep the values of named parameters, too. Secrets are redacted
        by name and by value as everywhere; what people have written is not.
    :param slow_seconds: queries that take so long have the level ``warning``.
    :raises ConfigError: this is no engine, or no ErrTrack.
    """
    check(errtrack, "watch_engine")
    found = getattr(engine, "sync_engine", engine)
    if not isinstance(found, Engine):
        raise ConfigError(
            f"watch_engine got a {type(engine).__name__} as engine; expected an Engine "
            "or AsyncEngine of SQLAlchemy; that of Flask-SQLAlchemy is db.engine, "
            "inside `with app.app_context():`"
        )
    if not isinstance(slow_seconds, int | float):
        raise ConfigError(
            f"watch_engine got slow_seconds={slow_seconds!r}; expected a number"
        )
    for earlier in _watchers_of(found):
        if earlier.errtrack is errtrack:
            return earlier.stop
    watcher = _Watcher(found, errtrack, parameters, slow_seconds)
    watcher.start()
    return watcher.stop


def _watchers_of(engine: Engine) -> Iterator[_Watcher]:
    for listener in engine.dispatch.after_cursor_execute:
        watcher = getattr(listener, "__self__", None)
        if isinstance(watcher, _Watcher):
            yield watcher


class _Watcher:
    def __init__(
        self,
        engine: Engine,
        errtrack: ErrTrack | Client,
        parameters: bool,
        slow_seconds: float,
    ) -> None:
        self.errtrack = errtrack
        self._engine = engine
        self._wants_parameters = parameters and not engine.hide_parameters
        self._slow_ms = slow_seconds * 1e3
        # Of a file the name is enough.
        name = PurePath(engine.url.database or "").name
        self._place = {"database": name or engine.dialect.name}
        self._listeners: dict[str, Callable[..., None]] = {
            "before_cursor_execute": self._begin,
            "after_cursor_execute": self._end,
            "handle_error": self._fail,
            "commit": self._commit,
            "rollback": self._roll_back,
        }

    def start(self) -> None:
        for name, listener in self._listeners.items():
            event.listen(self._engine, name, listener)

    def stop(self) -> None:
        for name, listener in self._listeners.items():
            if event.contains(self._engine, name, listener):
                event.remove(self._engine, name, listener)

    def _client(self) -> Client | None:
        """The client to tell, unless another watcher of the engine tells it.

        Several apps, each with its own ErrTrack, may share the engine.
        """
        client = client_at_work(self.errtrack)
        if len(self._engine.dispatch.after_cursor_execute) == 1:
            return client
        with guard("looking for other watchers"):
            for watcher in _watchers_of(self._engine):
                if watcher is self:
                    return client
                if client_at_work(watcher.errtrack) is client:
                    return None
        return client

    def _begin(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        with guard("timing a query"):
            setattr(context, _STARTED, perf_counter())

    def _end(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        client = self._client()
        if client is None:
            return

        def crumb() -> Breadcrumb:
            data = self._data(context, parameters)
            if (rows := _rows_of(cursor, context)) is not None:
                data["rows"] = rows
            is_slow = data.get("duration_ms", 0) >= self._slow_ms
            return _crumb(statement, data, "warning" if is_slow else "info")

        client.keep_breadcrumb(crumb, {"execution_context": context})

    def _fail(self, failed: ExceptionContext) -> None:
        client = self._client()
        if client is None:
            return

        def crumb() -> Breadcrumb:
            data = self._data(failed.execution_context, failed.parameters)
            # Its message may hold what somebody has written.
            data["error"] = type(failed.original_exception).__name__
            return _crumb(_what(failed), data, "error")

        client.keep_breadcrumb(crumb, {"exception_context": failed})

    def _commit(self, connection: Connection) -> None:
        self._leave_end("COMMIT", connection)

    def _roll_back(self, connection: Connection) -> None:
        self._leave_end("ROLLBACK", connection)

    def _leave_end(self, statement: str, connection: Connection) -> None:
        client = self._client()
        if client is not None:
            client.keep_breadcrumb(
                lambda: _crumb(statement, dict(self._place), "info"),
                {"connection": connection},
            )

    def _data(self, context: Any, parameters: Any) -> dict[str, Any]:
        data: dict[str, Any] = {}
        started = getattr(context, _STARTED, None)
        if started is not None:
            data["duration_ms"] = milliseconds(perf_counter() - started)
        data.update(self._place)
        if isinstance(parameters, list):
            data["executemany"] = len(parameters)
        if self._wants_parameters and parameters:
            data["parameters"] = _named(context, parameters)
        return data


def _crumb(statement: str, data: dict[str, Any], level: Level) -> Breadcrumb:
    return {
        "timestamp": timestamp_now(),
        "type": "query",
        "category": "query",
        "level": level,
        "message": cut(statement.strip(), MAX_STATEMENT_LENGTH),
        "data": data,
    }


def _what(failed: ExceptionContext) -> str:
    context: Any = failed.execution_context
    # What fails while rows are fetched has its statement there.
    statement = failed.statement or getattr(context, "statement", None)
    if statement:
        return str(statement)
    if failed.is_pre_ping:
        return "PING"
    return "CONNECT" if failed.connection is None else "without a statement"


def _rows_of(cursor: Any, context: Any) -> int | None:
    rows = cursor.rowcount
    if not isinstance(rows, int) or rows < 0:
        return None
    # SQLite counts what a statement returns while it is fetched.
    is_known = cursor.description is None or context.dialect.name != "sqlite"
    return rows if is_known else None


def _named(context: Any, parameters: Any) -> Any:
    """The parameters by name: without one it cannot be told which are secrets."""
    is_many = isinstance(parameters, list)
    sets = parameters if is_many else [parameters]
    if getattr(context, "compiled", None) is not None:
        sets = context.compiled_parameters
    shown = [
        Serializer(_PARAMETER_LIMITS)(one)
        if isinstance(one, dict)
        else f"{len(one)} without a name"
        for one in sets[:MAX_PARAMETER_SETS]
    ]
    return shown if is_many or len(shown) > 1 else shown[0]
