"""What ``flask errtrack doctor`` finds: what is set up, and whether it works."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from .client import Client
from .errors import StoreError
from .transports import BackgroundTransport
from .transports.outbox import FolderOutbox
from .version import VERSION


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
    findings += _destination(client, check_store)
    findings += _outbox(client)
    if check_store is not None:
        findings.append(_dashboard(client, app))
    findings.append(_secret_key(app))
    return findings


def _capture(client: Client, app: Flask) -> Finding:
    if not client.config.enabled:
        mend = "Remove it to capture errors."
        return Finding("capture", "off by the option enabled=False", True, mend)
    if not client.is_enabled:
        mend = "Use flask_errtrack.testing.capture_events in tests."
        return Finding("capture", "off while app.testing is on", True, mend)
    return Finding("capture", f"on; {client.config!r}")


def _identity(client: Client) -> Finding:
    known = client.identity
    release = known.get("release")
    text = f"environment {known['environment']}, release {release or 'unknown'}"
    mend = "" if release else "Set ERRTRACK_RELEASE to tell releases apart."
    return Finding("identity", text, True, mend)


def _destination(
    client: Client, check_store: Callable[[], None] | None
) -> Iterator[Finding]:
    config = client.config
    if config.transport is not None:
        yield Finding("events go to", f"{type(config.transport).__name__} (transport)")
    elif config.dsn is not None:
        yield _way_to_dsn(client)
    if check_store is None:
        return
    topic = "tracker" if config.dsn is not None else "events go to"
    try:
        check_store()
    except StoreError as error:
        mend = "Events wait in the outbox until this is mended."
        yield Finding(topic, str(error), False, mend)
    else:
        yield Finding(topic, "the tracker of this app; its database works")


def _way_to_dsn(client: Client) -> Finding:
    topic, dsn = "events go to", client.config.dsn
    mend = "Check the DSN, the network and the option proxies; see `errtrack test`."
    transport = client.transport
    error = getattr(transport, "last_error", None)
    if error is not None:
        return Finding(topic, f"{dsn}, which failed: {error}", False, mend)
    return Finding(topic, str(dsn), True, "`flask errtrack test` sends an event there.")


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
    waiting, aside = len(outbox.names()), len(outbox.set_aside_names())
    yield Finding("outbox", f"{outbox.folder}; {waiting} waiting")
    if aside:
        mend = "Report them as a bug of Flask-ErrTrack, or delete the files."
        yield Finding("outbox", f"{aside} set aside", False, mend)


def _problem_of_folder(folder: Path) -> str | None:
    place = folder
    while not place.exists() and place != place.parent:
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


def _dashboard(client: Client, app: Flask) -> Finding:
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
    mend = "Several hosts need a common SECRET_KEY for the dialog and login links."
    return Finding("signing", "with a key in the instance folder", True, mend)
