"""What issues on the list have in common: the values of their tags, as links.

Each link narrows the search to a value, or takes that back. Knows no SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from ....words import one_line
from ...database.rows import Record
from ...search.language import tag_key
from ...search.terms import Query
from ...storing.counting import OTHER_VALUES, TAG_FIELDS

_MAX_KEYS = 10
_MAX_LABEL_LENGTH = 60


@dataclass(frozen=True)
class FacetValue:
    """A value with its share, in words and in percent; no ``arguments``: no link."""

    label: str
    share: str
    percent: int
    arguments: Mapping[str, str] | None
    is_current: bool


@dataclass(frozen=True)
class Facet:
    """A tag with its most frequent values; there are so many ``more``."""

    label: str
    values: tuple[FacetValue, ...]
    more: int


def facets_of(
    rows: Sequence[Record], query: Query, arguments: Callable[..., Mapping[str, str]]
) -> tuple[Facet, ...]:
    """Return facets, those that every event has first.

    :param rows: as :func:`...queries.finding.facets` has them.
    :param arguments: ``arguments(q="…")`` lead to another search.
    """
    by_key = [(key, list(group)) for key, group in groupby(rows, key=attrgetter("key"))]
    # The sort is stable: after these, what most events have.
    by_key.sort(key=lambda found: _place(found[0]))
    return tuple(
        _facet(key, values, query, arguments) for key, values in by_key[:_MAX_KEYS]
    )


def share_words(events: int, total: int) -> str:
    """Say which part of a total some events are: ``12 %``."""
    percent = round(100 * events / total)
    return f"{percent} %" if percent or not events else "< 1 %"


def _place(key: str) -> int:
    return TAG_FIELDS.index(key) if key in TAG_FIELDS else len(TAG_FIELDS)


def _facet(
    key: str,
    rows: Sequence[Record],
    query: Query,
    arguments: Callable[..., Mapping[str, str]],
) -> Facet:
    name = tag_key(key)
    current = query.only_value(name)
    values = []
    for row in rows:
        is_current = row.value == current
        is_rest = row.value == OTHER_VALUES
        search = query.with_value(name, "" if is_current else row.value)
        values.append(
            FacetValue(
                "other values" if is_rest else one_line(row.value, _MAX_LABEL_LENGTH),
                share_words(row.events, row.total),
                round(100 * row.events / row.total),
                None if is_rest else arguments(q=search),
                is_current,
            )
        )
    label = one_line(key, _MAX_LABEL_LENGTH)
    return Facet(label, tuple(values), rows[0].values - len(rows))
