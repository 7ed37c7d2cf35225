"""A client without Flask, as Starlette, FastAPI and Quart have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_errtrack import Client
from flask_errtrack.transports import MemoryTransport

MakeClient = Callable[..., Client]


@pytest.fixture
def make_client(sent: MemoryTransport) -> Iterator[MakeClient]:
    """Make clients whose events are kept in ``sent``."""
    made: list[Client] = []

    def make(**options: Any) -> Client:
        made.append(Client(**{"transport": sent, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def tracked(make_client: MakeClient) -> Client:
    """A client whose events are kept in ``sent``."""
    return make_client()
