"""An app with an old client and ours, put into it in either order."""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask

from flask_errtrack import ErrTrack
from flask_errtrack.transports import MemoryTransport

DSN = "https://key@sentry.example/1"
old: list[Any] = []
new = MemoryTransport()


def add_raven(app: Flask) -> None:
    from raven import Client  # type: ignore[import-not-found]
    from raven.contrib.flask import Sentry  # type: ignore[import-not-found]

    class Kept(Client):  # type: ignore[misc]
        def send(self, **data: Any) -> None:
            old.append(data)

    Sentry(app, client=Kept(DSN), logging=True)


def add_sentry_sdk(app: Flask) -> None:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            old.extend(item for item in envelope.items if item.type == "event")

    sentry_sdk.init(dsn=DSN, transport=Kept)


def main(name: str, first: str) -> None:
    app = Flask("shop")
    add_old = {"raven": add_raven, "sentry-sdk": add_sentry_sdk}[name]
    if first == "old":
        add_old(app)
    ErrTrack(app, transport=new)
    if first == "new":
        add_old(app)

    @app.get("/")
    def broken() -> str:
        app.logger.error("The prices are old")
        return str(1 / 0)

    assert app.test_client().get("/").status_code == 500
    print(len(old), len(new.events))


main(*sys.argv[1:])
