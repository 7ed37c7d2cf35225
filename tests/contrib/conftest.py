"""What the tests of integrations share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .shop import ShopServer, open_shop


@pytest.fixture(scope="package")
def shop() -> Iterator[ShopServer]:
    """Another server, that answers."""
    with open_shop() as server:
        yield server
