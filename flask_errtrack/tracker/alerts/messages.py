"""What an alert says: subject and text, for one issue or for many at once.

Pure. Titles and places were written by whoever sent the event: they become single
lines, and call nobody in a chat.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...words import count, one_line, rfc3339

MAX_ISSUES_IN_TEXT = 20
_MAX_TITLE = 200
# Chats that read these call everybody in the room, or hide where a link leads.
_CALL = re.compile(
    r"@(?=everyone|here|channel|all\b)|<(?=[!@#]|https?:)|\](?=[(\[])", re.IGNORECASE
)


@dataclass(frozen=True)
class AlertedIssue:
    """One issue that people are told of, and by which rule.

    ``place`` is its function or route, ``url`` its page: empty if nobody said where
    the dashboard is. Times are seconds since 1970.
    """

    rule: str
    issue_id: int
    title: str
    place: str
    level: str
    project: str
    environment: str
    release: str
    events: int
    users: int
    first_seen: float
    last_seen: float
    url: str


@dataclass(frozen=True)
class Alert:
    """What people are told: one issue, or several at once; none in a test."""

    subject: str
    text: str
    issues: tuple[AlertedIssue, ...] = ()


TEST_ALERT = Alert(
    "ErrTrack: a test",
    "This is a test: alerts about this app's errors arrive here.",
)


def alert_of(issues: Sequence[AlertedIssue]) -> Alert:
    """Return what to say about some issues; there is at least one."""
    if len(issues) == 1:
        (one,) = issues
        subject = f"{one.rule.capitalize()}: {_line(one.title)}"
        return Alert(_line(subject), "\n".join(_lines(one)), (one,))
    names = ", ".join(dict.fromkeys(_line(one.project) for one in issues))
    subject = _line(f"{count(len(issues), 'alert')} in {names}")
    shown = issues[:MAX_ISSUES_IN_TEXT]
    paragraphs = [
        "\n".join([f"{one.rule.capitalize()}:", *_lines(one)]) for one in shown
    ]
    if left := len(issues) - len(shown):
        paragraphs.append(f"… and {left} more on the dashboard.")
    return Alert(subject, "\n\n".join(paragraphs), tuple(issues))


def _lines(one: AlertedIssue) -> list[str]:
    where = [one.project, one.environment, one.release]
    seen = f"{count(one.events, 'event')}, {count(one.users, 'user')}"
    lines = [
        _line(one.title),
        _line(f"in {one.place}") if one.place else "",
        _line(" · ".join(text for text in where if text)),
        f"{seen}, since {rfc3339(one.first_seen)}",
        one.url or f"Issue {one.issue_id} on the dashboard",
    ]
    return [line for line in lines if line]


def _line(text: str) -> str:
    return _CALL.sub(lambda found: f"{found[0]} ", one_line(text, _MAX_TITLE))
