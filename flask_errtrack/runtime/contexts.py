"""Context managers made of generators, through which an exception goes as it came.

Those of contextlib write the traceback of what leaves them anew. An exception that
forbids that, such as a frozen dataclass, would be replaced by the error of doing so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def contextmanager(
    function: Callable[P, Iterator[T]],
) -> Callable[P, AbstractContextManager[T]]:
    """Make a function that yields once a context manager, as contextlib does."""

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[T]:
        return _Manager(cast(Generator[T], function(*args, **kwargs)))

    return make


class _Manager(AbstractContextManager[T]):
    """Runs a generator to where it yields, and on from there."""

    def __init__(self, steps: Generator[T]) -> None:
        self._steps = steps

    def __enter__(self) -> T:
        return next(self._steps)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if error is None:
            next(self._steps, None)
            return False
        try:
            self._steps.throw(error)
        except StopIteration as end:
            return end is not error
        except BaseException as raised:
            # A generator cannot raise StopIteration: Python makes it another error.
            is_stop = isinstance(error, StopIteration) and raised.__cause__ is error
            if raised is not error and not is_stop:
                raise
        # Without the steps of the generator.
        BaseException.with_traceback(error, traceback)
        return False
