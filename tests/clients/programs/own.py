"""A job of a shop, with the client of Flask-ErrTrack."""

from __future__ import annotations

import sys

from flask_errtrack import Client


def price_of(item: dict[str, int]) -> int:
    return item["price"]


def main(dsn: str) -> None:
    client = Client(dsn=dsn, release="shop@1.2", environment="test", outbox=False)
    client.set_user({"id": 17, "email": "ada@example.org"})
    client.set_tag("shelf", "A/7 größer")
    client.add_breadcrumb(category="cart", message="put into the cart")
    client.capture_message("The prices are old")
    try:
        price_of({})
    except KeyError as error:
        client.capture_exception(error)
    assert client.flush(20)


main(*sys.argv[1:])
