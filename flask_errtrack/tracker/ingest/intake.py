"""What becomes of each item of an envelope: stored, counted, or told what is wrong.

Owns which types are kept, and under which names the others are counted. Knows nothing
of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import Refused
from ...event import Event
from ...privacy.scrub import Scrubber
from ...protocol.envelope import Envelope, Item
from ..projects import Project
from ..store import Store
from ..tally import Tallies
from .problems import OverQuota, Problem, TooLarge
from .quota import Quota
from .reading import Reading, read_object

MAX_ITEM_BYTES = 2**20

#: The types that are stored, each with the protocol's category of it.
CATEGORIES = {
    "event": "error",
    "user_report": "default",
    "feedback": "feedback",
    "check_in": "monitor",
}
# Each is an event with an id of its own.
_EVENTS = ("event", "feedback")
# What is counted by its name; a client may send any other, which are counted as one.
_SKIPPED = frozenset(
    """
    attachment log metric_buckets metric_meta profile profile_chunk
    raw_security replay_event replay_recording replay_video session sessions span statsd
    trace_metric transaction unreal_report
    """.split()
)
_OTHER = "other"
# What clients lose of these would have been kept.
_LOST_CATEGORIES = frozenset(CATEGORIES.values())
_LOST_REASONS = frozenset(
    """
    backpressure before_send buffer_overflow cache_overflow event_processor ignored
    insufficient_data internal_sdk_error invalid network_error queue_overflow
    ratelimit_backoff sample_rate send_error too_large
    """.split()
)
_EVENT_ID = re.compile("[0-9a-f]{32}")


class Intake:
    """Takes in what came for a project.

    :param quota: what may come in a time.
    :param tallies: counts what is not stored.
    """

    def __init__(self, store: Store, quota: Quota, tallies: Tallies) -> None:
        self._store = store
        self._quota = quota
        self._tallies = tallies
        self._scrubber = Scrubber()

    def take(self, reading: Reading, project: Project) -> str | None:
        """Store what can be stored; return the id of the event, if there is one.

        Everything before a fault is kept, and what follows one item that is wrong.

        :raises Problem: of all that was wrong, what the sender most needs to know.
        :raises StoreError: if the database cannot be used now.
        """
        ids = _ids_of(reading.envelope)
        sent_at = reading.envelope.headers.get("sent_at")
        problems: list[Problem] = []
        first_id: str | None = None
        for item in reading.envelope.items:
            try:
                event_id = self._take_item(item, project, ids, sent_at)
                first_id = first_id or event_id
            except Problem as error:
                problems.append(error)
        if reading.problem is not None:
            problems.append(reading.problem)
        for problem in problems:
            self.refuse(problem, project)
        if problems:
            raise max(problems, key=lambda problem: problem.status)
        return first_id or ids.get("user_report")

    def refuse(self, problem: Problem, project: Project) -> None:
        """Count what is not taken."""
        self._tallies.count(project.id, "refused", problem.reason)

    def _take_item(
        self, item: Item, project: Project, ids: Mapping[str, str], sent_at: object
    ) -> str | None:
        """Return the id under which it is stored; None if it is only counted."""
        if item.type == "client_report":
            self._count_lost(item, project)
            return None
        category = CATEGORIES.get(item.type)
        if category is None:
            name = item.type if item.type in _SKIPPED else _OTHER
            self._tallies.count(project.id, "skipped", name)
            return None
        if len(item.payload) > MAX_ITEM_BYTES:
            raise TooLarge(
                f"the payload of the {item.type} has {len(item.payload)} bytes; "
                f"expected {MAX_ITEM_BYTES} at most"
            )
        if not self._quota.admits(project.public_key, category):
            raise OverQuota("more came than may come in a minute", category)
        try:
            recorded = self._store.record(
                item, project.id, self._made_safe, ids.get(item.type), sent_at
            )
        except Refused as error:
            raise Problem(str(error)) from error
        except RecursionError:
            raise Problem(
                f"the payload of the {item.type} is nested too deep"
            ) from None
        return None if recorded is None else recorded.event_id

    def _made_safe(self, event: Event) -> Event:
        """An event without secrets, as the client of ours makes it."""
        safe = self._scrubber.scrub(event)
        if contexts := safe.get("contexts"):
            # One whose name tells of a secret is now a text.
            safe["contexts"] = {
                name: one for name, one in contexts.items() if isinstance(one, dict)
            }
        return safe

    def _count_lost(self, item: Item, project: Project) -> None:
        report = read_object(item.payload, "the payload of the client_report")
        discarded = report.get("discarded_events")
        for entry in discarded if isinstance(discarded, list) else []:
            match entry:
                case {"reason": str(reason), "category": str(category)}:
                    quantity = entry.get("quantity", 1)
                case _:
                    continue
            if category in _LOST_CATEGORIES and type(quantity) is int and quantity > 0:
                name = reason if reason in _LOST_REASONS else _OTHER
                self._tallies.count(project.id, "lost", name, quantity)


def _ids_of(envelope: Envelope) -> dict[str, str]:
    """The id in an envelope's header, by the types of the items that have it.

    Several events keep their own: they are not one and the same.
    """
    event_id = _plain_id(envelope.headers.get("event_id"))
    if event_id is None:
        return {}
    events = [item.type for item in envelope.items if item.type in _EVENTS]
    own = {events[0]: event_id} if len(events) == 1 else {}
    return own | {"user_report": event_id}


def _plain_id(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    plain = value.strip().replace("-", "").lower()
    return plain if _EVENT_ID.fullmatch(plain) else None
