"""Pictures of figures: bars with their spread, dots on one scale, cells of a whole.

Plain SVG: no font or script comes from elsewhere, the same figures give the same file,
and one picture suits both themes and a phone. It knows nothing of the benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import Literal

Kind = Literal["ours", "peer", "limit"]

WIDTH = 440
_MARGIN = 14
_LABELS = 168
_NARROW_LABELS = 138
_FIGURES = 76
_ROW = 22
_LEFT = _MARGIN + _LABELS
_RIGHT = WIDTH - _MARGIN - _FIGURES
#: Where the longest bar is so many times the usual one, it would hide the others.
_LOG_FROM = 30
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1b1e24; }
.title { font-size: 14px; font-weight: 600; }
.small { font-size: 11px; fill: #4b5260; } .aimed { font-size: 11px; fill: #b3261e; }
.card { fill: #ffffff; } .axis { stroke: #c9ced8; } .spread { stroke: #1b1e24; }
.aim { stroke: #b3261e; stroke-dasharray: 4 3; }
.ours { fill: #1d5fc2; } .peer { fill: #9aa3b2; } .limit { fill: #4f8a5b; }
.rest { fill: #e3e6ec; } .lost { fill: #c2571d; }
.dot0 { fill: #8fb7f0; } .dot1 { fill: #3d7fe0; } .dot2 { fill: #123f86; }
.dot3 { fill: #b0762b; }
@media (prefers-color-scheme: dark) {
text { fill: #e6e9ef; } .small { fill: #a9b2c0; } .card { fill: #171a20; }
.axis { stroke: #3d4450; } .spread { stroke: #e6e9ef; } .aim { stroke: #ff8a80; }
.aimed { fill: #ff8a80; } .ours { fill: #5b9bff; } .peer { fill: #667082; }
.limit { fill: #5fa36d; }
.rest { fill: #2c323c; } .lost { fill: #f0935b; }
.dot0 { fill: #35588c; } .dot1 { fill: #5b9bff; } .dot2 { fill: #cfe1ff; }
.dot3 { fill: #e0a458; }
}"""


@dataclass(frozen=True)
class Bar:
    """One bar.

    :param value: None: none is drawn.
    :param text: the figure as it is read; or why there is none.
    """

    name: str
    value: float | None
    text: str
    kind: Kind = "peer"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bars:
    """Bars of one unit, below a title."""

    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        """How much room it needs."""
        return 40 + len(self.bars) * _ROW

    def drawn(self, top: int) -> Iterator[str]:
        """Yield the elements."""
        scale = _Scale.of([x for bar in self.bars for x in (bar.value, bar.high)])
        yield _text(_MARGIN, top + 16, self.title, "title")
        if scale.is_log:
            yield _text(WIDTH - _MARGIN, top + 16, "log scale", "small", "end")
        for number, bar in enumerate(self.bars):
            yield from _bar(bar, scale, top + 28 + number * _ROW)


@dataclass(frozen=True)
class Dots:
    """Rows of dots, a colour for each series, on one logarithmic scale.

    :param rows: by name, a value for each series; None: no dot.
    :param aim: where a line is drawn, with what it says.
    """

    title: str
    unit: str
    series: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]
    aim: tuple[float, str] | None = None

    @property
    def height(self) -> int:
        """How much room it needs."""
        return 70 + len(self.rows) * _ROW

    def drawn(self, top: int) -> Iterator[str]:
        """Yield the elements."""
        values = [value for row in self.rows.values() for value in row]
        values += [self.aim[0]] if self.aim else []
        scale = _Scale.of(values, is_log=True, right=WIDTH - 2 * _MARGIN)
        yield _text(_MARGIN, top + 16, self.title, "title")
        yield from self._legend(top + 36)
        start, end = top + 46, top + 50 + len(self.rows) * _ROW
        for decade in scale.decades():
            x = scale.x(decade)
            yield _line(x, start, x, end, "axis")
            yield _text(x, end + 14, f"{decade:g} {self.unit}", "small", "middle")
        for number, (name, row) in enumerate(self.rows.items()):
            y = start + 15 + number * _ROW
            yield _text(_MARGIN, y + 4, name)
            for place, value in enumerate(row):
                if value is not None:
                    x = scale.x(value)
                    yield f'<circle cx="{x:.1f}" cy="{y}" r="5" class="dot{place}"/>'
        if self.aim:
            x = scale.x(self.aim[0])
            yield _line(x, start, x, end, "aim")
            yield _text(x + 4, start + 4, self.aim[1], "aimed")

    def _legend(self, y: int) -> Iterator[str]:
        x = _MARGIN
        for place, name in enumerate(self.series):
            yield f'<circle cx="{x + 5}" cy="{y - 4}" r="5" class="dot{place}"/>'
            yield _text(x + 14, y, name, "small")
            x += 34 + len(name) * 6


@dataclass(frozen=True)
class Grid:
    """Cells that say how much of a whole there is, by row and column.

    :param rows: by name, a number for each column; None: none was measured.
    """

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]
    whole: float

    @property
    def height(self) -> int:
        """How much room it needs."""
        return 56 + len(self.rows) * _ROW

    def drawn(self, top: int) -> Iterator[str]:
        """Yield the elements."""
        left = _MARGIN + _NARROW_LABELS
        width = (WIDTH - _MARGIN - left) / len(self.columns)
        yield _text(_MARGIN, top + 16, self.title, "title")
        for place, column in enumerate(self.columns):
            x = left + (place + 1) * width
            yield _text(x, top + 36, column, "small", "end")
        for number, (name, row) in enumerate(self.rows.items()):
            y = top + 44 + number * _ROW
            yield _text(_MARGIN, y + 12, name)
            for place, value in enumerate(row):
                yield from self._cell(left + place * width, y, width, value)

    def _cell(
        self, left: float, y: int, width: float, value: float | None
    ) -> Iterator[str]:
        if value is None:
            yield _text(left + width, y + 12, "–", "small", "end")
            return
        yield _text(left + width, y + 12, f"{value:,.0f}", "", "end")
        room = width - 8
        part = min(value / self.whole, 1) * room
        yield _box(left + 8, y + 15, room, 3, "rest")
        if part > 0:
            kind = "ours" if value >= self.whole else "lost"
            yield _box(left + 8, y + 15, part, 3, kind)


Panel = Bars | Dots | Grid


def picture(title: str, description: str, panels: Sequence[Panel]) -> str:
    """Return an SVG file with the panels one below the other.

    :param title: what a screen reader says that it is.
    :param description: what it shows, in words.
    """
    height = sum(panel.height for panel in panels) + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH * 1.4:.0f}" height="{height * 1.4:.0f}" role="img" '
        'aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(description)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" class="card"/>',
    ]
    top = _MARGIN
    for panel in panels:
        lines += panel.drawn(top)
        top += panel.height
    return "\n".join([*lines, "</svg>", ""])


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    is_log: bool
    right: int

    @classmethod
    def of(
        cls,
        values: Sequence[float | None],
        is_log: bool | None = None,
        right: int = _RIGHT,
    ) -> _Scale:
        known = [value for value in values if value is not None and value > 0] or [1]
        low, high = min(known), max(known)
        if is_log is None:
            is_log = high / median(known) > _LOG_FROM
        if is_log:
            return cls(10 ** math.floor(math.log10(low) - 0.1), high * 1.1, True, right)
        return cls(0.0, high, False, right)

    def x(self, value: float) -> float:
        """Return where the value is, from the left."""
        within = min(max(value, self.low), self.high)
        if self.is_log:
            part = math.log(within / self.low) / math.log(self.high / self.low)
        else:
            part = within / self.high
        return _LEFT + part * (self.right - _LEFT)

    def decades(self) -> Iterator[float]:
        """Yield each power of ten that is on the scale."""
        decade = 10 ** math.ceil(math.log10(self.low) - 1e-9)
        while decade <= self.high:
            yield decade
            decade *= 10


def _bar(bar: Bar, scale: _Scale, y: int) -> Iterator[str]:
    yield _text(_MARGIN, y + 12, bar.name)
    if bar.value is None:
        yield _text(_LEFT, y + 12, bar.text, "small")
        return
    length = max(scale.x(bar.value) - _LEFT, 1)
    yield _box(_LEFT, y, length, 15, bar.kind)
    if bar.low is not None and bar.high is not None:
        yield _line(scale.x(bar.low), y + 7.5, scale.x(bar.high), y + 7.5, "spread")
    yield _text(WIDTH - _MARGIN, y + 12, bar.text, "", "end")


def _text(x: float, y: float, text: str, name: str = "", anchor: str = "") -> str:
    given = f' class="{name}"' if name else ""
    given += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:g}" y="{y:g}"{given}>{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, name: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" '
        f'rx="1.5" class="{name}"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'class="{name}"/>'
    )
