"""Asks the results for figures: of one contestant, in relation, the worst of many."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .results import Result, Results
from .tables import by_case

OURS = "Flask-ErrTrack"
_PEERS = ("sentry-sdk", "rollbar", "bugsnag", "honeybadger")
_OF = r"delivered of ([\d,]+)"
_MARGIN = 1.1
_MORE_IS_BETTER = ("delivered", "counted", "share")


@dataclass(frozen=True)
class Found:
    """All figures, by part and case."""

    cases: dict[tuple[str, str], list[Result]]

    @classmethod
    def of(cls, results: Results) -> Found:
        """Return the figures of a file."""
        return cls(by_case(results.results))

    def case(self, part: str, case: str) -> list[Result]:
        """Return the figures of a case, or of the only one that begins like that."""
        exact = self.cases.get((part, case))
        if exact is not None:
            return exact
        alike = [
            found
            for (its_part, its_case), found in self.cases.items()
            if its_part == part and its_case.startswith(case)
        ]
        return alike[0] if len(alike) == 1 else []

    def one(self, part: str, case: str, contestant: str) -> Result | None:
        """Return a figure, or None where none was measured."""
        for result in self.case(part, case):
            if result.contestant == contestant and result.median is not None:
                return result
        return None

    def median(self, part: str, case: str, contestant: str) -> float | None:
        """Return a median, or None where none was measured."""
        result = self.one(part, case, contestant)
        return None if result is None else result.median

    def times(self, part: str, case: str, contestant: str, other: str) -> float | None:
        """Return how many times the other's figure a contestant's is."""
        mine = self.median(part, case, contestant)
        theirs = self.median(part, case, other)
        return None if mine is None or not theirs else mine / theirs

    def whole(self, part: str, case: str) -> int:
        """Return of how many a case tells what was delivered; 0: it does not say."""
        told = re.search(_OF, self.case(part, case)[0].case)
        return int(told[1].replace(",", "")) if told else 0

    def delivered(self, part: str, ending: str, contestant: str) -> list[float]:
        """Return the shares that were delivered, of all cases with such an ending."""
        return [
            found / self.whole(part, case)
            for its_part, case in self.cases
            if its_part == part
            and re.search(f"{_OF}{ending}$", case)
            and (found := self.median(part, case, contestant)) is not None
        ]

    def where_a_peer_is_better(self) -> list[tuple[Result, Result]]:
        """Return each figure of a peer that is better than ours, beside ours.

        Better is what is better by a tenth, and beyond the spread of both.
        """
        return [
            (one, mine)
            for every in self.cases.values()
            if (mine := _ours(every)) is not None
            for one in every
            if one.contestant.startswith(_PEERS) and _is_better(one, mine)
        ]


def is_more_better(one: Result) -> bool:
    """Tell whether a larger figure of the case is the better one."""
    return one.unit == "/s" or any(word in one.case for word in _MORE_IS_BETTER)


def is_ours(contestant: str) -> bool:
    """Tell whether it is Flask-ErrTrack."""
    return contestant.startswith(OURS)


def _ours(every: Sequence[Result]) -> Result | None:
    """Return what peers are compared with: what sends, as they do, if there is one."""
    mine = [one for one in every if is_ours(one.contestant) and one.median is not None]
    sending = [one for one in mine if one.contestant.endswith("DSN")]
    return next(iter(sending or mine), None)


def _is_better(one: Result, mine: Result) -> bool:
    smaller, larger = (mine, one) if is_more_better(one) else (one, mine)
    if smaller.median is None or larger.median is None:
        return False
    # What was counted is exact.
    margin = _MARGIN if one.unit else 1.0
    is_beyond_spread = _bound(smaller, smaller.high) < _bound(larger, larger.low)
    return is_beyond_spread and smaller.median * margin < larger.median


def _bound(one: Result, bound: float | None) -> float:
    assert one.median is not None
    return one.median if bound is None else bound
