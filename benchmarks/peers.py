"""The contestants: each sets an app up as its documentation for Flask says.

All send to an address on loopback. Each is imported where it is set up and nowhere
else: two of them never meet in one process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, got_request_exception

ALONE = "Flask alone"
OURS = "Flask-ErrTrack, embedded"
OURS_TO_DSN = "Flask-ErrTrack, DSN"
SENTRY = "sentry-sdk"

_KEY = "0123456789abcdef0123456789abcdef"
_ROOT = Path(__file__).resolve().parent

#: Waits until all is delivered, or so many seconds.
Flush = Callable[[float], None]
#: Reports an exception of an app, as a handler of the app's own does.
Capture = Callable[[Flask, Exception], object]


@dataclass(frozen=True)
class Setting:
    """What a contestant is set up for.

    :param address: of the sink: ``http://127.0.0.1:1234``.
    :param ignored: is never reported.
    :param sample_rate: how much of the errors is reported, for who can sample.
    :param reports_user: who is logged in is to be in an event, for who can tell.
    """

    app: Flask
    address: str
    ignored: type[Exception]
    sample_rate: float = 1.0
    reports_user: bool = False

    @property
    def dsn(self) -> str:
        """Where envelopes are taken."""
        return f"{self.address.replace('://', f'://{_KEY}@')}/1"


@dataclass(frozen=True)
class Contestant:
    """One that is measured.

    :param distributions: what is installed to have it, and what it would rather use.
    :param modules: what its documentation imports.
    :param variables: what it reports of local variables.
    :param user: what is to be known of how it tells who is logged in.
    :param can_sample: whether it can report a part of the errors.
    :param capture: of one that knows an exception which it has reported before.
    """

    distributions: tuple[str, ...]
    modules: tuple[str, ...]
    set_up: Callable[[Setting], Flush]
    variables: str
    user: str = "does not tell who it was"
    can_sample: bool = False
    capture: Capture | None = None


def flask_alone(setting: Setting) -> Flush:
    """Add nothing: what is left to be measured is Flask."""
    return lambda seconds: None


def errtrack_embedded(setting: Setting) -> Flush:
    """Store events in the app's own tracker. Nothing comes to the sink."""
    return _errtrack(setting)


def errtrack_to_dsn(setting: Setting) -> Flush:
    """Send events to the sink. The id of a Flask-Login user is always reported."""
    return _errtrack(setting, dsn=setting.dsn)


def _errtrack(setting: Setting, dsn: str | None = None) -> Flush:
    from flask_errtrack import ErrTrack

    errtrack = ErrTrack(
        setting.app,
        dsn=dsn,
        ignore_exceptions=[setting.ignored],
        sample_rate=setting.sample_rate,
    )

    def flush(seconds: float) -> None:
        with setting.app.app_context():
            errtrack.flush(seconds)

    return flush


def _capture_by_errtrack(app: Flask, error: Exception) -> object:
    return app.extensions["errtrack"].capture_exception(error)


def sentry(setting: Setting) -> Flush:
    """Send envelopes. Texts of any length are sent whole, each repr is called.

    Of a Flask-Login user it tells only with ``send_default_pii``.
    """
    return _sentry(setting, has_sessions=True)


def sentry_without_sessions(setting: Setting) -> Flush:
    """Send envelopes, but count no requests for the health of a release."""
    return _sentry(setting, has_sessions=False)


def _sentry(setting: Setting, has_sessions: bool) -> Flush:
    import sentry_sdk

    sentry_sdk.init(
        dsn=setting.dsn,
        ignore_errors=[setting.ignored],
        sample_rate=setting.sample_rate,
        send_default_pii=setting.reports_user,
        auto_session_tracking=has_sessions,
    )
    return lambda seconds: sentry_sdk.flush(timeout=seconds)


def _capture_by_sentry(app: Flask, error: Exception) -> object:
    import sentry_sdk

    return sentry_sdk.capture_exception(error)


def rollbar(setting: Setting) -> Flush:
    """Send each error by a thread of its own.

    Of texts 100 characters are sent, of objects the type; no breadcrumbs.
    """
    import rollbar
    import rollbar.contrib.flask

    with setting.app.app_context():
        rollbar.init(
            _KEY,
            "production",
            root=str(_ROOT),
            allow_logging_basic_config=False,
            endpoint=f"{setting.address}/api/1/",
            exception_level_filters=[(setting.ignored, "ignored")],
        )
        got_request_exception.connect(
            rollbar.contrib.flask.report_exception, setting.app
        )
    return _join_threads


def bugsnag(setting: Setting) -> Flush:
    """Send each error by a thread of its own, without local variables.

    With requests, which it uses where it is installed.
    """
    import bugsnag
    from bugsnag.flask import handle_exceptions

    ignored = setting.ignored
    bugsnag.configure(  # type: ignore[no-untyped-call]
        api_key=_KEY,
        project_root=str(_ROOT),
        endpoint=f"{setting.address}/notify",
        session_endpoint=f"{setting.address}/sessions",
        ignore_classes=[f"{ignored.__module__}.{ignored.__qualname__}"],
    )
    handle_exceptions(setting.app)  # type: ignore[no-untyped-call]
    return _join_threads


def honeybadger(setting: Setting) -> Flush:
    """Send each error by a thread of its own.

    Of local variables those of the innermost frame, which are off by default and on
    here. Insights, which count each request, are off by default and stay so.
    """
    from honeybadger.contrib import FlaskHoneybadger

    setting.app.config.update(
        HONEYBADGER_ENVIRONMENT="production",
        HONEYBADGER_API_KEY=_KEY,
        HONEYBADGER_ENDPOINT=setting.address,
        HONEYBADGER_REPORT_LOCAL_VARIABLES=True,
        HONEYBADGER_EXCLUDED_EXCEPTIONS=[setting.ignored.__name__],
    )
    FlaskHoneybadger(
        setting.app, report_exceptions=True, reset_context_after_request=True
    )
    return _join_threads


def _join_threads(seconds: float) -> None:
    """Wait for the threads that send; ``rollbar.wait`` does the same without end."""
    end = time.monotonic() + seconds
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, end - time.monotonic()))


def _of_errtrack(set_up: Callable[[Setting], Flush]) -> Contestant:
    return Contestant(
        ("Flask-ErrTrack",),
        ("flask_errtrack",),
        set_up,
        variables="of each frame",
        user="",
        can_sample=True,
        capture=_capture_by_errtrack,
    )


def _of_sentry(set_up: Callable[[Setting], Flush]) -> Contestant:
    return Contestant(
        ("sentry-sdk",),
        ("sentry_sdk",),
        set_up,
        variables="of each frame",
        user="with send_default_pii: else it does not tell who it was",
        can_sample=True,
        capture=_capture_by_sentry,
    )


CONTESTANTS: dict[str, Contestant] = {
    ALONE: Contestant((), (), flask_alone, "", user="", can_sample=True),
    OURS: _of_errtrack(errtrack_embedded),
    OURS_TO_DSN: _of_errtrack(errtrack_to_dsn),
    SENTRY: _of_sentry(sentry),
    f"{SENTRY}, no sessions": _of_sentry(sentry_without_sessions),
    "rollbar": Contestant(
        ("rollbar",),
        ("rollbar", "rollbar.contrib.flask"),
        rollbar,
        variables="of each frame; of objects the type",
    ),
    "bugsnag": Contestant(
        ("bugsnag", "requests"),
        ("bugsnag", "bugsnag.flask"),
        bugsnag,
        variables="none",
    ),
    "honeybadger": Contestant(
        ("honeybadger",),
        ("honeybadger.contrib",),
        honeybadger,
        variables="of the innermost frame",
    ),
}
