"""uWSGI: one that runs no threads is told how to mend that.

Its threads are on unless told otherwise since uWSGI 2.0.27, and no older one can be
installed for every Python: what they say of themselves is passed in here.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flask_errtrack.transports.worker import warn_if_threads_rest


def test_a_server_without_threads_is_told(caplog: pytest.LogCaptureFixture) -> None:
    warn_if_threads_rest(SimpleNamespace(has_threads=0))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "enable-threads = true" in record.getMessage()


@pytest.mark.parametrize(
    "uwsgi", [None, SimpleNamespace(has_threads=1), SimpleNamespace()]
)
def test_nobody_else_is(caplog: pytest.LogCaptureFixture, uwsgi: object) -> None:
    warn_if_threads_rest(uwsgi)
    assert not caplog.records
