"""A small app with the feedback form, for the tests of the form."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask

from flask_errtrack.errors import TransportError
from flask_errtrack.event import UserReport
from flask_errtrack.web.feedback import Feedback

EVENT_ID = "0123456789abcdef0123456789abcdef"
KEY = "a signing key"


class Site:
    """An app whose ``/boom`` fails; what is sent from the form is in ``reports``."""

    def __init__(
        self,
        event_id: str | None = EVENT_ID,
        person: Callable[[], tuple[str, str]] = lambda: ("", ""),
        has_blueprint: bool = True,
        refuses: bool = False,
    ) -> None:
        self.reports: list[UserReport] = []
        self.refuses = refuses
        self.feedback = Feedback(lambda: [KEY], self._take, lambda: event_id, person)
        self.app = Flask("site")
        if has_blueprint:
            blueprint = Blueprint(
                "errtrack",
                "flask_errtrack",
                url_prefix="/errtrack",
                static_folder="static",
                template_folder="templates",
            )
            self.feedback.add_to(blueprint)
            self.app.register_blueprint(blueprint)
        self.app.register_error_handler(500, self.feedback.error_page)
        self.app.add_url_rule("/boom", "boom", lambda: str(1 / 0))

    def dialog(self) -> str:
        with self.app.test_request_context():
            return self.feedback.dialog()

    def _take(self, report: UserReport) -> None:
        if self.refuses:
            raise TransportError("the disk is full")
        self.reports.append(report)
