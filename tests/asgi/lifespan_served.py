"""The app that real servers serve in the tests about starts and stops that fail.

``ERRTRACK_DSN`` says where its events go; ``FAILS_AT`` is ``start`` or ``stop``.
"""

from __future__ import annotations

import os
from typing import Any

from flask_errtrack import Client
from flask_errtrack.asgi import ErrTrackMiddleware

from .calls import answering

# Its DSN is that of the environment.
client = Client(outbox=False)
ready = answering(200)


def fail_at(point: str) -> None:
    if os.environ.get("FAILS_AT") == point:
        raise RuntimeError(point)


async def served(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "lifespan":
        await ready(scope, receive, send)
        return
    # As Starlette does: it tells the server, and raises.
    for point in ("start", "stop"):
        kind = (await receive())["type"]
        try:
            fail_at(point)
        except RuntimeError as error:
            await send({"type": f"{kind}.failed", "message": str(error)})
            raise
        await send({"type": f"{kind}.complete"})


app = ErrTrackMiddleware(served, client)
