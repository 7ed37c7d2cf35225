"""Numbers, times and foreign text as a person reads them.

Pure functions. What they return is text: whoever puts it into HTML escapes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

#: Longer values are cut on a page; the event's JSON has them whole.
MAX_VALUE_LENGTH = 2000
MAX_TITLE_LENGTH = 240
#: A line with more than this is written as several.
MAX_LINE_LENGTH = 88

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MONTH, _YEAR = 30.44 * _DAY, 365.25 * _DAY

# Controls steer terminals, bidirectional marks reorder what is read, and half a
# surrogate pair cannot be sent. Zero-width joiners stay: emoji are made of them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True)
class Moment:
    """A time: for machines, exactly, and as seen from now."""

    iso: str
    exact: str
    ago: str


def moment(seconds: float, now: float) -> Moment:
    """Describe a time, given in seconds since 1970 as ``now`` is."""
    return Moment(
        rfc3339(seconds),
        f"{_utc(seconds):%Y-%m-%d %H:%M:%S} UTC",
        ago(now - seconds),
    )


def rfc3339(seconds: float) -> str:
    """Return a time as RFC 3339 text in UTC, to the second."""
    return f"{_utc(seconds):%Y-%m-%dT%H:%M:%SZ}"


def ago(seconds: float) -> str:
    """Say how long ago something was: ``3 min ago``."""
    return "just now" if seconds < 10 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """Say how long something takes, in its largest unit: ``120 ms``, ``3 days``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit_seconds, unit in (
        (_MINUTE, 1, "s"),
        (_HOUR, _MINUTE, "min"),
        (_DAY, _HOUR, "h"),
    ):
        if seconds < limit:
            return f"{int(seconds / unit_seconds)} {unit}"
    if seconds < 2 * _MONTH:
        return count(int(seconds / _DAY), "day")
    if seconds < 2 * _YEAR:
        return count(int(seconds / _MONTH), "month")
    return count(int(seconds / _YEAR), "year")


def number(value: int) -> str:
    """Return a number short enough to say: ``1,204``, ``12.4k``. Never rounds up."""
    if value < 10_000:
        return f"{value:,}"
    for unit_value, unit in ((1_000_000_000, "bn"), (1_000_000, "M"), (1_000, "k")):
        if value >= unit_value:
            tenths = value * 10 // unit_value
            return f"{tenths / 10:g}{unit}" if tenths < 10_000 else f"{value:.1e}"
    return str(value)


def count(value: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 event``, ``3 people``."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def size(value_bytes: float) -> str:
    """Return how much room something takes: ``312 B``, ``41.2 KiB``, ``64 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if value_bytes < 1024:
            return f"{value_bytes:.1f}".removesuffix(".0") + f" {unit}"
        value_bytes /= 1024
    return f"{value_bytes:.1f} GiB"


def visible(text: str) -> str:
    """Return a text with its control characters as pictures; lines and tabs stay."""
    text = text.replace("\r\n", "\n")
    return _INVISIBLE.sub(_picture, text)


def one_line(text: str, limit: int = MAX_TITLE_LENGTH) -> str:
    """Return a text on one line, cut to ``limit`` characters."""
    line = visible(" ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


@dataclass(frozen=True)
class Value:
    """A text to show, and how many characters of it are left out."""

    text: str
    left_out: int = 0

    @property
    def is_long(self) -> bool:
        """Tell whether it needs lines of its own."""
        return "\n" in self.text or len(self.text) > MAX_LINE_LENGTH


def value(found: Any, limit: int = MAX_VALUE_LENGTH) -> Value:
    """Describe any JSON value: a text as it is, all else as JSON."""
    if not isinstance(found, str):
        text = json.dumps(found, ensure_ascii=False)
        if len(text) > MAX_LINE_LENGTH:
            text = json.dumps(found, ensure_ascii=False, indent=2)
        found = text
    return _cut(found, limit)


def python_value(found: Any) -> Value:
    """Describe a local variable the way Python writes it.

    Texts in it are ``repr`` texts already.
    """
    return _cut(_as_python(found, ""), MAX_VALUE_LENGTH)


def web_address(url: str) -> str | None:
    """Return a URL that is safe to link to: http or https; else ``None``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_safe = parts.scheme in ("http", "https") and bool(parts.netloc)
    return url if is_safe and not _INVISIBLE.search(url) else None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def _cut(text: str, limit: int) -> Value:
    return Value(visible(text[:limit]), max(len(text) - limit, 0))


_MAX_PYTHON_ITEMS = 50
_MAX_PYTHON_DEPTH = 8


def _as_python(found: Any, indent: str) -> str:
    if isinstance(found, str):
        return found
    if not isinstance(found, Mapping | list):
        return repr(found)
    deeper = indent + "    "
    if len(deeper) > 4 * _MAX_PYTHON_DEPTH:
        return "…"
    if isinstance(found, Mapping):
        opening, items, closing = _python_items(found, deeper)
    else:
        opening, closing = "[", "]"
        items = [_as_python(item, deeper) for item in found[:_MAX_PYTHON_ITEMS]]
    if len(found) > _MAX_PYTHON_ITEMS:
        items.append(f"… {number(len(found) - _MAX_PYTHON_ITEMS)} more")
    line = opening + ", ".join(items) + closing
    if len(indent) + len(line) <= MAX_LINE_LENGTH and "\n" not in line:
        return line
    return "\n".join([opening, *(f"{deeper}{item}," for item in items)]) + (
        f"\n{indent}{closing}"
    )


def _python_items(found: Mapping[str, Any], deeper: str) -> tuple[str, list[str], str]:
    pairs = list(found.items())[:_MAX_PYTHON_ITEMS]
    # Our client names the class of an object that it shows by its attributes.
    kind = found.get("<class>")
    if isinstance(kind, str):
        return (
            f"{kind}(",
            [f"{key}={_as_python(v, deeper)}" for key, v in pairs if key != "<class>"],
            ")",
        )
    return (
        "{",
        [f"{_python_key(key)}: {_as_python(v, deeper)}" for key, v in pairs],
        "}",
    )


def _python_key(key: str) -> str:
    # Other clients send keys as repr texts.
    return key if key.startswith(("'", '"')) else repr(key)
