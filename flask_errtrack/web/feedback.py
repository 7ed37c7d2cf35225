"""The feedback dialog, and the ready-made page for status 500.

Owns the form, its signed token and the answers to it. Knows neither the client
nor the tracker: what a person wrote is handed to ``send``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from flask import Blueprint, Response, current_app, jsonify, request
from markupsafe import Markup

from ..errors import ErrTrackError, guard, logger
from ..event import UserReport
from ..protocol.user_reports import MAX_COMMENTS_CHARS as MAX_COMMENTS_CHARS
from .signing import BadToken, make_token, read_token

#: A day: an error page that was left open over night can still be answered, and
#: a token that turns up later in a log or a backup is worth nothing.
MAX_AGE_SECONDS = 24 * 60 * 60
MAX_PERSON_CHARS = 200
#: The longest report takes 50 kB, as each byte of it may be written as ``%C3``.
MAX_FORM_BYTES = 64 * 1024

_PURPOSE = "feedback"
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; img-src 'self'; base-uri 'none'"
)


class Problem(NamedTuple):
    """Why a report is not accepted; ``field`` is the form field to mend, or ""."""

    status: int
    message: str
    field: str = ""


_FORGED = Problem(
    403,
    "This form was not made by this site, so nothing was sent. Please go back to "
    "the page with the error and use the form there.",
)
_TOO_LARGE = Problem(
    413,
    "Your text is too long, so nothing was sent. Please go back to it, shorten it to "
    f"at most {MAX_COMMENTS_CHARS:,} characters, and send it again.",
    "comments",
)
_EXPIRED = Problem(
    410,
    "This form has been open for more than a day and can no longer be sent. We are "
    "sorry for that. If the error is still there, its page has a new form.",
)
_NOT_KEPT = Problem(
    503,
    "We could not keep your message just now; it was not sent. Your text is still "
    "here: please try again in a moment.",
)


class Answers(NamedTuple):
    """What a person wrote, cleaned: one line for ``name`` and ``email``."""

    comments: str = ""
    name: str = ""
    email: str = ""

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> Answers:
        """Read the fields of a sent form; fields that are missing are empty."""
        return cls(
            comments=_without_controls(_with_newlines(form.get("comments", ""))),
            name=_one_line(form.get("name", "")),
            email=_one_line(form.get("email", "")),
        )

    def problem(self) -> Problem | None:
        """Return what has to be mended first, if anything."""
        if not self.comments:
            return Problem(
                400, "Please say a few words about what happened.", "comments"
            )
        if len(self.comments) > MAX_COMMENTS_CHARS:
            return Problem(
                400,
                f"Your text has {len(self.comments):,} characters, and at most "
                f"{MAX_COMMENTS_CHARS:,} can be sent. Please shorten it a little.",
                "comments",
            )
        if self.email and "@" not in self.email:
            return Problem(
                400,
                "An e-mail address has an @ in it. Please correct it, or leave the "
                "field empty.",
                "email",
            )
        return None

    def report(self, event_id: str) -> UserReport:
        """Return the report about an event, without the fields left empty."""
        report = UserReport(event_id=event_id, comments=self.comments)
        if self.name:
            report["name"] = self.name
        if self.email:
            report["email"] = self.email
        return report


_NO_ANSWERS = Answers()


class FeedbackPage(NamedTuple):
    """What the form and the answer to it show. No ``token``: no form to send."""

    token: str = ""
    answers: Answers = _NO_ANSWERS
    problem: Problem | None = None
    max_comments_chars: int = MAX_COMMENTS_CHARS
    max_person_chars: int = MAX_PERSON_CHARS


class ErrorPage(NamedTuple):
    """What the ready-made 500 page shows. No ``event_id``: nothing was captured."""

    event_id: str | None
    dialog: Markup


class Feedback:
    """Asks the person who met an error what they did, and takes the answer.

    :param keys: returns the signing keys, the newest last.
    :param send: takes an accepted report. An :class:`.ErrTrackError` that it
        raises is told to the person, who keeps the text.
    :param event_id: returns the id of this request's accepted event.
    :param person: returns name and e-mail to fill in; two empty texts for nobody.
    """

    def __init__(
        self,
        keys: Callable[[], Sequence[str | bytes]],
        send: Callable[[UserReport], None],
        event_id: Callable[[], str | None],
        person: Callable[[], tuple[str, str]],
    ) -> None:
        self._keys = keys
        self._send = send
        self._event_id = event_id
        self._person = person
        self._is_served = False

    def add_to(self, blueprint: Blueprint) -> None:
        """Serve the form's target, POST ``/feedback``, on the blueprint ``errtrack``.

        The blueprint also has to serve the package's ``static`` folder.
        """
        blueprint.add_url_rule(
            "/feedback", "send_feedback", self._receive, methods=["POST"]
        )
        self._is_served = True

    def dialog(self) -> Markup:
        """Return the dialog for this request's event, or nothing without one.

        Never raises: it is shown on a page that already tells of an error.
        """
        with guard("showing the feedback dialog"):
            event_id = self._event_id()
            if event_id and self._is_served:
                name, email = self._person()
                page = FeedbackPage(
                    make_token(self._keys(), _PURPOSE, event_id),
                    Answers(name=name, email=email),
                )
                return _render("_feedback_dialog", page)
        return Markup("")

    def error_page(self, error: BaseException) -> Response:
        """Answer a request that failed, with status 500: an error handler for Flask.

        A page with the dialog, or ``{"error", "event_id"}`` for a client that
        prefers JSON. Never raises: the last resort is a line of plain text.
        """
        response = Response(
            "Something went wrong on our side. Please try again in a moment.\n",
            mimetype="text/plain",
        )
        with guard("rendering the error page"):
            event_id = self._event_id()
            if _prefers_json():
                response = jsonify(error="Internal Server Error", event_id=event_id)
            else:
                page = ErrorPage(event_id, self.dialog())
                response = Response(_render("500", page), mimetype="text/html")
        return _finished(response, 500)

    def _receive(self) -> Response:
        if _is_too_large():
            return _refusal(_TOO_LARGE)
        token = request.form.get("token", "")
        answers = Answers.from_form(request.form)
        try:
            event_id = read_token(self._keys(), _PURPOSE, token, MAX_AGE_SECONDS)
        except BadToken as error:
            # Text that came with a forged token could be anybody's: not shown.
            if not error.is_expired:
                return _refusal(_FORGED)
            return _refusal(_EXPIRED, answers)
        problem = answers.problem() or self._hand_on(answers.report(event_id))
        if problem:
            return _refusal(problem, answers, token)
        if _prefers_json():
            return _finished(jsonify(event_id=event_id), 200)
        return _finished(Response(_render("feedback", FeedbackPage())), 200)

    def _hand_on(self, report: UserReport) -> Problem | None:
        try:
            self._send(report)
        except ErrTrackError as error:
            logger.error("Feedback was not accepted, and its author told: %s", error)
            return _NOT_KEPT
        return None


def _refusal(
    problem: Problem, answers: Answers = _NO_ANSWERS, token: str = ""
) -> Response:
    if _prefers_json():
        answer = jsonify(error=problem.message, field=problem.field)
    else:
        answer = Response(_render("feedback", FeedbackPage(token, answers, problem)))
    return _finished(answer, problem.status)


def _render(template: str, page: FeedbackPage | ErrorPage) -> Markup:
    # Not render_template: the app's context processors may need what has failed.
    found = current_app.jinja_env.get_template(f"errtrack/{template}.html")
    return Markup(found.render(page=page))


def _finished(response: Response, status: int) -> Response:
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    return response


def _is_too_large() -> bool:
    """Tell it before the form is read; a browser says how long its form is."""
    # Not request.max_content_length: before Flask 3.1 it cannot be set.
    length = request.content_length
    return length > MAX_FORM_BYTES if length else "Transfer-Encoding" in request.headers


def _prefers_json() -> bool:
    accepted = request.accept_mimetypes
    return bool(accepted["application/json"] > accepted["text/html"])


def _with_newlines(text: str) -> str:
    # A browser counts a line break as one character, and sends two.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _one_line(text: str) -> str:
    return _without_controls(" ".join(text.split()))[:MAX_PERSON_CHARS]


def _without_controls(text: str) -> str:
    kept = (c for c in text if c in "\n\t" or unicodedata.category(c) not in "Cc Cs")
    return "".join(kept).strip()
