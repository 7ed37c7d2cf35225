"""The status page: how the tracker itself is, in words.

Knows no route and no SQL; the numbers come from ``status`` and from whoever delivers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...words import count, duration, moment, number, one_line, size
from ..status import TALLY_HOURS, Status

_MAX_TEXT = 300
_KINDS = {
    "refused": "Refused",
    "skipped": "Not kept here",
    "lost": "Lost by a sender",
}
# What is counted under the protocol's words, in those of people.
_REASONS = {
    "refused": {
        "malformed": "cannot be read",
        "key": "wrong or missing key",
        "encoding": "unknown compression",
        "quota": "over the quota",
    },
    "skipped": {
        "attachment": "attachments",
        "log": "log lines",
        "metric_buckets": "metrics",
        "metric_meta": "metrics",
        "profile": "profiles",
        "profile_chunk": "profiles",
        "raw_security": "security reports",
        "replay_event": "session replays",
        "replay_recording": "session replays",
        "replay_video": "session replays",
        "session": "sessions",
        "sessions": "sessions",
        "span": "spans (performance)",
        "statsd": "metrics",
        "trace_metric": "metrics",
        "transaction": "transactions (performance)",
        "unreal_report": "crash reports",
    },
}


@dataclass(frozen=True)
class Fact:
    """One thing to know; ``exact`` is shown when one asks for it."""

    name: str
    text: str
    exact: str = ""
    is_bad: bool = False


@dataclass(frozen=True)
class Group:
    """Facts about one thing."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class StatusPage:
    """How the tracker is; ``problems`` is what somebody should look at."""

    problems: tuple[str, ...]
    groups: tuple[Group, ...]


def status_page(status: Status, delivery: Mapping[str, Any], now: float) -> StatusPage:
    """Return the status page.

    :param delivery: how delivery from this app goes, as ``/health`` tells it; empty
        if nothing is delivered from here.
    """
    groups = (
        Group("Database", tuple(_database(status))),
        Group("Events", tuple(_events(status, now))),
        Group(f"Not stored, last {TALLY_HOURS // 24} days", tuple(_tallies(status))),
        Group("Alerts", tuple(_alerts(status))),
        Group("Delivery from this app", tuple(_delivery(delivery))),
    )
    return StatusPage(
        tuple(_problems(status, delivery)),
        tuple(group for group in groups if group.facts),
    )


def _problems(status: Status, delivery: Mapping[str, Any]) -> Iterator[str]:
    if delivery.get("problem"):
        yield f"Events are not delivered: {_line(delivery['problem'])}"
    if status.alerts_failed:
        failed = count(status.alerts_failed, "alert")
        yield f"{failed} could not be sent: {_line(status.alert_problem)}"


def _database(status: Status) -> Iterator[Fact]:
    yield Fact("Kind", status.database)
    yield Fact("Size", size(status.size_bytes), f"{status.size_bytes:,} bytes")
    if status.free_bytes:
        yield Fact("Of it free", size(status.free_bytes))
    yield Fact("Tables", f"version {status.schema_version}")


def _events(status: Status, now: float) -> Iterator[Fact]:
    for name, value in (
        ("Issues", status.issues),
        ("Events counted", status.events_counted),
        ("Events kept", status.events_kept),
    ):
        yield Fact(name, number(value), f"{value:,}")
    for name, at in (
        ("Oldest event", status.oldest_event_at),
        ("Newest event", status.newest_event_at),
    ):
        if at is not None:
            when = moment(at, now)
            yield Fact(name, when.ago, when.exact)


def _tallies(status: Status) -> Iterator[Fact]:
    counts: Counter[tuple[str, str]] = Counter()
    for one in status.tallies:
        words = _REASONS.get(one.kind, {}).get(one.reason, one.reason)
        counts[one.kind, words] += one.quantity
    for (kind, words), quantity in counts.items():
        kind_words = _KINDS.get(kind, kind.capitalize())
        name = f"{kind_words}: {_line(words.replace('_', ' '))}"
        yield Fact(name, number(quantity), f"{quantity:,}", kind == "lost")
    if not counts:
        yield Fact("Nothing", "all that came is here")


def _alerts(status: Status) -> Iterator[Fact]:
    yield Fact("Waiting", number(status.alerts_waiting))
    is_bad = bool(status.alerts_failed)
    yield Fact("Could not be sent", number(status.alerts_failed), is_bad=is_bad)
    if status.alert_problem:
        yield Fact("Last problem", _line(status.alert_problem), is_bad=True)


def _delivery(delivery: Mapping[str, Any]) -> Iterator[Fact]:
    if "waiting" in delivery:
        yield Fact("Waiting", number(delivery["waiting"]))
        yield Fact("Their size", size(delivery["waiting_bytes"]))
        if delivery["oldest_seconds"] is not None:
            yield Fact("The oldest waits for", duration(delivery["oldest_seconds"]))
        yield Fact("Set aside", number(delivery["set_aside"]))
    for reason, quantity in sorted(delivery.get("dropped", {}).items()):
        name = f"Dropped: {_line(reason.replace('_', ' '))}"
        yield Fact(name, number(quantity), f"{quantity:,}", is_bad=True)
    if delivery.get("problem"):
        yield Fact("Problem", _line(delivery["problem"]), is_bad=True)


def _line(text: str) -> str:
    return one_line(text, _MAX_TEXT)
