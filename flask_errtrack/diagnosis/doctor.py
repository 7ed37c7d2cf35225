"""What ``flask errtrack doctor`` finds: what is set up, and whether it works."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from ..client.client import Client
from ..errors import StoreError
from ..migration.reading import settings_of_config
from ..settings.config import Config
from ..transports import BackgroundTransport, http_transports
from ..transports.outbox import FolderOutbox
from ..transports.stock import Stock, stock_of
from ..version import VERSION
from ..web.signing import KEY_NAME
from ..words import count, one_line
from .outbox_words import (
    SET_ASIDE_MEND,
    losses_in_words,
    problems_in_words,
    waiting_in_words,
)

# So many different reasons are told for what was set aside.
_MAX_REASONS = 3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    text: str
    is_fine: bool = True
    #: How to mend it, or what else can be done.
    mend: str = ""


def findings_of(
    client: Client, app: Flask, check_store: Callable[[], None] | None
) -> list[Finding]:
    """Look at the set-up of an app.

    :param check_store: raises StoreError if the tracker's database does not work.
    """
    findings = [Finding("version", f"Flask-ErrTrack {VERSION}")]
    findings.append(_capture(client, app))
    findings.append(_identity(client))
    findings.append(_logging(client.config))
    findings += _destination(client, check_store)
    findings += _outbox(client)
    if check_store is not None:
        findings.append(_dashboard(client, app))
    findings.append(_secret_key(app))
    findings += _old_settings(app)
    return findings


def _capture(client: Client, app: Flask) -> Finding:
    if not client.config.enabled:
        mend = "Remove it to capture errors."
        return Finding("capture", "off by the option enabled=False", True, mend)
    if not client.is_enabled:
        mend = "Use flask_errtrack.testing.capture_events in tests."
        return Finding("capture", "off while app.testing is on", True, mend)
    is_plain = client.config == Config()
    return Finding("capture", "on" if is_plain else f"on; {client.config!r}")


def _identity(client: Client) -> Finding:
    known = client.identity
    release = known.get("release")
    text = f"environment {known['environment']}, release {release or 'unknown'}"
    mend = "" if release else "Set ERRTRACK_RELEASE to tell releases apart."
    return Finding("identity", text, True, mend)


def _logging(config: Config) -> Finding:
    crumbs, events = config.breadcrumb_level, config.event_level
    if not config.logging:
        return Finding("log records", "left alone by the option logging=False")
    text = f"breadcrumbs from {_level_name(crumbs)}, events from {_level_name(events)}"
    passes = logging.getLogger().level
    lowest = min((one for one in (crumbs, events) if one is not None), default=passes)
    if passes <= lowest:
        return Finding("log records", text)
    text += f"; most loggers let pass from {_level_name(passes)}"
    mend = f"To see more, give the root logger the level {_level_name(lowest)}."
    return Finding("log records", text, True, mend)


def _level_name(level: int | None) -> str:
    return "no level" if level is None else logging.getLevelName(level)


def destination_of(client: Client) -> str:
    """Say where the events of an app go."""
    if client.config.transport is not None:
        return f"the transport {type(client.config.transport).__name__}"
    if client.config.dsn is not None:
        return str(client.config.dsn)
    if client.config.dashboard is False:
        return "the tracker of this app"
    return f"the tracker of this app, see {client.config.url_prefix}/"


def _destination(
    client: Client, check_store: Callable[[], None] | None
) -> Iterator[Finding]:
    config = client.config
    if not config.enabled:
        return
    if config.dsn is not None and config.transport is None:
        yield from _way_to_dsn(config)
    else:
        yield Finding("events go to", destination_of(client))
    if check_store is None:
        return
    try:
        check_store()
    except StoreError as error:
        mend = "Events wait in the outbox until this is mended."
        yield Finding("tracker", str(error), False, mend)
    else:
        yield Finding("tracker", "its database works")


def _way_to_dsn(config: Config) -> Iterator[Finding]:
    """Go there: nothing less tells whether the next event will arrive."""
    # requests is for those who have a DSN.
    from ..transports.probe import probe

    yield Finding("events go to", str(config.dsn))
    transport = http_transports(config)()
    for step in probe(transport):
        yield Finding(f"way there, {step.stage}", step.text, step.is_fine, step.mend)
    transport.close()


def _outbox(client: Client) -> Iterator[Finding]:
    transport = client.transport
    if not isinstance(transport, BackgroundTransport):
        return
    outbox = transport.outbox
    if not isinstance(outbox, FolderOutbox):
        yield Finding(
            "outbox", "in memory: what waits is lost if the process is killed"
        )
        return
    problem = _problem_of_folder(outbox.folder)
    if problem is not None:
        mend = "Make it writable, or set the option outbox to another folder."
        yield Finding("outbox", problem, False, mend)
        return
    stock = stock_of(outbox, transport.spare)
    waiting = waiting_in_words(stock, client.config.outbox_max_bytes, time.time())
    yield Finding("outbox", f"{outbox.folder}; {waiting}")
    yield from _delivery(stock, time.time())
    yield from _left_behind(outbox)


def _left_behind(outbox: FolderOutbox) -> Iterator[Finding]:
    """What waits for another destination, such as the DSN that the app had before."""
    for folder in sorted(outbox.folder.parent.glob("*")):
        other = FolderOutbox(folder, 0)
        if folder != outbox.folder and (names := other.names()):
            text = f"{count(len(names), 'envelope')} in {folder}"
            mend = (
                "They go to the dsn or database_url that was set when they came, once "
                "it is set again. Delete the folder if nobody wants them."
            )
            yield Finding("waiting for another destination", text, True, mend)


def _delivery(stock: Stock, now: float) -> Iterator[Finding]:
    for text in problems_in_words(stock, now):
        mend = "`flask errtrack outbox --send` tries it now, and tells what happens."
        yield Finding("delivery", text, False, mend)
    if stock.set_aside:
        yield Finding("set aside", _set_aside(stock), False, SET_ASIDE_MEND)
    for loss in losses_in_words(stock.page, now):
        yield Finding("dropped so far", loss.text, not loss.is_fault, loss.mend)


def _set_aside(stock: Stock) -> str:
    reasons = Counter(stock.page.set_aside.values()).most_common(_MAX_REASONS)
    told = "; ".join(one_line(reason) for reason, _ in reasons)
    return count(stock.set_aside, "envelope") + (f": {told}" if told else "")


def _problem_of_folder(folder: Path) -> str | None:
    place = folder
    # Below a folder that may not be entered, pathlib raises.
    while not os.path.exists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{folder} cannot be made: {place} is not a folder"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{folder} cannot be written"
    return _problem_of_writing(folder) if place == folder else None


def _problem_of_writing(folder: Path) -> str | None:
    """Write a file and remove it again: only that finds a disk that is full."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{folder} cannot be written: {error}"
    return None


def _old_settings(app: Flask) -> Iterator[Finding]:
    names = [one.name for one in settings_of_config(app.config, "app.config")]
    if names:
        text = (
            f"{one_line(', '.join(names))}: settings that Flask-ErrTrack does not read"
        )
        yield Finding(
            "others", text, True, "`flask errtrack migrate-config` has new ones."
        )


def _dashboard(client: Client, app: Flask) -> Finding:
    if client.config.dashboard is False:
        mend = "`flask errtrack issues` lists the issues all the same."
        return Finding("dashboard", "off by the option dashboard=False", True, mend)
    ways = ["`flask errtrack login-link`"]
    if app.debug:
        ways.insert(0, "a browser on this machine (debug mode)")
    if client.config.dashboard_access is not None:
        ways.append("dashboard_access")
    where = f"{client.config.url_prefix}/"
    return Finding("dashboard", f"{where}, open to {', '.join(ways)}")


def _secret_key(app: Flask) -> Finding:
    if app.secret_key:
        return Finding("signing", "with the app's SECRET_KEY")
    folder = Path(app.instance_path)
    if not (folder / KEY_NAME).exists() and (problem := _problem_of_folder(folder)):
        mend = "Set SECRET_KEY: what one process signs, the others do not know."
        return Finding("signing", f"no key can be kept: {problem}", False, mend)
    mend = "Several hosts need a common SECRET_KEY for the dialog and login links."
    return Finding("signing", "with a key in the instance folder", True, mend)
