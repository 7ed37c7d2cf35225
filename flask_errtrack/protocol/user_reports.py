"""What a person wrote about an event, in the two forms that the protocol has.

A ``user_report`` is a few fields, which every server knows. ``feedback`` is an event of
its own ("User Feedback"), which newer servers prefer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..event import Event, UserReport
from ..reading.exceptions import new_event

#: What Sentry takes; it refuses a longer report, and the words would be lost.
MAX_COMMENTS_CHARS = 4096

# How a report calls what the context ``feedback`` has.
_NAMES = {"name": "name", "email": "contact_email", "comments": "message"}


def feedback_event(report: UserReport, make_safe: Callable[[Event], Event]) -> Event:
    """Return a report as an event of its own.

    :param make_safe: completes and scrubs an event.
    """
    event = new_event("info")
    feedback = {new: report[old] for old, new in _NAMES.items() if old in report}  # type: ignore[literal-required]
    event["contexts"] = {"feedback": {**feedback, "source": "flask-errtrack"}}
    event = make_safe(event)
    feedback = event["contexts"]["feedback"]
    # What is redacted may be longer than before.
    feedback["message"] = feedback["message"][:MAX_COMMENTS_CHARS]
    # Not scrubbed: the digits of an id may look like those of a card.
    feedback["associated_event_id"] = report["event_id"]
    return event


def report_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a report from an event, which may be of any shape.

    Feedback about no event is a report about itself, so that it is not lost.
    """
    contexts = event.get("contexts")
    found = contexts.get("feedback") if isinstance(contexts, dict) else None
    feedback = found if isinstance(found, dict) else {}
    report = {old: feedback[new] for old, new in _NAMES.items() if new in feedback}
    event_id = feedback.get("associated_event_id") or event.get("event_id")
    return {"event_id": event_id, **report}
