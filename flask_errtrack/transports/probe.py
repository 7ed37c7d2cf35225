"""Tests the way to the server of a DSN for real, and says how far it got."""

from __future__ import annotations

from dataclasses import dataclass

from ..envelope import Envelope
from ..errors import Refused, TransportError
from ..exceptions import timestamp_now
from .http import HttpTransport
from .reach import STAGES, trouble_of

_FINE = {
    "name": "its name is known",
    "connection": "it takes connections",
    "TLS": "its certificate is trusted",
    "answer": "it answers",
    "key": "the key of the DSN may send to the project",
    "quota": "it takes events now",
}


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
    stages = [one for one in STAGES if one != "TLS" or transport.dsn.scheme == "https"]
    stages += ["key", "quota"]
    failed: Step | None = None
    try:
        transport.send(Envelope.from_drops({}, timestamp_now()))
    except Refused as error:
        failed = Step(
            "key", str(error), False, "See what the server shows for the DSN."
        )
    except TransportError as error:
        failed = _failure(error)
    if failed is None:
        return [Step(stage, _FINE[stage]) for stage in stages]
    passed = stages[: stages.index(failed.stage)]
    return [*(Step(stage, _FINE[stage]) for stage in passed), failed]


def _failure(error: TransportError) -> Step:
    if error.retry_after_seconds is not None:
        mend = "Events wait until then. Raise the project's quota, or send fewer."
        text = f"{error}, for {error.retry_after_seconds:.0f} s"
        return Step("quota", text, False, mend)
    if error.__cause__ is None:
        mend = "See the log of the server; events wait until it works."
        return Step("answer", str(error), False, mend)
    trouble = trouble_of(error.__cause__)
    return Step(trouble.stage, trouble.text, False, trouble.mend)
