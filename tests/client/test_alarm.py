"""One thread rings for all that waits, and is there only while something does."""

from __future__ import annotations

import logging
import threading
import time

from flask import Flask
from waiting import wait_until

from flask_errtrack import ErrTrack
from flask_errtrack.client.alarm import Alarm
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.stock")


def alarm_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "flask-errtrack-alarm"]


def test_it_rings_at_the_earliest_time_and_again_if_it_is_set_while_it_rings() -> None:
    rung: list[float] = []

    def ring() -> None:
        rung.append(time.monotonic())
        if len(rung) == 1:
            alarm.set(start + 0.2)

    alarm = Alarm(ring)
    start = time.monotonic()
    alarm.set(start + 60)
    alarm.set(start + 0.1)
    alarm.set(start + 30)
    wait_until(lambda: len(rung) == 2)
    assert rung[0] >= start + 0.1
    assert rung[1] >= start + 0.2
    alarm.close()
    assert alarm_threads() == []


def test_a_time_that_is_past_rings_at_once() -> None:
    rung = threading.Event()
    alarm = Alarm(rung.set)
    alarm.set(time.monotonic() - 5)
    wait_until(rung.is_set)
    alarm.close()


def test_however_much_waits_there_is_one_thread_and_none_afterwards(
    app: Flask, sent: MemoryTransport, errtrack: ErrTrack
) -> None:
    for number in range(50):
        try:
            raise LookupError(number)
        except LookupError:
            logger.exception("none left")
    assert len(alarm_threads()) == 1
    errtrack.close()
    assert alarm_threads() == []
    assert len({event["event_id"] for event in sent.events}) == 50
