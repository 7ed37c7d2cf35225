"""Tests the way to the server of a DSN for real, and says how far it got."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import takewhile

from ..errors import Refused, TransportError
from ..event import timestamp_now
from ..protocol.envelope import Envelope
from ..words import duration
from .http import HttpTransport
from .reach import trouble_of

#: Whose quota is looked at.
_CATEGORY = "error"
_PAUSE_MEND = "Events wait until then. Raise the project's quota, or send fewer."


@dataclass(frozen=True)
class Step:
    """How one stage of the way went."""

    stage: str
    text: str
    is_fine: bool = True
    mend: str = ""


def probe(transport: HttpTransport) -> list[Step]:
    """Send an envelope that holds nothing to keep; return each stage it came to.

    It is a client report of nothing: clients send such all the time, so that every
    server of the protocol takes it, and none makes an issue of it.
    """
    failed: Step | None = None
    try:
        transport.send(Envelope.from_drops({}, timestamp_now()))
    except Refused as error:
        failed = Step("key", str(error), False, "See what the server shows of the DSN.")
    except TransportError as error:
        failed = _failure(error)
    seconds = transport.limited_seconds(_CATEGORY)
    if failed is None and seconds > 0:
        text = f"the server asked for a pause of {duration(math.ceil(seconds))}"
        failed = Step("quota", text, False, _PAUSE_MEND)
    fine = _fine_steps(transport)
    if failed is None:
        return fine
    return [*takewhile(lambda step: step.stage != failed.stage, fine), failed]


def _fine_steps(transport: HttpTransport) -> list[Step]:
    """All stages of a way on which nothing is wrong."""
    dsn, proxy = transport.dsn, transport.proxy
    first = f"the proxy {proxy}" if proxy else dsn.netloc
    steps = [
        Step("name", f"the name of {first} is known"),
        Step("connection", f"{first} takes connections"),
        Step("TLS", f"the certificate of {dsn.netloc} is trusted"),
        Step("answer", "the server answers"),
        Step("key", f"the key of the DSN may send to project {dsn.project_id}"),
        Step("quota", "the server asked for no pause"),
    ]
    return [one for one in steps if one.stage != "TLS" or dsn.scheme == "https"]


def _failure(error: TransportError) -> Step | None:
    if error.retry_after_seconds is not None:
        # It may be for other categories than that of events.
        return None
    if error.__cause__ is None:
        mend = "See the log of the server; events wait until it works."
        return Step("answer", str(error), False, mend)
    trouble = trouble_of(error.__cause__)
    return Step(trouble.stage, trouble.text, False, trouble.mend)
