"""What one can choose on a list, and where in it one is.

Every choice is a link: ``arguments`` are those of its address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

PAGE_SIZE = 25
MAX_PAGE = 10_000


@dataclass(frozen=True)
class Option:
    """One value of a filter or of the order; ``arguments`` lead to it."""

    label: str
    arguments: Mapping[str, str]
    is_current: bool
    count: int | None = None


@dataclass(frozen=True)
class Menu:
    """A filter, or the order: what is chosen, and what else there is."""

    name: str
    current: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Paging:
    """Where in a list one is; ``first`` and ``last`` count from 1."""

    first: int
    last: int
    total: int
    previous: Mapping[str, str] | None
    next: Mapping[str, str] | None


def page_number(asked: int) -> int:
    """Return the number of a page that can be."""
    return min(max(asked, 1), MAX_PAGE)


def paging_of(
    page: int, shown: int, total: int, arguments: Callable[..., Mapping[str, str]]
) -> Paging:
    """Return where a page is; ``arguments(page="2")`` lead to another one."""
    before = (page - 1) * PAGE_SIZE
    return Paging(
        first=before + 1 if shown else 0,
        last=before + shown,
        total=total,
        previous=arguments(page=str(page - 1)) if page > 1 else None,
        next=arguments(page=str(page + 1)) if before + shown < total else None,
    )
