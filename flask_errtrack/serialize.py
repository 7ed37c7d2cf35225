"""Any Python value as a JSON value of bounded size, made in bounded time.

Live objects are looked at here and nowhere later. Containers, mapped objects
and plain objects are walked by their stored attributes, never through code of
theirs; ``repr`` is called only where nothing better is known, and never on
what could run a query or load a user (ORM queries, lazy objects, proxies).
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import islice
from pathlib import PurePath
from types import FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

#: Ends every text that was cut; the scrubber looks for half a secret before it.
CUT_MARK = "…"
#: Names the class of an object that is shown by its attributes.
CLASS_KEY = "<class>"
# One repr slower than this, and the event asks no other object of its type.
SLOW_REPR_SECONDS = 0.01

# Rendering these runs a query, resolves a proxy or loads something.
_LAZY_PACKAGES = (
    "django.db",
    "django.utils.functional",
    "mongoengine",
    "peewee",
    "pony",
    "sqlalchemy",
    "werkzeug.local",
)
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_CONTAINERS = (list, tuple, set, frozenset, deque)
_AS_TEXT = (date, datetime, time_of_day, timedelta, Decimal, PurePath, UUID)


@dataclass(frozen=True)
class Limits:
    """How much of a value is kept."""

    depth: int
    items: int
    text_length: int
    #: Texts as Python writes them, so that '3' and 3 can be told apart.
    quoted: bool = False


#: Local variables: many, so each is small.
VARIABLE_LIMITS = Limits(depth=3, items=20, text_length=1024, quoted=True)
#: What the app handed over on purpose: extra, contexts, breadcrumb data.
DATA_LIMITS = Limits(depth=8, items=200, text_length=8192)


class Serializer:
    """Turns values into JSON values, all within one budget of time.

    :param budget_seconds: once it is used up, no ``repr`` is called any more.
    """

    def __init__(self, limits: Limits, budget_seconds: float = 0.1) -> None:
        self.limits = limits
        self._deadline = time.perf_counter() + budget_seconds
        self._slow: set[type] = set()
        self._open: set[int] = set()
        self._texts: dict[int, str] = {}

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """Return ``value`` as JSON: None, a bool, number, text, list or dict."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self.text(value)
        if kind is int or kind is float:
            return _number(value)
        if id(value) in self._open:
            return "<cyclic>"
        return self._compound(value, kind, depth)

    def text(self, value: str) -> str:
        """Return a text, cut to the limit."""
        limit = self.limits.text_length
        if len(value) > limit:
            head = value[:limit]
            return f"{head!r}{CUT_MARK}" if self.limits.quoted else head + CUT_MARK
        return repr(value) if self.limits.quoted else value

    def _compound(self, value: Any, kind: type, depth: int) -> Any:
        self._open.add(id(value))
        try:
            if isinstance(value, dict) and kind.__name__ != "LocalProxy":
                return self._dict(dict.items(value), len(value), depth)
            if isinstance(value, _CONTAINERS):
                return self._list(_iterate(value), len(value), depth)
            attributes = _attributes_of(value, kind)
            if attributes is None:
                return self._leaf(value, kind)
            items = [(CLASS_KEY, _class_name(kind)), *attributes.items()]
            return self._dict(items, len(items), depth)
        except RuntimeError as error:
            # Another thread changed the container meanwhile.
            return f"<{kind.__name__}: {error}>"
        finally:
            self._open.discard(id(value))

    def _dict(self, items: Iterable[tuple[Any, Any]], count: int, depth: int) -> Any:
        if depth >= self.limits.depth:
            return f"<{count} items>" if count else {}
        found = {
            key if type(key) is str else self._key(key): (
                self(item, depth + 1) if key != CLASS_KEY else item
            )
            for key, item in islice(items, self.limits.items)
        }
        if count > self.limits.items:
            found[CUT_MARK] = f"<{count - self.limits.items} more>"
        return found

    def _list(self, items: Iterator[Any], count: int, depth: int) -> Any:
        if depth >= self.limits.depth:
            return f"<{count} items>" if count else []
        found = [self(item, depth + 1) for item in islice(items, self.limits.items)]
        if count > self.limits.items:
            found.append(f"<{count - self.limits.items} more>")
        return found

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            return str.__str__(key)
        text = self(key, self.limits.depth)
        return text if isinstance(text, str) else str(text)

    def _leaf(self, value: Any, kind: type) -> str:
        if issubclass(kind, str):
            return self.text(str.__str__(value))
        if issubclass(kind, bytes | bytearray):
            limit = self.limits.text_length
            cut = CUT_MARK if len(value) > limit else ""
            return f"{bytes(value[:limit])!r}{cut}"
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
        if len(text) > self.limits.text_length:
            text = text[: self.limits.text_length] + CUT_MARK
        # Objects such as ``self`` stand in many frames; they live while we look.
        self._texts[id(value)] = text
        return text


def safe_text(value: Any, limit: int = 8192) -> str:
    """Return ``str(value)``, cut, or what went wrong instead."""
    try:
        text = str(value)
        return text if len(text) <= limit else text[:limit] + CUT_MARK
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


def _iterate(value: Any) -> Iterator[Any]:
    # The base class's own iterator: a subclass may run anything in its.
    base: Any = next(kind for kind in _CONTAINERS if isinstance(value, kind))
    return iter(base.__iter__(value))


def _attributes_of(value: Any, kind: type) -> dict[str, Any] | None:
    """The stored attributes of an object that is better shown by them."""
    if not _is_shown_by_attributes(kind):
        return None
    try:
        stored = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return {key: item for key, item in stored.items() if key != "_sa_instance_state"}


@lru_cache(maxsize=1024)
def _is_shown_by_attributes(kind: Any) -> bool:
    if issubclass(kind, type | FunctionType | MethodType | ModuleType | Enum):
        return False
    # The mark of a class that SQLAlchemy maps: only what is loaded is stored.
    if hasattr(kind, "_sa_class_manager"):
        return True
    if _is_lazy(kind):
        return False
    has_own_repr = kind.__repr__ is not object.__repr__
    return not has_own_repr or hasattr(kind, "__dataclass_fields__")


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
