"""How long what failed has to wait."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flask_errtrack.errors import TransportError
from flask_errtrack.transports.backoff import (
    MAX_STRIKES,
    Backoff,
    pause_seconds,
)
from flask_errtrack.transports.ledger import ALL, MAX_PAUSE_SECONDS, Page, Pause

BUSY = TransportError("busy")


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def left(page: Page, category: str = "error") -> float:
    return page.left_seconds(category, time.time())


def is_paused_for(page: Page, since: float, least: float, most: float) -> bool:
    """Tell whether the pause that began after ``since`` takes so many seconds."""
    return since + least <= page.pauses[ALL].until <= time.time() + most


def is_over(page: Page) -> None:
    """Let every pause have ended."""
    for key, pause in page.pauses.items():
        page.pauses[key] = pause._replace(until=1.0)


def test_pauses_grow_to_a_limit_and_are_jittered() -> None:
    plain = [pause_seconds(n, jitter=middle) for n in (0, 1, 2, 3, 4, 5, 6, 1000)]
    assert plain == [1, 2, 4, 8, 16, 30, 30, 30]
    assert pause_seconds(0, jitter=lambda low, high: low) == 0.8
    assert pause_seconds(9, jitter=lambda low, high: high) == 36
    assert len({pause_seconds(2) for _ in range(9)}) > 1


def test_while_nothing_passes_the_pauses_of_all_processes_grow_together() -> None:
    page, began = Page(), time.time()
    for backoff in (Backoff(), Backoff(), Backoff()):
        backoff.pause(page, BUSY)
    assert page.pauses[ALL].failures == 3
    assert is_paused_for(page, began, 4 * 0.8, 4 * 1.2)


def test_what_passes_ends_a_pause() -> None:
    page, backoff = Page(), Backoff()
    backoff.pause(page, BUSY)
    backoff.passed(page, "error")
    assert not page.pauses and left(page) == 0


def test_the_time_that_a_receiver_asks_for_is_the_least() -> None:
    page, began = Page(), time.time()
    Backoff().pause(page, TransportError("slowly", 60))
    assert is_paused_for(page, began, 60, 60)
    page, began = Page(), time.time()
    Backoff().pause(page, TransportError("slowly", 0))
    assert is_paused_for(page, began, 0.8, 1.2)


def test_a_receiver_cannot_silence_a_client_for_longer_than_a_day() -> None:
    page, began = Page(), time.time()
    Backoff().pause(page, TransportError("slowly", 10 * MAX_PAUSE_SECONDS))
    assert is_paused_for(page, began, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS)


def test_a_clock_that_was_set_back_does_not_pause_for_ever() -> None:
    now = time.time()
    page = Page({ALL: Pause(now + 10 * MAX_PAUSE_SECONDS, now, "busy", 1, False)})
    assert left(page) == 0


def test_a_limit_holds_for_its_categories_alone() -> None:
    page = Page()
    Backoff().pause(page, TransportError("slowly", 60, {"error", "monitor"}))
    assert left(page, "error") > 59 and left(page, "monitor") > 59
    assert left(page, "feedback") == 0 == left(page, ALL)


def test_what_waited_as_asked_goes_slowly_until_nothing_waits() -> None:
    page, backoff = Page(), Backoff(1.0)
    assert backoff.spacing_seconds(page, "error") == 0
    backoff.pause(page, TransportError("slowly", 60, {"error"}))
    is_over(page)
    assert backoff.spacing_seconds(page, "feedback") == 0
    spacings = [backoff.spacing_seconds(page, "error") for _ in range(6)]
    assert spacings == [1, 0.5, 0.25, 0.125, 0.1, 0.1]
    backoff.passed(page, "error")
    backoff.drained(page, {"error", "feedback"})
    assert backoff.spacing_seconds(page, "error") == 0.1
    backoff.drained(page, {"feedback"})
    assert backoff.spacing_seconds(page, "error") == 0


def test_a_pause_that_holds_is_kept_though_nothing_waits() -> None:
    page, backoff = Page(), Backoff()
    backoff.pause(page, TransportError("slowly", 60))
    backoff.drained(page, set())
    assert left(page) > 59


def test_an_envelope_that_fails_among_others_rests_longer_each_time() -> None:
    page, backoff = Page(), Backoff(1.0)
    rests = []
    for _ in range(4):
        assert not backoff.strike("poison")
        rests.append(backoff.wait_seconds(page) or 0)
    assert backoff.has_to_wait(page, "poison", "error")
    assert not backoff.has_to_wait(page, "other", "error")
    assert rests == pytest.approx([1, 2, 4, 8], rel=0.3)


def test_an_envelope_that_fails_too_often_is_given_up() -> None:
    backoff = Backoff()
    verdicts = [backoff.strike("poison") for _ in range(MAX_STRIKES)]
    assert verdicts == [False] * (MAX_STRIKES - 1) + [True]
    backoff.settled("poison")
    assert not backoff.strike("poison")


def test_what_has_failed_least_comes_first() -> None:
    backoff = Backoff()
    for name in ("a", "a", "b"):
        backoff.failed(name)
    assert backoff.in_order(["a", "b", "c", "d"]) == ["c", "d", "b", "a"]


@pytest.mark.parametrize("problem", [OSError("no network"), BUSY])
def test_the_ledger_tells_why_and_since_when(problem: Any) -> None:
    page, backoff = Page(), Backoff()
    backoff.pause(page, problem)
    since = page.pauses[ALL].since
    backoff.pause(page, problem)
    assert page.pauses[ALL].problem == str(problem)
    assert page.pauses[ALL].since == since <= time.time()


def test_a_pause_of_a_clock_that_was_set_back_holds_nothing_up() -> None:
    now = time.time()
    page = Page(
        {
            ALL: Pause(now + 10 * MAX_PAUSE_SECONDS, now, "of tomorrow", 1, True),
            "error": Pause(now + 60, now, "of today", 1, True),
        }
    )
    assert page.left_seconds("error", now) == 60
    Backoff().drained(page, set())
    assert list(page.pauses) == ["error"]
