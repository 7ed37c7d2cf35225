"""What the state of an outbox is in words, for doctor and ``flask errtrack outbox``.

Pure functions of what ``transports.stock`` has found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..protocol.drops import by_reason
from ..transports.ledger import ALL, MAX_TEXT, Page, Pause
from ..transports.stock import Stock
from ..words import ago, duration, number, one_line, size

# A loss that is older is told, but is no fault of today any more.
_RECENT_SECONDS = 7 * 24 * 3600.0

#: What to do about what was set aside.
SET_ASIDE_MEND = (
    "`flask errtrack outbox --set-aside` tells why; with --send it is tried again, "
    "with --drop deleted."
)
# What each reason means, and how to keep it from happening again.
_LOSSES = {
    "queue_overflow": (
        "the outbox was full",
        "Mend what keeps it from being emptied, or raise outbox_max_bytes.",
    ),
    "send_error": (
        "refused for good",
        "Do what the refusal says; `flask errtrack test` shows whether it helped.",
    ),
    "expired": (
        "waited for thirty days",
        "Mend the way to where the events go: what waits longer is deleted.",
    ),
    "set_aside": ("set aside, as it could not be delivered", SET_ASIDE_MEND),
}
_WISHES = {
    "sample_rate": "left out by sample_rate",
    "before_send": "left out by before_send",
    "ignored": "left out by ignore_exceptions",
    "discarded": "deleted by `flask errtrack outbox --drop`",
}


@dataclass(frozen=True)
class Loss:
    """What was dropped for one reason, in words."""

    text: str
    #: How to mend it; empty where the app, or a person, wanted it so.
    mend: str
    #: Nobody wanted it, and it is not long ago.
    is_fault: bool


def waiting_in_words(stock: Stock, max_bytes: int, now: float) -> str:
    """Say how much waits, for how long, and how much room is taken."""
    if not stock.waiting:
        return "nothing waits"
    text = f"{number(stock.waiting)} waiting"
    if stock.oldest_at is not None:
        text += f", the oldest for {_time_since(stock.oldest_at, now)}"
    used_bytes = stock.waiting_bytes + stock.set_aside_bytes
    return f"{text}; {size(used_bytes)} of {size(max_bytes)} used"


def problems_in_words(stock: Stock, now: float) -> list[str]:
    """Say what keeps the outbox from being emptied, and until when."""
    return [_problem(*found, now) for found in stock.problems(now).items()]


def losses_in_words(page: Page, now: float) -> Iterator[Loss]:
    """Say what was dropped on this host, a reason each."""
    for reason, quantity in by_reason(page.dropped).most_common():
        meaning, mend = _LOSSES.get(reason, (_WISHES.get(reason, reason), ""))
        at = page.dropped_at.get(reason, 0.0)
        text = f"{number(quantity)} {one_line(meaning, 60)}"
        if at:
            text += f", the last {ago(max(now - at, 0))}"
        if reason == "send_error" and page.refusal:
            text += f": {one_line(page.refusal, MAX_TEXT)}"
        is_fault = reason in _LOSSES and now - at < _RECENT_SECONDS
        yield Loss(text, mend, is_fault)


def _problem(key: str, pause: Pause, now: float) -> str:
    what = "nothing" if key == ALL else f"nothing of the category {one_line(key, 40)}"
    problem = one_line(pause.problem, MAX_TEXT)
    left_seconds = pause.left_seconds(now)
    due = f" in {duration(left_seconds)}" if left_seconds > 0 else " now"
    since = _time_since(pause.since, now)
    return f"{what} has passed for {since}: {problem}; the next try is due{due}"


def _time_since(then: float, now: float) -> str:
    return duration(max(now - then, 0))
