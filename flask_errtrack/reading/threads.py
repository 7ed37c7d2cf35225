"""The thread in which an event is made, as the protocol's ``threads`` has it.

Owns when it is worth telling: not of the main thread, unless its stack was asked for.
"""

from __future__ import annotations

import threading
from functools import partial
from types import FrameType

from ..event import Event, Thread, exceptions_of
from ..notes import attempt
from .serialize import VARIABLE_LIMITS, Serializer, safe_text
from .stacktrace import StackReader


def add_thread(event: Event, reader: StackReader, frame: FrameType | None) -> None:
    """Add the running thread, which the event's exceptions then name.

    :param frame: the last call of a stack to add; None: the exceptions have theirs.
    """
    attempt(event, "thread", partial(_add, event, reader, frame))


def _add(event: Event, reader: StackReader, frame: FrameType | None) -> None:
    running = threading.current_thread()
    if frame is None and running is threading.main_thread():
        return
    values = list(exceptions_of(event))
    mechanism = values[-1].get("mechanism") if values else None
    is_crashed = mechanism is not None and mechanism.get("handled") is False
    thread = Thread(
        id=threading.get_ident(),
        name=safe_text(running.name, 200),
        current=True,
        crashed=is_crashed,
    )
    if frame is not None:
        stack = reader.read_calls(frame, Serializer(VARIABLE_LIMITS))
        thread["stacktrace"] = {"frames": stack.frames}
    for value in values:
        value["thread_id"] = thread["id"]
    event["threads"] = {"values": [thread]}
