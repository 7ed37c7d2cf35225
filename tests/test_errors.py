"""The guard: what it swallows, what it passes on, and what it tells."""

from __future__ import annotations

import logging
import signal

import pytest

from flask_errtrack import errors
from flask_errtrack.errors import guard, is_own_work, own_work


@pytest.mark.swallows_errors
def test_the_guard_swallows_an_exception_and_tells_what_was_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with guard("counting sheep") as attempt:
        raise ValueError("out of sheep")
    assert isinstance(attempt.error, ValueError)
    (record,) = caplog.records
    assert record.name == "flask_errtrack" and record.levelno == logging.ERROR
    assert record.getMessage() == (
        "Flask-ErrTrack failed while counting sheep: ValueError: "
        "the app is not affected"
    )
    assert record.exc_info is not None and record.exc_info[1] is attempt.error


@pytest.mark.swallows_errors
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_the_guard_lets_pass_what_ends_a_program(kind: type[BaseException]) -> None:
    attempt = guard("anything")
    with pytest.raises(kind), attempt:
        raise kind()
    assert attempt.error is None


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="POSIX has alarms")
@pytest.mark.swallows_errors
def test_the_guard_lets_pass_that_a_time_limit_is_up() -> None:
    class TimeIsUp(Exception):
        pass

    class Limit:
        def is_up(self, *_: object) -> None:
            raise TimeIsUp

    before = signal.signal(signal.SIGALRM, Limit().is_up)
    try:
        with pytest.raises(TimeIsUp), guard("capturing an exception"), own_work():
            signal.raise_signal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not is_own_work()


def test_a_block_that_works_leaves_no_error() -> None:
    with guard("anything") as attempt:
        pass
    assert attempt.error is None


def test_in_tests_of_the_package_the_guard_passes_errors_on() -> None:
    with pytest.raises(ValueError, match="shown"), guard("anything"):
        raise ValueError("shown")


@pytest.mark.swallows_errors
def test_the_log_of_the_guard_is_own_work() -> None:
    seen: list[bool] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(is_own_work())

    handler = Handler()
    errors.logger.addHandler(handler)
    try:
        with guard("anything"):
            raise ValueError
    finally:
        errors.logger.removeHandler(handler)
    assert seen == [True] and not is_own_work()


def test_own_work_ends_also_when_it_fails() -> None:
    with pytest.raises(ValueError), own_work():
        assert is_own_work()
        raise ValueError
    assert not is_own_work()


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (errors.ConfigError, (errors.ErrTrackError, ValueError)),
        (errors.BadDsn, (errors.ConfigError,)),
        (errors.SeveralApps, (errors.ErrTrackError, RuntimeError)),
        (errors.EnvelopeError, (errors.ErrTrackError, ValueError)),
        (errors.StoreError, (errors.TransportError,)),
        (errors.TransportError, (errors.ErrTrackError,)),
        (errors.Refused, (errors.ErrTrackError,)),
    ],
)
def test_the_tree_of_errors_is_the_documented_one(
    kind: type[Exception], bases: tuple[type[Exception], ...]
) -> None:
    assert kind.__bases__ == bases
    assert kind.__name__ in (errors.__doc__ or "")


def test_a_transport_error_knows_how_long_to_wait() -> None:
    assert errors.TransportError("busy").retry_after_seconds is None
    assert errors.StoreError("busy", 3.5).retry_after_seconds == 3.5


@pytest.mark.swallows_errors
def test_the_guard_swallows_what_the_log_of_the_host_raises() -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise LookupError("the disk is full")

    handler = Handler()
    errors.logger.addHandler(handler)
    try:
        with guard("anything") as attempt:
            raise ValueError
    finally:
        errors.logger.removeHandler(handler)
    assert type(attempt.error) is ValueError
