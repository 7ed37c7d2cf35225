"""An app that receives and shows, and a sender that knows a project's key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import unescape
from typing import Any

from flask import Blueprint
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_errtrack.tracker import projects
from flask_errtrack.tracker.dashboard.views import add_pages
from flask_errtrack.tracker.database.schema import event, issue
from flask_errtrack.tracker.ingest.quota import Quota
from flask_errtrack.tracker.ingest.views import add_ingest
from flask_errtrack.tracker.store import Store
from flask_errtrack.tracker.tally import Tallies, sums
from flask_errtrack.web.access import Access

from ..samples import app_with
from ..stores import Clock, rows

EVENT_ID = "ab" * 16

_LINK = re.compile(r'href="(/errtrack/(?!static/)[^"#]*)"')


class Site:
    """A tracker below ``/errtrack``, with one project, as its SDKs see it.

    :param clock: of quota and tallies, in seconds.
    """

    def __init__(self, store: Store, clock: Clock, quota: Quota | None = None) -> None:
        self.store = store
        self.clock = clock
        self.tallies = Tallies(store, clock)
        quota = quota or Quota(per_minute=0, total_per_minute=0, clock=clock)

        def add_routes(blueprint: Blueprint) -> None:
            add_pages(blueprint, store, Access(lambda: ["secret"], lambda: True))
            add_ingest(blueprint, store, quota, self.tallies)

        self.app = app_with(add_routes)
        project = projects.find(store, 1)
        assert project is not None
        self.key = project.public_key

    @property
    def browser(self) -> FlaskClient:
        """Who asks."""
        return self.app.test_client()

    @property
    def auth(self) -> dict[str, str]:
        """The header with which an SDK says whose it is."""
        pairs = f"sentry_version=7, sentry_client=test/1.0, sentry_key={self.key}"
        return {"X-Sentry-Auth": f"Sentry {pairs}"}

    def post(
        self, body: bytes, path: str = "/api/1/envelope/", **headers: str
    ) -> TestResponse:
        """Send a body as it is; underscores in a header's name are hyphens."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.browser.post(
            f"/errtrack{path}", data=body, headers={**self.auth, **more}
        )

    def send(self, *items: tuple[str, Any], **headers: Any) -> TestResponse:
        """Send an envelope of items: type and payload."""
        return self.post(envelope(items, **headers))

    def tallied(self) -> dict[tuple[str, str], int]:
        """What was counted, by kind and reason."""
        self.clock.seconds += 2
        self.tallies.flush_sometimes()
        with self.store.reading() as connection:
            return {(s.kind, s.reason): s.quantity for s in sums(connection, 0)}

    def assert_pages_work(self, max_linked: int = 0) -> None:
        """Render every page of what is stored, and some of those they lead to."""
        paths = [f"issues/{row.id}" for row in rows(self.store, issue)]
        for row in rows(self.store, event):
            paths += [f"events/{row.event_id}{end}" for end in ("", ".json", ".md")]
        known = [f"/errtrack/{path}" for path in ("", "?q=", "feedback", *paths)]
        end = len(known) + max_linked
        for path in known:
            response = self.browser.get(path)
            assert response.status_code == 200, (path, response.text)
            if response.mimetype == "text/html" and len(known) < end:
                found = map(unescape, _LINK.findall(response.text))
                known += [link for link in dict.fromkeys(found) if link not in known]
                del known[end:]


def envelope(items: Iterable[tuple[str, Any]], **headers: Any) -> bytes:
    """Return an envelope as SDKs write it; payloads that are not bytes become JSON."""
    lines = [json.dumps(headers).encode()]
    for kind, payload in items:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        header = {"type": kind, "length": len(data)}
        lines += [json.dumps(header).encode(), data]
    return b"\n".join(lines) + b"\n"


def event_ids(store: Store) -> list[str]:
    """Return the ids of the stored events, in the order they came in."""
    return [row.event_id for row in rows(store, event)]
