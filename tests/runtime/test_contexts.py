"""What leaves a ``with`` of ours is what was raised inside, and looks as it did."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from places import Broken, fail

from flask_errtrack import ErrTrack
from flask_errtrack.testing import capture_events
from flask_errtrack.transports import MemoryTransport


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


WAYS: dict[str, Callable[[ErrTrack], AbstractContextManager[Any]]] = {
    "job": lambda errtrack: errtrack.job("import-orders"),
    "monitor": lambda errtrack: errtrack.monitor("import-orders"),
    "push_scope": lambda errtrack: errtrack.push_scope(),
    "configure_scope": lambda errtrack: errtrack.configure_scope(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [Frozen, StopIteration, Broken])
def test_any_exception_goes_on_as_it_came(
    app: Flask,
    sent: MemoryTransport,
    errtrack: ErrTrack,
    way: str,
    kind: Callable[[int], Exception],
) -> None:
    error = kind(17)
    with pytest.raises(type(error)) as caught, app.app_context():
        with WAYS[way](errtrack):
            raise error
    assert caught.value is error
    assert error.__context__ is None
    (event,) = sent.events
    assert event["exception"]["values"][-1]["type"] == type(error).__name__


@pytest.mark.parametrize("way", WAYS)
def test_its_traceback_has_no_step_of_ours(
    app: Flask, errtrack: ErrTrack, way: str
) -> None:
    with pytest.raises(Broken) as caught, app.app_context():
        with WAYS[way](errtrack):
            fail()
    steps = [step.name for step in traceback.extract_tb(caught.value.__traceback__)]
    assert steps == ["test_its_traceback_has_no_step_of_ours", "fail"]


def test_in_a_capture_of_a_test_too(app: Flask) -> None:
    with pytest.raises(Frozen), capture_events(app):
        raise Frozen(17)
