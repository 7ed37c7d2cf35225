"""Checkers: each takes one raw JSON value and returns it in its right shape.

A checker never raises. What has the wrong type becomes :data:`DROPPED`, with a
note that names the field. Knows no field of an event by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from ...event import ProcessingError
from ...reading.serialize import CUT_MARK, cut

#: What a checker returns for a value that cannot be used.
DROPPED: Final = object()
MAX_NOTES = 50
MAX_DEPTH = 8
MAX_ITEMS = 200
MAX_TEXT_LENGTH = 8192
MAX_KEY_LENGTH = 200

# PostgreSQL stores no NUL, and UTF-8 has no surrogates.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ISO = re.compile("[0-9]{4}-")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Where a value stands: the path of its parent, and its own name.
Path = tuple[Any, ...]


class Notes:
    """Collects what had to be dropped or changed, for the event's ``errors``."""

    def __init__(self) -> None:
        self.entries: list[ProcessingError] = []

    def add(self, kind: str, path: Path, raw: Any) -> None:
        if len(self.entries) < MAX_NOTES:
            name = ".".join(_names(path))
            entry = ProcessingError(type=kind, name=name, value=_short(raw))
            self.entries.append(entry)

    def drop(self, path: Path, raw: Any) -> Any:
        """Note a value of the wrong type, and return what stands for it."""
        self.add("invalid_data", path, raw)
        return DROPPED


Checker = Callable[[Any, Path, Notes], Any]


class Text:
    """A text, cut to ``limit`` characters.

    :param of_scalars: a number or truth value becomes one.
    """

    def __init__(self, limit: int, of_scalars: bool = False) -> None:
        self.limit = limit
        self._kinds = str | int | float if of_scalars else str

    def __call__(self, raw: Any, path: Path, notes: Notes) -> Any:
        if isinstance(raw, self._kinds):
            return clean(_scalar(raw), self.limit)
        return notes.drop(path, raw)


def whole(raw: Any, path: Path, notes: Notes) -> Any:
    """A whole number of 0 or more, of at most 63 bits."""
    if type(raw) is float and raw.is_integer():
        raw = int(raw)
    if type(raw) is int and 0 <= raw < 2**63:
        return raw
    return notes.drop(path, raw)


def flag(raw: Any, path: Path, notes: Notes) -> Any:
    return raw if isinstance(raw, bool) else notes.drop(path, raw)


def one_of(
    values: Collection[str], aliases: Mapping[Any, str] | None = None
) -> Checker:
    """One of some words, in any case, or what is known to mean one of them."""
    known: dict[Any, str] = {value: value for value in values} | dict(aliases or {})

    def check(raw: Any, path: Path, notes: Notes) -> Any:
        key = raw.lower() if isinstance(raw, str) else raw
        if type(key) in (str, int) and key in known:
            return known[key]
        return notes.drop(path, raw)

    return check


def moment(raw: Any, path: Path, notes: Notes) -> Any:
    """A time, as RFC 3339 text in UTC."""
    seconds = seconds_of(raw)
    return notes.drop(path, raw) if seconds is None else timestamp_of(seconds)


def data(raw: Any, path: Path, notes: Notes) -> Any:
    """Any JSON, bounded in depth and in breadth."""
    return _bounded(raw, 0, MAX_ITEMS)


def mapping(max_items: int = MAX_ITEMS) -> Checker:
    """A JSON object with anything in it, bounded."""

    def check(raw: Any, path: Path, notes: Notes) -> Any:
        if not isinstance(raw, dict):
            return notes.drop(path, raw)
        return _bounded(raw, 0, max_items)

    return check


def mapping_of(check_value: Checker, max_items: int) -> Checker:
    """A JSON object whose values are all of one kind, or a list of such pairs."""

    def check(raw: Any, path: Path, notes: Notes) -> Any:
        items = raw.items() if isinstance(raw, dict) else pairs_in(raw)
        if items is None:
            return notes.drop(path, raw)
        found: dict[str, Any] = {}
        for key, item in items:
            if item is None or len(found) >= max_items:
                continue
            name = clean(_scalar(key), MAX_KEY_LENGTH)
            value = check_value(item, (path, name), notes)
            if value is not DROPPED:
                found[name] = value
        return found

    return check


def list_of(check_item: Checker, outer: int, inner: int = 0) -> Checker:
    """A list; of a longer one the ``outer`` first and ``inner`` last are kept.

    A list has no holes afterwards: ``null`` and what is wrong is left out.
    """

    def check(raw: Any, path: Path, notes: Notes) -> Any:
        if not isinstance(raw, list):
            return notes.drop(path, raw)
        if len(raw) > outer + inner:
            notes.add("too_large", path, f"{len(raw) - outer - inner} left out")
            raw = raw[:outer] + raw[len(raw) - inner :]
        values = (
            check_item(item, (path, number), notes)
            for number, item in enumerate(raw)
            if item is not None
        )
        return [value for value in values if value is not DROPPED]

    return check


def lines(limit: int, max_lines: int) -> Checker:
    """A list of texts in which what is no text is an empty line."""

    def check(raw: Any, path: Path, notes: Notes) -> Any:
        if not isinstance(raw, list):
            return notes.drop(path, raw)
        found = [line if type(line) is str else "" for line in raw[:max_lines]]
        if _are_plain(found, limit):
            return found
        return [clean(line, limit) for line in found]

    return check


def fields(table: Mapping[str, Checker], **defaults: Any) -> Checker:
    """A JSON object with these fields and no other; ``null`` means absent.

    :param defaults: stand in for required fields that are missing or wrong.
    """
    # Nearly every field is a text, and plain: then a call would be most of the work.
    rows = [
        (name, check, check.limit if isinstance(check, Text) else -1)
        for name, check in table.items()
    ]

    def check(raw: Any, path: Path, notes: Notes) -> Any:
        if not isinstance(raw, dict):
            return notes.drop(path, raw)
        found: dict[str, Any] = dict(defaults)
        for name, check_field, limit in rows:
            item = raw.get(name)
            if item is None:
                continue
            if (
                type(item) is str
                and len(item) <= limit
                and item.isascii()
                and "\0" not in item
            ):
                found[name] = item
                continue
            value = check_field(item, (path, name), notes)
            if value is not DROPPED:
                found[name] = value
        return found

    return check


def reshaped(reshape: Callable[[Any], Any], check: Checker) -> Checker:
    """A checker for a field that also has older shapes."""
    return lambda raw, path, notes: check(reshape(raw), path, notes)


def pairs_in(raw: Any) -> list[tuple[Any, Any]] | None:
    """The pairs of a list of pairs; None for anything else."""
    if not isinstance(raw, list):
        return None
    pairs = [item for item in raw if isinstance(item, list) and len(item) == 2]
    if raw and not pairs:
        return None
    return [(key, item) for key, item in pairs if isinstance(key, str | int | float)]


def clean(value: str, limit: int) -> str:
    """A text that every database and page can take, cut to ``limit`` characters."""
    if len(value) > limit:
        value = cut(value, limit)
    # Nearly every text is plain: a look costs a tenth of the expression.
    if value.isascii() and "\x00" not in value:
        return value
    return _UNSTORABLE.sub("\ufffd", value)


def _are_plain(texts: Collection[str], limit: int) -> bool:
    """Tell whether :func:`clean` returns all of them as they are."""
    together = "".join(texts)
    is_short = len(together) <= limit or max(map(len, texts)) <= limit
    return is_short and together.isascii() and "\x00" not in together


def seconds_of(raw: Any) -> float | None:
    """Seconds since 1970 of a number or of ISO 8601 text; None if it is no time."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    try:
        is_iso = isinstance(raw, str) and _ISO.match(raw)
        seconds = _seconds_of_text(str(raw)) if is_iso else float(raw)
        timestamp_of(seconds)
    except (ValueError, OverflowError):
        return None
    return seconds


def timestamp_of(seconds: float) -> str:
    """RFC 3339 text in UTC, of seconds since 1970."""
    time = _EPOCH + timedelta(seconds=seconds)
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds_of_text(raw: str) -> float:
    time = datetime.fromisoformat(raw)
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - _EPOCH).total_seconds()


def _bounded(raw: Any, depth: int, max_items: int) -> Any:
    kind = type(raw)
    if kind is str:
        return clean(raw, MAX_TEXT_LENGTH)
    if kind is int or kind is float:
        return _number(raw)
    if kind is dict or kind is list:
        return _bounded_items(raw, depth, max_items)
    return raw


def _bounded_items(
    raw: dict[str, Any] | list[Any], depth: int, max_items: int
) -> dict[str, Any] | list[Any] | str:
    if raw and depth >= MAX_DEPTH:
        return f"<{len(raw)} items>"
    more = len(raw) - max_items
    if isinstance(raw, dict):
        if more <= 0 and _are_plain(raw, MAX_KEY_LENGTH):
            return {
                key: _bounded(item, depth + 1, MAX_ITEMS) for key, item in raw.items()
            }
        found = {
            clean(key, MAX_KEY_LENGTH): _bounded(item, depth + 1, MAX_ITEMS)
            for key, item in islice(raw.items(), max_items)
        }
        return found | {CUT_MARK: f"<{more} more>"} if more > 0 else found
    items = [_bounded(item, depth + 1, MAX_ITEMS) for item in raw[:max_items]]
    return [*items, f"<{more} more>"] if more > 0 else items


def _number(raw: int | float) -> Any:
    """A number that every JSON reader takes as it is; else a text."""
    if type(raw) is float:
        return raw if math.isfinite(raw) else str(raw)
    return raw if -(2**63) <= raw < 2**63 else _scalar(raw)


def _scalar(raw: Any) -> str:
    # Python refuses to write whole numbers of many thousand digits.
    if isinstance(raw, int) and raw.bit_length() > 1024:
        return f"<int of {raw.bit_length()} bits>"
    return str(raw)


def _names(path: Path) -> list[str]:
    names: list[str] = []
    while path:
        path, name = path
        names.append(str(name))
    return names[::-1]


def _short(raw: Any) -> str:
    if isinstance(raw, dict | list):
        kind = "object" if isinstance(raw, dict) else "list"
        return f"<{kind} of {len(raw)}>"
    return clean(_scalar(raw), 100)
