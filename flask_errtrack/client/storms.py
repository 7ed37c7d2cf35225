"""When an error that nobody handles comes again and again, its later events carry less.

Each is still an event, with its stack, request and user: nothing goes uncounted. Only
what takes most of the time, and is much the same each time, is left out. What somebody
captures or logs on purpose is always whole.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ..event import Event, Mechanism
from ..notes import note
from ..reading.exceptions import event_from_exception
from ..reading.stacktrace import StackReader

#: So many events of one error have local variables in a second.
WITH_VARIABLES = 5
_WINDOW_SECONDS = 1.0


class Storms:
    """Reads exceptions: whole, as long as they are not too many of one kind.

    :param reader: reads as the options say.
    :param now: seconds of a clock that never goes back.
    """

    def __init__(
        self, reader: StackReader, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._whole = reader
        self._brief = replace(reader, with_variables=False)
        self._now = now
        self._window_ends = 0.0
        self._seen: Counter[int] = Counter()

    def event_of(self, error: BaseException, mechanism: Mechanism) -> Event:
        """Return the event of an exception, as ``event_from_exception`` does."""
        is_whole = mechanism.get("handled", True) or not self._whole.with_variables
        if is_whole or self._count(error) <= WITH_VARIABLES:
            return event_from_exception(error, self._whole, mechanism)
        event = event_from_exception(error, self._brief, mechanism)
        why = f"only the first {WITH_VARIABLES} of this error in a second have them"
        note(event, "left_out", "local variables", why)
        return event

    def _count(self, error: BaseException) -> int:
        """Tell how often such an error came within the second."""
        now = self._now()
        if now >= self._window_ends:
            self._window_ends = now + _WINDOW_SECONDS
            self._seen = Counter()
        key = _key_of(error)
        self._seen[key] += 1
        return self._seen[key]


def _key_of(error: BaseException) -> int:
    """The same for errors of one class that took the same way."""
    kinds = (type(error), type(error.__cause__), type(error.__context__))
    # By their identity: a class may have no hash, and that of code is long to find.
    places = [id(kind) for kind in kinds]
    step = error.__traceback__
    while step is not None:
        places += (id(step.tb_frame.f_code), step.tb_lasti)
        step = step.tb_next
    return hash(tuple(places))
