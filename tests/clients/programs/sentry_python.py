"""A job of a shop, with Sentry's client of the version that is first on the path."""

from __future__ import annotations

import sys

import sentry_sdk


def price_of(item: dict[str, int]) -> int:
    return item["price"]


def main(dsn: str, version: str, more: str = "0") -> None:
    """Send a message, an exception, and so many more messages.

    :param version: the beginning of what the client's version has to be.
    """
    assert sentry_sdk.VERSION.startswith(version), sentry_sdk.VERSION
    sentry_sdk.init(
        dsn,
        release="shop@1.2",
        environment="test",
        # The old one cannot copy them on the newest Pythons.
        include_local_variables=version != "1.",
    )
    sentry_sdk.set_user({"id": 17, "email": "ada@example.org"})
    sentry_sdk.set_tag("shelf", "A/7 größer")
    sentry_sdk.add_breadcrumb(category="cart", message="put into the cart")
    sentry_sdk.capture_message("The prices are old")
    try:
        price_of({})
    except KeyError:
        sentry_sdk.capture_exception()
    sentry_sdk.flush(20)
    for number in range(int(more)):
        sentry_sdk.capture_message(f"Message {number}")
        sentry_sdk.flush(20)


main(*sys.argv[1:])
