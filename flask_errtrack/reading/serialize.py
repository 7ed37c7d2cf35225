"""Any Python value as a JSON value of bounded size, made in bounded time.

Live objects are looked at here and nowhere later. Containers, mapped objects
and plain objects are walked by their stored attributes, never through code of
theirs; ``repr`` is called only where nothing better is known, and never on
what could run a query or load a user (ORM queries, lazy objects, proxies).
"""

from __future__ import annotations

import re
import time
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import islice
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple
from uuid import UUID

#: Ends every text that was cut; the scrubber looks for half a secret before it.
CUT_MARK = "…"
#: Names the class of an object that is shown by its attributes.
CLASS_KEY = "<class>"
#: What is kept of a text once the event has enough in it.
SHORT_TEXT_LENGTH = 100
# One repr slower than this, and the event asks no other object of its type.
SLOW_REPR_SECONDS = 0.01

# Rendering these runs a query, resolves a proxy or loads something.
_LAZY_PACKAGES = (
    "celery.local",
    "django.db",
    "django.utils.functional",
    "lazy_object_proxy",
    "mongoengine",
    "peewee",
    "pony",
    "sqlalchemy",
    "werkzeug.local",
    "wrapt",
)
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
# With each its own way to count and to go through: a subclass may run anything.
_CONTAINERS: tuple[type[Collection[Any]], ...] = (
    *(dict, list, tuple, set, frozenset, deque, array),
    *(type({}.keys()), type({}.values()), type({}.items())),
)
# How far inside of an object to look for what its repr might load.
_LOOK_DEPTH = 3
_LOOK_ITEMS = 20
_NO_LOOK = (type, FunctionType, MethodType, ModuleType, Enum)
# Within these every number is one of JSON, for every reader.
_SMALL = 2**53
_PLAIN = (str, int, float, bool, bytes, type(None))
_AS_TEXT = (
    *(date, datetime, time_of_day, timedelta, Decimal, UUID),
    *(PosixPath, PurePosixPath, WindowsPath, PureWindowsPath),
)


class Limits(NamedTuple):
    """How much of a value is kept."""

    depth: int
    items: int
    text_length: int
    #: How many values in all, however they are nested; a long text counts for many.
    values: int
    #: Texts as Python writes them, so that '3' and 3 can be told apart.
    quoted: bool = False


#: Local variables: many, so each is small.
VARIABLE_LIMITS = Limits(
    depth=3, items=20, text_length=1024, values=20_000, quoted=True
)
#: What the app handed over on purpose: extra, contexts, breadcrumb data.
DATA_LIMITS = Limits(depth=8, items=200, text_length=8192, values=10_000)


class Serializer:
    """Turns values into JSON values, all within one budget of time.

    :param budget_seconds: once it is used up, no ``repr`` is called any more.
    """

    def __init__(self, limits: Limits, budget_seconds: float = 0.1) -> None:
        self.limits = limits
        self._left = limits.values
        self._short_length = min(SHORT_TEXT_LENGTH, limits.text_length)
        self._deadline = time.perf_counter() + budget_seconds
        self._slow: set[type] = set()
        self._open: set[int] = set()
        self._texts: dict[int, str] = {}
        # Each with the value itself, so that its id stays its own, and what it took.
        self._shared: dict[int, tuple[Any, Any, int]] = {}

    def shared(self, value: Any) -> Any:
        """Return ``value`` as JSON, the same object each time: stacks share values."""
        kind = type(value)
        if kind is str:
            is_small = len(value) <= self._short_length
        else:
            is_small = value is None or kind is bool or kind is int or kind is float
        if is_small:
            return self(value)
        known = self._shared.get(id(value))
        if known is not None and self._left > 0:
            self._left -= known[2]
            return known[1]
        left = self._left
        made = self(value)
        self._shared[id(value)] = (value, made, left - self._left)
        return made

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """Return ``value`` as JSON: None, a bool, number, text, list or dict."""
        kind = type(value)
        self._left -= 1
        if value is None or kind is bool:
            return value
        if kind is str:
            return self.text(value)
        if kind is int or kind is float:
            return value if -_SMALL < value < _SMALL else _number(value)
        if id(value) in self._open:
            return "<cyclic>"
        self._open.add(id(value))
        try:
            return self._compound(value, kind, depth)
        except Exception as error:  # noqa: BLE001 - any object may be broken
            # Also a container that another thread changed meanwhile.
            return f"<{kind.__name__}: {type(error).__name__}>"
        finally:
            self._open.discard(id(value))

    def text(self, value: str) -> str:
        """Return a text, cut to the limit."""
        if len(value) <= self._short_length:
            return repr(value) if self.limits.quoted else value
        limit = self.limits.text_length if self._left > 0 else SHORT_TEXT_LENGTH
        self._left -= min(len(value), limit) // SHORT_TEXT_LENGTH
        if len(value) > limit:
            head = value[:limit]
            return f"{head!r}{CUT_MARK}" if self.limits.quoted else head + CUT_MARK
        return repr(value) if self.limits.quoted else value

    def _compound(self, value: Any, kind: Any, depth: int) -> Any:
        # Never isinstance: it believes what __class__ says, and asks a proxy.
        base = _container_of(kind)
        if base is dict:
            return self._dict(dict.items(value), dict.__len__(value), depth)
        if base is not None:
            return self._list(base.__iter__(value), base.__len__(value), depth)
        if _is_shown_by_attributes(kind):
            attributes = _attributes_of(value)
            if attributes is not None:
                return self._object(attributes, kind, depth)
        elif not _is_lazy(kind) and _may_load(value, kind):
            return self._object(_attributes_of(value) or {}, kind, depth)
        return self._leaf(value, kind)

    def _object(self, attributes: dict[str, Any], kind: type, depth: int) -> Any:
        stored = {
            name: item
            for name, item in islice(attributes.items(), self.limits.items + 1)
            if name != "_sa_instance_state"
        }
        made = self._dict(stored.items(), len(attributes), depth)
        name = _class_name(kind)
        return {CLASS_KEY: name, **made} if type(made) is dict else f"<{name}>"

    def _dict(self, items: Iterable[tuple[Any, Any]], count: int, depth: int) -> Any:
        if depth >= self.limits.depth or self._left <= 0:
            return f"<{count} items>" if count else {}
        found: dict[str, Any] = {}
        for key, item in islice(items, self.limits.items):
            if type(key) is not str or len(key) >= self._short_length:
                key = self._key(key)
            found[key] = self(item, depth + 1)
        if count > self.limits.items:
            found[CUT_MARK] = f"<{count - self.limits.items} more>"
        return found

    def _list(self, items: Iterator[Any], count: int, depth: int) -> Any:
        if depth >= self.limits.depth or self._left <= 0:
            return f"<{count} items>" if count else []
        found = [self(item, depth + 1) for item in islice(items, self.limits.items)]
        if count > self.limits.items:
            found.append(f"<{count - self.limits.items} more>")
        return found

    def _key(self, key: Any) -> str:
        if issubclass(type(key), str):
            return cut(str.__str__(key), self.limits.text_length)
        text = self(key, self.limits.depth)
        return text if isinstance(text, str) else str(text)

    def _leaf(self, value: Any, kind: type) -> str:
        if issubclass(kind, str):
            return self.text(str.__str__(value))
        for base in (bytes, bytearray):
            if issubclass(kind, base):
                limit = self.limits.text_length
                mark = CUT_MARK if base.__len__(value) > limit else ""
                return f"{bytes(base.__getitem__(value, slice(limit)))!r}{mark}"
        if kind in _AS_TEXT:
            return str(value)
        return self._repr(value, kind)

    def _repr(self, value: Any, kind: type) -> str:
        known = self._texts.get(id(value))
        if known is not None:
            return known
        if _is_lazy(kind):
            return f"<{_class_name(kind)}>"
        started = time.perf_counter()
        if started > self._deadline or kind in self._slow:
            return f"<{_class_name(kind)}: not shown, out of time>"
        try:
            text = _ADDRESS.sub("", repr(value)[: self.limits.text_length + 1])
        except Exception as error:  # noqa: BLE001 - any object may be broken
            text = f"<{_class_name(kind)}: repr failed with {type(error).__name__}>"
        if time.perf_counter() - started > SLOW_REPR_SECONDS:
            self._slow.add(kind)
        text = cut(text, self.limits.text_length)
        # Objects such as ``self`` stand in many frames; they live while we look.
        self._texts[id(value)] = text
        return text


def cut(text: str, limit: int) -> str:
    """Return a text, or its first ``limit`` characters and a mark."""
    return text if len(text) <= limit else text[:limit] + CUT_MARK


def safe_text(value: Any, limit: int = 8192) -> str:
    """Return ``str(value)``, cut, or what went wrong instead."""
    try:
        return cut(str(value), limit)
    except Exception as error:  # noqa: BLE001 - any object may be broken
        kind = type(value).__name__
        return f"<{kind}: str failed with {type(error).__name__}>"


def _number(value: Any) -> Any:
    if isinstance(value, float):
        # JSON has no NaN and no infinities.
        return value if value - value == 0 else repr(value)
    # Numbers above 64 bits are texts to most readers, and slow to write.
    if -(2**63) <= value < 2**63:
        return value
    bits = value.bit_length()
    return str(value) if bits <= 1024 else f"<int of {bits} bits>"


def _attributes_of(value: Any) -> dict[str, Any] | None:
    """The stored attributes of an object, if it has a place for them."""
    try:
        stored = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    if issubclass(type(value), BaseException):
        return {"args": _args_of(value), **stored}
    return stored if type(stored) is dict else None


def _args_of(error: Any) -> Any:
    return BaseException.args.__get__(error)  # type: ignore[attr-defined]


def _may_load(value: Any, kind: Any, depth: int = _LOOK_DEPTH) -> bool:
    """Tell whether the repr of an object would reach something that loads."""
    if _is_mapped(kind) or _is_lazy(kind):
        return True
    look = _look_of(kind) if depth else None
    if look is None:
        return False
    for item in islice(look(value), _LOOK_ITEMS):
        inner = type(item)
        if inner not in _PLAIN and _may_load(item, inner, depth - 1):
            return True
    return False


@lru_cache(maxsize=1024)
def _look_of(kind: Any) -> Callable[[Any], Iterable[Any]] | None:
    """How to see what is inside objects of a class, if something may be."""
    if issubclass(kind, dict):
        return dict.values
    if issubclass(kind, list):
        return list.__iter__
    if issubclass(kind, tuple):
        return tuple.__iter__
    if issubclass(kind, BaseException):
        return _args_of
    if issubclass(kind, _NO_LOOK):
        return None
    return lambda value: (_attributes_of(value) or {}).values()


@lru_cache(maxsize=1024)
def _container_of(kind: Any) -> type[Collection[Any]] | None:
    return next((base for base in _CONTAINERS if issubclass(kind, base)), None)


@lru_cache(maxsize=1024)
def _is_shown_by_attributes(kind: Any) -> bool:
    if issubclass(kind, _NO_LOOK):
        return False
    if _is_mapped(kind):
        return True
    if _is_lazy(kind):
        return False
    has_own_repr = kind.__repr__ is not object.__repr__
    return not has_own_repr or _is_stored_in(kind, "__dataclass_fields__")


@lru_cache(maxsize=1024)
def _is_mapped(kind: Any) -> bool:
    """The mark of a class that SQLAlchemy maps: only what is loaded is stored."""
    return _is_stored_in(kind, "_sa_class_manager")


def _is_stored_in(kind: type, name: str) -> bool:
    # Never hasattr: a metaclass may answer anything.
    return any(name in vars(base) for base in type.mro(kind))


@lru_cache(maxsize=1024)
def _is_lazy(kind: Any) -> bool:
    return any(
        f"{base.__module__}.".startswith(tuple(f"{name}." for name in _LAZY_PACKAGES))
        for base in kind.__mro__
    )


def _class_name(kind: type) -> str:
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
