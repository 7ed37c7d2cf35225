"""The pytest plugin of Flask-ErrTrack: the fixture ``errtrack_events``.

Every test run of an environment imports it, also those that have nothing to do with
Flask. So it stands beside the package, which it imports when the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from flask_errtrack import Client, ErrTrack
    from flask_errtrack.testing import Captured


@pytest.fixture
def errtrack_events(app: Flask | ErrTrack | Client) -> Iterator[Captured]:
    """A list of the events that the test's ``app`` would have sent so far."""
    from flask_errtrack.testing import capture_events

    with capture_events(app) as events:
        yield events
