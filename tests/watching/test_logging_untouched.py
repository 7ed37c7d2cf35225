"""Nobody's logging changes while a client looks on."""

from __future__ import annotations

import logging
import re
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
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
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


SAME = """
import logging, logging.config, os, tempfile, threading
from flask import Flask

app = Flask("shop", instance_path=tempfile.mkdtemp())
if os.environ["IS_WATCHED"] == "yes":
    from flask_errtrack import ErrTrack
    from flask_errtrack.transports import MemoryTransport
    errtrack = ErrTrack(app, transport=MemoryTransport())
logger = logging.getLogger("shop.stock")

def everything(text="none left"):
    logger.debug("small")
    logger.info("counted %s", 3, extra={"shelf": 17})
    logger.warning("few left")
    logger.error(text, stack_info=True)
    logger.error("not a number: %d", "seventeen")
    logger.error("%s %s", "too few")
    try:
        {}["no-such-key"]
    except KeyError:
        logger.exception("shelf %(number)s", {"number": 17})
    child = logger.getChild("top")
    child.log(45, "between", stacklevel=2)

@app.get("/broken")
def broken():
    everything("in a request")
    return str(1 / 0)

def the_same():
    everything()
    with app.app_context():
        everything("in a context")
    app.logger.warning("of the app")
    app.test_client().get("/broken")
    thread = threading.Thread(target=everything, args=("in a thread",), name="one")
    thread.start()
    thread.join()

FORMAT = "%(levelname)s %(name)s %(pathname)s:%(lineno)d %(funcName)s %(threadName)s " \
    "%(message)s"

def lastResort():
    the_same()

def basicConfig():
    logging.basicConfig(level="DEBUG", format=FORMAT)
    the_same()

def dictConfig():
    handler = {"class": "logging.StreamHandler", "formatter": "all"}
    logging.config.dictConfig({
        "version": 1, "formatters": {"all": {"format": FORMAT}},
        "handlers": {"err": handler},
        "loggers": {"shop.stock": {
            "handlers": ["err"], "propagate": False, "level": "DEBUG"}},
        "root": {"handlers": ["err"], "level": "ERROR"}, "incremental": False,
        "disable_existing_loggers": False})
    the_same()

def default_handler_of_flask():
    app.logger.setLevel("DEBUG")
    everything()
    the_same()
    logging.basicConfig(format=FORMAT, force=True)
    the_same()

locals()[os.environ["SETTING"]]()
"""


@pytest.mark.parametrize(
    "setting",
    ["lastResort", "basicConfig", "dictConfig", "default_handler_of_flask"],
)
def test_every_byte_of_the_log_is_the_same_with_and_without_us(
    tmp_path: Path, setting: str
) -> None:
    outputs = []
    (tmp_path / "same.py").write_text(SAME)
    for is_watched in ("yes", "no"):
        done = subprocess.run(
            [sys.executable, "same.py"],
            cwd=tmp_path,
            env={
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "IS_WATCHED": is_watched,
                "SETTING": setting,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        # Flask writes the time of each line. The stack of a request has our wraps of
        # the app in it, as it has any middleware.
        of_ours = r'^\[[-0-9 :,]+\] |^  File ".*/flask_errtrack/hooks.py", .*\n.*\n'
        outputs.append(re.sub(of_ours, "", done.stderr, flags=re.M))
    assert outputs[0] == outputs[1]
    assert outputs[0].count("--- Logging error ---") >= 4
