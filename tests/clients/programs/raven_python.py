"""A job of a shop, with raven, the client that Sentry had before."""

from __future__ import annotations

import sys

from raven import Client  # type: ignore[import-not-found]
from raven.transport.http import (  # type: ignore[import-not-found]
    HTTPTransport,
)


def price_of(item: dict[str, int]) -> int:
    return item["price"]


def main(dsn: str) -> None:
    client = Client(
        dsn, transport=HTTPTransport, release="shop@1.2", environment="test"
    )
    client.user_context({"id": 17, "email": "ada@example.org"})
    client.tags_context({"shelf": "A/7 größer"})
    client.context.breadcrumbs.record(category="cart", message="put into the cart")
    assert client.captureMessage("The prices are old")
    try:
        price_of({})
    except KeyError:
        assert client.captureException()
    assert not client.state.did_fail()


main(*sys.argv[1:])
