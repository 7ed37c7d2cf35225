"""The code that the documentation shows, for tests that run it."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

_DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)


def code_of(page: str) -> list[str]:
    """Return the blocks of Python on a page of the documentation, in order."""
    text = (_DOCS / page).read_text() + "\n"
    return [dedent(block) for block in _BLOCK.findall(text)]
