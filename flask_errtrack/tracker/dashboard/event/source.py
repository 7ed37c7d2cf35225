"""Source lines of a frame, with the columns that failed marked.

``lineno`` and ``colno`` count from 1; the end of the failing code is
``[line, column behind its last character]``. Pure functions, no HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....reading.serialize import cut
from ....words import visible

#: Of a longer line the part around the failing columns is shown.
MAX_SOURCE_LENGTH = 300
_LEAD_LENGTH = 80


@dataclass(frozen=True)
class SourceLine:
    """A line of source in three parts: ``marked`` is what failed."""

    number: int
    before: str
    marked: str
    after: str
    is_failing: bool


def source_lines(frame: Mapping[str, Any], end: Any) -> tuple[SourceLine, ...]:
    """Return the lines around the failing one; none without source.

    :param end: where the failing code ends, or ``None``.
    """
    failing, lineno = frame.get("context_line"), frame.get("lineno")
    if failing is None or lineno is None:
        return ()
    before = frame.get("pre_context") or []
    texts = [*before, failing, *(frame.get("post_context") or [])]
    numbered = enumerate((text or "" for text in texts), lineno - len(before))
    return tuple(
        _line(number, text, _span(number, text, frame, end), number == lineno)
        for number, text in numbered
    )


def _span(
    number: int, text: str, frame: Mapping[str, Any], end: Any
) -> tuple[int, int]:
    """Where in a line the code stands that failed; the same twice for none."""
    lineno, colno = frame["lineno"], frame.get("colno")
    end_line, end_column = _end(end, lineno)
    if not colno or not lineno <= number <= end_line:
        return 0, 0
    start = colno - 1 if number == lineno else _indent(text)
    stop = end_column - 1 if number == end_line else len(text)
    # A mark on all of one line would say no more than the line itself does.
    is_all = end_line == lineno and text[start:stop].strip() == text.strip()
    return (start, stop) if 0 <= start < stop and not is_all else (0, 0)


def _end(end: Any, lineno: int) -> tuple[int, int]:
    """The last failing line and column; before ``lineno`` when it is not known."""
    match end:
        case [int(line), int(column)] if line >= lineno:
            return line, column
    return lineno - 1, 0


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _line(
    number: int, text: str, span: tuple[int, int], is_failing: bool
) -> SourceLine:
    start, stop = span
    before, marked, after = text[:start], text[start:stop], text[stop:]
    if len(text) > MAX_SOURCE_LENGTH:
        if len(before) > _LEAD_LENGTH:
            before = "…" + before[-_LEAD_LENGTH:]
        marked = cut(marked, MAX_SOURCE_LENGTH)
        after = cut(after, max(MAX_SOURCE_LENGTH - len(before) - len(marked), 0))
    before, marked, after = (
        visible(part).replace("\n", "␊") for part in (before, marked, after)
    )
    return SourceLine(number, before, marked, after, is_failing)
