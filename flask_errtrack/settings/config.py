"""The options: each declared once, with its default, its check and its help.

From one declaration come the default, the key ``ERRTRACK_<OPTION>``, the
check at set-up and the row in the documentation. Knows nothing of Flask.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from logging import ERROR, INFO
from typing import Any

from . import options as check
from .alert_rules import DEFAULT_RULES, Rule, rules_of
from .dsn import Dsn
from .options import checked, option
from .sources import gathered


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every option, read once at set-up. Later changes of ``app.config`` do nothing."""

    dsn: Dsn | None = option(
        "Where to",
        None,
        check.optional(check.dsn),
        "Send events to this Sentry-protocol service instead of the embedded tracker.",
        confidential=True,
    )
    database_url: str | None = option(
        "Where to",
        None,
        check.optional(check.database_url),
        "Where the embedded tracker keeps its data: SQLite, or PostgreSQL for many "
        "hosts.",
        shown="sqlite:///<instance>/errtrack.db",
        confidential=True,
    )
    enabled: bool = option(
        "Where to",
        True,
        check.FLAG,
        "False switches everything off: nothing is captured.",
    )
    transport: Any = option(
        "Where to",
        None,
        check.optional(check.transport),
        "Any object with ``send(envelope)``: takes the events instead. Keyword "
        "argument only.",
        keyword_only=True,
    )
    outbox: bool | str = option(
        "Where to",
        True,
        check.either(check.FLAG, check.instance_of(str, "the path of a folder")),
        "The folder where events wait until they are delivered. True: in the instance "
        "folder (a ``Client`` without an app has none). False: in memory only.",
    )
    outbox_max_bytes: int = option(
        "Where to",
        64 * 1024 * 1024,
        check.number(1, whole=True),
        "How much may wait; what comes on top is dropped and counted.",
        shown="64 MiB",
    )
    proxies: Mapping[str, str] | None = option(
        "Where to",
        None,
        check.optional(
            check.instance_of(dict, 'a dict such as {"https": "http://proxy:3128"}')
        ),
        "Proxies on the way to the DSN, by scheme. None: those of the environment.",
        confidential=True,
    )
    ca_certs: str | None = option(
        "Where to",
        None,
        check.optional(check.ca_certs),
        "Certificate authorities to trust on the way to the DSN.",
    )
    timeout_seconds: float = option(
        "Where to", 5, check.number(0.1), "How long one delivery may take."
    )
    shutdown_timeout_seconds: float = option(
        "Where to", 2, check.SECONDS, "How long the end of the process may wait for it."
    )
    send_client_reports: bool = option(
        "Where to",
        True,
        check.FLAG,
        "Tell the server of the DSN how many events were dropped, and why.",
    )
    environment: str | None = option(
        "Identity",
        None,
        check.optional(check.TEXT),
        "Where the app runs.",
        shown='"development" if app.debug else "production"',
    )
    release: str | None = option(
        "Identity",
        None,
        check.optional(check.TEXT),
        "The version of the app.",
        shown="the commit of the git checkout, if there is one",
    )
    server_name: str | None = option(
        "Identity",
        None,
        check.optional(check.TEXT),
        "Name of the host.",
        shown="the host name",
    )
    dist: str | None = option(
        "Identity", None, check.optional(check.TEXT), "Which build of the release."
    )
    tags: Mapping[str, str] = option("Identity", {}, check.tags, "Tags of every event.")
    ignore_exceptions: Sequence[type[BaseException] | str] = option(
        "Choice",
        (),
        check.list_of(check.exception, "exception classes or dotted names"),
        "Classes or dotted names that are not captured; subclasses count.",
    )
    sample_rate: float | Callable[[Mapping[str, Any]], float] = option(
        "Choice",
        1.0,
        check.either(check.number(0.0, 1.0), check.a_hook),
        "Share of events to keep, or a callable that gets the hint and returns it.",
    )
    before_send: Callable[[Any, Mapping[str, Any]], Any] | None = option(
        "Choice",
        None,
        check.optional(check.a_hook),
        "``before_send(event, hint)`` returns the event to send, or None to drop it.",
    )
    before_breadcrumb: Callable[[Any, Mapping[str, Any]], Any] | None = option(
        "Choice",
        None,
        check.optional(check.a_hook),
        "``before_breadcrumb(crumb, hint)`` returns the breadcrumb to keep, or None.",
    )
    include_paths: Sequence[str] = option(
        "Content",
        (),
        check.NAMES,
        "More packages whose frames are in-app.",
    )
    in_app_exclude: Sequence[str] = option(
        "Content", (), check.NAMES, "Packages whose frames are not in-app."
    )
    include_local_variables: bool = option(
        "Content", True, check.FLAG, "Local variables of the frames."
    )
    include_source_context: bool = option(
        "Content", True, check.FLAG, "Source lines around the failing one."
    )
    max_breadcrumbs: int = option(
        "Content", 100, check.number(0, whole=True), "How many breadcrumbs to keep."
    )
    max_request_body_size: str | int = option(
        "Content",
        "medium",
        check.either(
            check.one_of("never", "small", "medium", "always"),
            check.number(0, whole=True),
        ),
        'Bodies above this are left out: "never", "small" (1,000 bytes), "medium" '
        '(10,000), "always", or a number of bytes.',
    )
    transaction_style: str = option(
        "Content",
        "endpoint",
        check.one_of("endpoint", "url"),
        'Name a request by its "endpoint" or by its "url" rule.',
    )
    send_default_pii: bool = option(
        "Privacy",
        False,
        check.FLAG,
        "Send IP addresses and cookies, and fill the feedback form with the user's "
        "name and mail.",
    )
    user_attrs: Sequence[str] = option(
        "Privacy",
        (),
        check.NAMES,
        "Attributes of the Flask-Login user to send beside the id.",
    )
    user_callback: Callable[[Any], Any] | None = option(
        "Privacy",
        None,
        check.optional(check.a_hook),
        "``user_callback(request)`` returns the user as a dict, for apps without "
        "Flask-Login.",
    )
    scrub_keys: Sequence[str] = option(
        "Privacy", (), check.NAMES, "More names whose values are redacted."
    )
    scrub_patterns: Sequence[re.Pattern[str]] = option(
        "Privacy",
        (),
        check.list_of(check.pattern, "regular expressions"),
        "More regular expressions that are redacted wherever they match.",
    )
    logging: bool = option(
        "Logging", True, check.FLAG, "Log records become breadcrumbs and events."
    )
    breadcrumb_level: int | None = option(
        "Logging",
        INFO,
        check.optional(check.log_level),
        "Records from this level are breadcrumbs. None: no records.",
        shown="INFO",
    )
    event_level: int | None = option(
        "Logging",
        ERROR,
        check.optional(check.log_level),
        "Records from this level are events. None: no records.",
        shown="ERROR",
    )
    logging_exclusions: Sequence[str] = option(
        "Logging",
        (),
        check.NAMES,
        "Loggers to leave out, with their children; * stands for any text.",
        shown="()",
    )
    uncaught_errors: bool = option(
        "Logging",
        True,
        check.FLAG,
        "What ends a thread or the program is an event (``threading.excepthook``, "
        "``sys.excepthook``).",
    )
    feedback: bool = option(
        "Feedback", True, check.FLAG, "Offer the dialog of ``errtrack_feedback()``."
    )
    feedback_item: str = option(
        "Feedback",
        "user_report",
        check.one_of("user_report", "feedback"),
        'What people write is sent as a "user_report", which every server knows, or as '
        '"feedback", which newer ones prefer.',
    )
    error_page: bool = option(
        "Feedback",
        False,
        check.FLAG,
        "Serve a ready-made 500 page if the app has none.",
    )
    dashboard: bool | None = option(
        "Dashboard",
        None,
        check.optional(check.FLAG),
        "Serve the dashboard.",
        shown="True without a DSN",
    )
    url_prefix: str = option(
        "Dashboard",
        "/errtrack",
        check.url_prefix,
        "Where the dashboard and dialog live.",
    )
    dashboard_access: Callable[..., Any] | None = option(
        "Dashboard",
        None,
        check.optional(check.access_rule),
        "Called in a request, without arguments or with the Flask-Login user and "
        '``"view"`` or ``"change"``; returns whether the dashboard is open to it.',
    )
    max_events_per_issue: int = option(
        "Tracker",
        200,
        check.number(2, whole=True),
        "How many events of an issue are kept; all are counted.",
    )
    retention_days: int = option(
        "Tracker", 90, check.number(1, whole=True), "How long events are kept."
    )
    quota_per_minute: int = option(
        "Tracker",
        1000,
        check.number(0, whole=True),
        "How much one key may send in a minute: so many events, so many check-ins … "
        "Each process counts for itself. 0: no limit.",
    )
    quota_total_per_minute: int = option(
        "Tracker",
        5000,
        check.number(0, whole=True),
        "The same for all keys together.",
    )
    alerts: Sequence[str | Callable[[Any], object]] = option(
        "Tracker",
        (),
        check.list_of(check.alert_target, "apprise URLs and callables"),
        "Who is told of issues: apprise URLs, and callables that get the alert.",
        confidential=True,
    )
    alert_rules: Sequence[Rule] = option(
        "Tracker",
        rules_of(DEFAULT_RULES),
        rules_of,
        "When they are told.",
        shown='["new", "regressed"]',
    )
    dashboard_url: str | None = option(
        "Tracker",
        None,
        check.optional(check.web_url),
        "Where people find the dashboard, for the links in alerts.",
        shown="where SERVER_NAME says",
    )

    @classmethod
    def load(
        cls,
        keywords: Mapping[str, Any],
        app_config: Mapping[str, Any],
        environ: Mapping[str, str],
    ) -> Config:
        """Gather the options from all sources; a later source wins.

        The environment, then ``ERRTRACK_CONFIG`` of the app's config, then its
        ``ERRTRACK_<OPTION>`` keys, then the keyword arguments.

        :raises ConfigError: an option is unknown or has a wrong value.
        """
        found = gathered(_FIELDS, keywords, app_config, environ)
        return cls(**{name: checked(_FIELDS[name], *found[name]) for name in found})

    def __repr__(self) -> str:
        default = Config()
        changed = (
            f"{name}={'***' if field.metadata['confidential'] else value!r}"
            for name, field in _FIELDS.items()
            if (value := getattr(self, name)) != getattr(default, name)
        )
        return f"Config({', '.join(changed)})"


_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
