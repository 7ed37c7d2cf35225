"""The pages of the documentation as tests read them: code, tables, names."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"

_BLOCK = re.compile(
    r"^\.\. code-block:: python\n((?:    :\w+:.*\n)*)\n((?:(?:    .*)?\n)+)", re.M
)
_CAPTION = re.compile(r":caption: (.*)")


def page(name: str) -> str:
    """Return the source of a page."""
    return (DOCS / f"{name}.rst").read_text()


def blocks_of(name: str) -> list[tuple[str, str]]:
    """Return the Python blocks of a page, each with its caption."""
    found = []
    for options, code in _BLOCK.findall(page(name)):
        caption = _CAPTION.search(options)
        found.append((caption[1] if caption else "", textwrap.dedent(code)))
    return found


def block_of(name: str, caption: str) -> str:
    """Return the only Python block of a page with a caption."""
    (code,) = [code for told, code in blocks_of(name) if told == caption]
    return code


def code_of(name: str) -> list[str]:
    """Return the Python blocks of a page without a look at their captions."""
    return [code for _, code in blocks_of(name)]


def rows_of(name: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, without its head."""
    text = page(name)
    text = text[re.search(rf"^{heading}\n[=-]+\n", text, re.M).end() :]  # type: ignore[union-attr]
    table = re.search(r"^\.\. list-table::\n((?:    .*\n|\n)+)", text, re.M)
    assert table is not None, heading
    rows = re.split(r"^    \* - ", table[1], flags=re.M)[1:]
    cells = [re.split(r"^      -(?: |$)", row, flags=re.M) for row in rows]
    return [[" ".join(cell.split()) for cell in row] for row in cells[1:]]
