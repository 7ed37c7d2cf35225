"""What becomes of the options of ``sentry_sdk.init`` (sentry_sdk/consts.py, 2.x).

And of the integrations that it is given: those of Flask and logging have options of
their own, others are a line of code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..privacy.secret_names import is_secret_name
from .rules import Call, Code, Outcome, Rule, by_hand, code_of

_NO_TRACING = "Flask-ErrTrack follows errors: no traces, spans or profiles."
_NO_LOGS = "Log records are breadcrumbs and events; logs are not collected as such."
_CONNECTION = "The connection is made by requests, as its own variables say."

CELERY = "``init_celery`` of ``flask_errtrack.contrib.celery``, see :doc:`queues`"
_RQ = "``worker_class`` of ``flask_errtrack.contrib.rq``, see :doc:`queues`"
_ENGINE = "``watch_engine`` of ``flask_errtrack.contrib.sqlalchemy``"
_HTTPX = "``watch_client`` of ``flask_errtrack.contrib.httpx``"
_REQUESTS = "``watch_session`` of ``flask_errtrack.contrib.requests``"
ASGI = "``ErrTrackMiddleware`` of ``flask_errtrack.asgi``, see :doc:`asgi`"
_THREAD = "``copy_current_request_context`` of ``flask``, see :doc:`threads`"
_JOB = "``errtrack.job``, see :doc:`jobs`"

#: The line of code that takes the place of an integration.
LINES = {
    "CeleryIntegration": CELERY,
    "RqIntegration": _RQ,
    "ArqIntegration": _JOB,
    "DramatiqIntegration": _JOB,
    "HueyIntegration": _JOB,
    "SqlalchemyIntegration": f"{_ENGINE}, see :doc:`breadcrumbs`",
    "ThreadingIntegration": _THREAD,
    "HttpxIntegration": f"{_HTTPX}, see :doc:`breadcrumbs`",
    "StdlibIntegration": f"{_REQUESTS}, see :doc:`breadcrumbs`",
    "StarletteIntegration": ASGI,
    "FastApiIntegration": ASGI,
    "QuartIntegration": ASGI,
}
_ALWAYS_THERE = {
    "FlaskIntegration",
    "LoggingIntegration",
    "DedupeIntegration",
    "ExcepthookIntegration",
    "AtexitIntegration",
}

_SWITCHES: dict[str, dict[str, Any]] = {
    "LoggingIntegration": {"logging": False},
    "ExcepthookIntegration": {"uncaught_errors": False},
    "ThreadingIntegration": {"uncaught_errors": False},
}


def _callable(new: str) -> Callable[[Any], Outcome]:
    """Return a converter for a function, which has to be imported where it is used."""

    def convert(value: Any) -> Outcome:
        if value is None:
            return Outcome()
        return Outcome(
            {new: value if isinstance(value, Code) else Code(code_of(value))}
        )

    return convert


def _proxy(scheme: str) -> Callable[[Any], Outcome]:
    def convert(value: Any) -> Outcome:
        return Outcome({"proxies": {scheme: value}} if value else {})

    return convert


def _scrubber(value: Any) -> Outcome:
    if value is None:
        return Outcome()
    names = value.keywords.get("denylist") if isinstance(value, Call) else None
    if isinstance(value, Call) and names is None:
        return Outcome()
    if not isinstance(names, list):
        return by_hand("scrub_keys", "name what should be redacted, too")
    texts = [name for name in names if isinstance(name, str)]
    more = [name for name in texts if not is_secret_name(name)]
    made = Outcome({"scrub_keys": more} if more else {})
    if len(texts) < len(names):
        made.notes.append("Only names that are written out were taken.")
    return made


def _integrations(value: Any) -> Outcome:
    made = Outcome()
    for one in value if isinstance(value, list) else []:
        given = one.keywords if isinstance(one, Call) else {}
        _add_integration(made, _class_of(one), given)
    return made


def _disabled(value: Any) -> Outcome:
    made = Outcome()
    for one in value if isinstance(value, list) else []:
        made.options.update(_SWITCHES.get(_class_of(one), {}))
    return made


def _class_of(value: Any) -> str:
    """The name of the class that is given, or of which an object is made."""
    name = value.name if isinstance(value, Call) else code_of(value)
    return name.rpartition(".")[2]


def _add_integration(made: Outcome, name: str, given: Mapping[str, Any]) -> None:
    if name == "FlaskIntegration" and "transaction_style" in given:
        made.options["transaction_style"] = given["transaction_style"]
    elif name == "LoggingIntegration":
        for old, new in (("level", "breadcrumb_level"), ("event_level", "event_level")):
            if old in given:
                made.options[new] = given[old]
    if name in LINES:
        made.notes.append(f"{name} is a line of code: {LINES[name]}.")
    elif name not in _ALWAYS_THERE:
        made.notes.append(f"{name} has no counterpart.")


SENTRY_SDK: dict[str, Rule] = {
    "dsn": Rule(
        "dsn",
        "The project need not be a number.",
        unset="Without one, events go to the app's own tracker.",
    ),
    "environment": Rule(
        "environment",
        unset='Without it "development" in debug mode, else "production".',
    ),
    "release": Rule("release", unset="Without it found as before, but git is not run."),
    "dist": Rule("dist"),
    "server_name": Rule("server_name"),
    "sample_rate": Rule("sample_rate", "Decided before anything is built."),
    "error_sampler": Rule(
        "sample_rate",
        "A callable of the hint alone: there is no event yet.",
        lambda value: by_hand("sample_rate", "the callable gets the hint only"),
    ),
    "ignore_errors": Rule("ignore_exceptions", "Subclasses count for names, too."),
    "before_send": Rule(
        "before_send",
        "The hint has ``exception``, too. Redaction comes after it. If it raises, a "
        "stripped event goes; sentry-sdk sent none.",
        _callable("before_send"),
    ),
    "before_breadcrumb": Rule(
        "before_breadcrumb",
        "If it raises, the breadcrumb stays without message and data.",
        _callable("before_breadcrumb"),
    ),
    "max_breadcrumbs": Rule("max_breadcrumbs"),
    "send_default_pii": Rule(
        "send_default_pii, user_attrs",
        "Cookies and IP addresses only. The user's id is always sent; ``user_attrs`` "
        "names more of the user. No user is loaded for it.",
        lambda value: Outcome({} if value is None else {"send_default_pii": value}),
    ),
    "data_collection": Rule(
        "send_default_pii, max_request_body_size, include_local_variables",
        "These options say the same in other words.",
        lambda value: (
            Outcome()
            if value is None
            else by_hand("send_default_pii", "it says the same in other words")
        ),
    ),
    "event_scrubber": Rule(
        "scrub_keys, scrub_patterns",
        "Redaction is always on, at any depth, by name and by value.",
        _scrubber,
    ),
    "include_local_variables": Rule("include_local_variables"),
    "with_locals": Rule("include_local_variables", "The name in sentry-sdk 1."),
    "include_source_context": Rule("include_source_context"),
    "in_app_include": Rule(
        "include_paths", "Where both name a package, ``in_app_exclude`` wins."
    ),
    "in_app_exclude": Rule("in_app_exclude"),
    "project_root": Rule("", "The app's own folder is known; ``include_paths`` adds."),
    "max_request_body_size": Rule(
        "max_request_body_size",
        "Only what the app itself has read, measured in bytes; or a number of bytes.",
    ),
    "request_bodies": Rule("max_request_body_size", "The name in sentry-sdk 1."),
    "max_value_length": Rule(
        "", "Values are bounded by size and time together, an event by 1 MiB."
    ),
    "custom_repr": Rule("", "``repr`` is never called on what could load something."),
    "attach_stacktrace": Rule(
        "", "Log with ``stack_info=True`` where a record should carry its stack."
    ),
    "add_full_stack": Rule("", "Frames outside of the ``try`` are not sent."),
    "max_stack_frames": Rule("", "Of very deep stacks both ends are sent."),
    "transport": Rule(
        "transport",
        "Any object with ``send(envelope)``, as a keyword argument of ``ErrTrack``.",
        lambda value: (
            Outcome()
            if value is None
            else by_hand("transport", "an object with send(envelope)")
        ),
    ),
    "shutdown_timeout": Rule("shutdown_timeout_seconds"),
    "http_proxy": Rule("proxies", 'A dict: ``{"http": …}``.', _proxy("http")),
    "https_proxy": Rule("proxies", 'A dict: ``{"https": …}``.', _proxy("https")),
    "ca_certs": Rule("ca_certs"),
    "send_client_reports": Rule("send_client_reports"),
    "transport_queue_size": Rule(
        "outbox_max_bytes",
        "What waits is bounded by bytes, on disk.",
        lambda value: Outcome(),
    ),
    **dict.fromkeys(
        ("proxy_headers", "cert_file", "key_file", "socket_options", "keep_alive"),
        Rule("", _CONNECTION),
    ),
    "debug": Rule(
        "",
        "``flask errtrack doctor`` says what works; the logger is ``flask_errtrack``.",
    ),
    "spotlight": Rule(
        "dsn", "Spotlight is a server like any other.", lambda value: Outcome()
    ),
    "integrations": Rule(
        "transaction_style, breadcrumb_level, event_level",
        "",
        _integrations,
        "Flask and logging are always there; others are a line of code, see below.",
    ),
    "disabled_integrations": Rule(
        "logging, uncaught_errors",
        "Only logging and the hooks for uncaught errors are there to be switched off.",
        _disabled,
    ),
    **dict.fromkeys(
        ("default_integrations", "auto_enabling_integrations"),
        Rule("", "Nothing switches itself on because a package is installed."),
    ),
    "auto_session_tracking": Rule("", "Nothing is sent of healthy requests."),
    **dict.fromkeys(
        (
            "traces_sample_rate",
            "traces_sampler",
            "trace_propagation_targets",
            "trace_ignore_status_codes",
            "trace_lifecycle",
            "propagate_traces",
            "strict_trace_continuation",
            "org_id",
            "enable_tracing",
            "functions_to_trace",
            "instrumenter",
            "ignore_spans",
            "before_send_transaction",
            "before_send_span",
            "stream_gen_ai_spans",
            "profiles_sample_rate",
            "profiles_sampler",
            "profiler_mode",
            "profile_lifecycle",
            "profile_session_sample_rate",
            "enable_db_query_source",
            "db_query_source_threshold_ms",
            "enable_http_request_source",
            "http_request_source_threshold_ms",
        ),
        Rule("", _NO_TRACING),
    ),
    **dict.fromkeys(("enable_logs", "before_send_log"), Rule("", _NO_LOGS)),
    **dict.fromkeys(
        ("enable_metrics", "before_send_metric"), Rule("", "No metrics are sent.")
    ),
    "enable_backpressure_handling": Rule(
        "", "What cannot be sent now waits in the outbox, within its bounds."
    ),
    "_experiments": Rule(),
}

#: What is called beside ``init``.
CALLS: dict[str, Rule] = {
    "ignore_logger": Rule(
        "logging_exclusions",
        "For one app, and with the children of the logger.",
        lambda value: Outcome({"logging_exclusions": [value]}),
    )
}
