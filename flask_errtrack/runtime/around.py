"""What can be put around code in three ways: ``with``, a function, an async function.

Knows nothing of what is put around.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from types import TracebackType
from typing import Any, Generic, TypeVar

import click

from ..errors import ConfigError
from .runner import runner

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])


class Around(Generic[T]):
    """A context manager that is also a decorator, for any number of runs at once.

    :param make: returns the context manager of one run, when it begins.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        # Threads and tasks that share this object do not end each other's runs.
        self._running: dict[object, list[AbstractContextManager[T]]] = {}

    def __call__(self, function: Function) -> Function:
        """Return a function that does each of its calls inside a run of its own.

        :raises ConfigError: its calls cannot be told to end.
        """
        _check(function)
        if _is_async(function):

            @wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self._make():
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._make():
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]

    def __enter__(self) -> T:
        manager = self._make()
        entered = manager.__enter__()
        self._running.setdefault(runner(), []).append(manager)
        return entered

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        # A generator may be closed by another thread than the one that began it.
        key = runner() if runner() in self._running else next(iter(self._running))
        managers = self._running[key]
        manager = managers.pop()
        if not managers:
            del self._running[key]
        return manager.__exit__(kind, error, traceback)


def _check(function: Any) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"{function.__name__} is a generator, which works after its call has "
            "returned; put a `with` statement inside of it instead of a decorator on it"
        )
    is_other = isinstance(function, type | staticmethod | classmethod | click.Command)
    if is_other or not callable(function):
        raise ConfigError(
            f"the decorator is on {function!r}; expected a function, below the "
            "decorators that make something else of it"
        )


def _is_async(function: Any) -> bool:
    is_async = inspect.iscoroutinefunction
    return is_async(function) or is_async(getattr(function, "__call__", None))  # noqa: B004
