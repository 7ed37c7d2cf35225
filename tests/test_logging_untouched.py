"""Nobody's logging changes while a client looks on."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeApp
from flask import Flask
from places import Broken, fail

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport

logger = logging.getLogger("shop.stock")


class FailingHandler(logging.Handler):
    """A handler that lets its fault out."""

    def emit(self, record: logging.LogRecord) -> None:
        fail()


def test_a_handler_that_fails_fails_as_before_and_the_record_is_seen(
    app: Flask, sent: MemoryTransport
) -> None:
    failing = FailingHandler()
    logger.addHandler(failing)
    with pytest.raises(Broken):
        logger.error("seen")
    logger.removeHandler(failing)
    assert len(sent.events) == 1


def test_logger_is_as_it_was_once_the_last_client_is_closed(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    original = logging.Logger.callHandlers
    first, second = ErrTrack(), ErrTrack()
    make_app(errtrack=first, transport=sent)
    make_app(errtrack=second, transport=sent)
    assert logging.Logger.callHandlers is not original
    first.close()
    assert logging.Logger.callHandlers is not original
    logger.error("seen by the second")
    second.close()
    second.close()
    assert logging.Logger.callHandlers is original
    logger.error("seen by none")
    assert len(sent.events) == 1


def test_a_wrap_of_somebody_else_around_ours_stays(
    make_app: MakeApp, sent: MemoryTransport
) -> None:
    original = logging.Logger.callHandlers
    first, second = ErrTrack(), ErrTrack()
    make_app(errtrack=first, transport=sent)
    ours: Any = logging.Logger.callHandlers
    seen: list[str] = []

    def theirs(self: logging.Logger, record: logging.LogRecord) -> None:
        seen.append(record.getMessage())
        ours(self, record)

    logging.Logger.callHandlers = theirs  # type: ignore[method-assign]
    try:
        first.close()
        assert logging.Logger.callHandlers is theirs
        logger.error("without us")
        make_app(errtrack=second, transport=sent)
        logger.error("with us")
    finally:
        logging.Logger.callHandlers = ours  # type: ignore[method-assign]
        second.close()
    assert seen == ["without us", "with us"]
    assert len(sent.events) == 1
    assert logging.Logger.callHandlers is original


COMMON = """
import logging, tempfile
from flask import Flask
from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport
sent = MemoryTransport()
app = Flask("shop", instance_path=tempfile.mkdtemp())
ErrTrack(app, transport=sent)
"""


def output_of(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COMMON + code],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # basicConfig does nothing where the root logger has handlers.
        (
            "logging.basicConfig(format='<%(message)s>')\n"
            "logging.getLogger('a').error('one')",
            "<one>\n",
        ),
        # Without any handler, lastResort prints warnings.
        ("logging.getLogger('a').warning('one')", "one\n"),
        ("logging.getLogger('a').info('one')", ""),
    ],
)
def test_logging_prints_what_it_prints_without_us(
    tmp_path: Path, code: str, expected: str
) -> None:
    assert output_of(code, tmp_path) == expected


def test_flask_still_adds_its_default_handler(tmp_path: Path) -> None:
    printed = output_of("app.logger.error('one')", tmp_path)
    assert "ERROR in" in printed
    assert printed.count("one") == 1
