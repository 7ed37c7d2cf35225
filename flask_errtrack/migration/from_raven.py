"""What becomes of the settings of raven 6 in a Flask app.

``SENTRY_<NAME>`` and the keys of ``SENTRY_CONFIG`` (raven/utils/conf.py and
raven/base.py), and the arguments of ``raven.contrib.flask.Sentry``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from .rules import Call, Code, Outcome, Rule, by_hand, code_of, only_false

_BOUNDED = (
    "Values are bounded by size and time together, and an event by 1 MiB; what was cut "
    "is said."
)
_PROCESSORS: dict[str, dict[str, Any]] = {
    "SanitizePasswordsProcessor": {},
    "SanitizeKeysProcessor": {},
    "RemovePostDataProcessor": {"max_request_body_size": "never"},
    "RemoveStackLocalsProcessor": {"include_local_variables": False},
}


def _dsn(value: Any) -> Outcome:
    """Take a DSN apart: raven's may name a transport before, and options after it."""
    if not isinstance(value, str):
        return Outcome({} if value is None else {"dsn": value})
    base, _, query = value.strip().partition("?")
    transport, _, scheme = base.partition("://")[0].rpartition("+")
    made = Outcome({"dsn": scheme + base[base.find("://") :] if transport else base})
    if transport:
        made.notes.append(
            f"``{transport}+`` chose a transport: events are always sent by a thread."
        )
    for name, text in parse_qsl(query):
        _add_dsn_option(made, name, text)
    return made


def _add_dsn_option(made: Outcome, name: str, text: str) -> None:
    if name == "timeout" and text.isdecimal():
        made.options["timeout_seconds"] = int(text)
    elif name == "ca_certs":
        made.options["ca_certs"] = text
    elif name == "verify_ssl" and text == "0":
        made.notes.append(
            "``verify_ssl=0``: certificates are always checked; name yours in "
            "``ca_certs``."
        )
    elif name != "verify_ssl":
        made.notes.append(f"The option ``{name}`` of the DSN has no counterpart.")


def _site(value: Any) -> Outcome:
    return Outcome({} if value is None else {"tags": {"site": value}})


def _release(value: Any) -> Outcome:
    if isinstance(value, Code | Call) and "fetch_git_sha" in value.text:
        return Outcome({}, ["The commit of a git checkout is found without it."])
    return Outcome({} if value is None else {"release": value})


def _ignored(value: Any) -> Outcome:
    if not isinstance(value, Iterable) or isinstance(value, str):
        return Outcome({} if value is None else {"ignore_exceptions": value})
    made, kept = Outcome(), []
    for one in value:
        if isinstance(one, str) and one.endswith("*"):
            made.notes.append(
                f"``{one}`` stood for many classes: name the class that they inherit "
                "from."
            )
        elif isinstance(one, type):
            kept.append(f"{one.__module__}.{one.__qualname__}")
        else:
            kept.append(one)
    if kept:
        made.options["ignore_exceptions"] = kept
    return made


def _processors(value: Any) -> Outcome:
    if value is None or isinstance(value, Code):
        return Outcome() if value is None else by_hand("before_send", "rewrite them")
    made = Outcome()
    for one in value:
        name = one.rpartition(".")[2] if isinstance(one, str) else code_of(one)
        if name in _PROCESSORS:
            made.options.update(_PROCESSORS[name])
        else:
            made.notes.append(
                f"Rewrite {code_of(one)} as ``before_send(event, hint)``."
            )
    return made


RAVEN: dict[str, Rule] = {
    "dsn": Rule(
        "dsn",
        "",
        _dsn,
        "Without one, events go to the app's own tracker. ``timeout`` and ``ca_certs`` "
        "in the DSN are options of their own; other options there, and transports "
        "(``threaded+https://``), have no counterpart.",
    ),
    "include_paths": Rule(
        "include_paths", "Whole package names: ``app`` does not match ``apple``."
    ),
    "exclude_paths": Rule("in_app_exclude"),
    "ignore_exceptions": Rule(
        "ignore_exceptions",
        "Subclasses count for names, too. No wildcards.",
        _ignored,
    ),
    "sample_rate": Rule(
        "sample_rate", "What is not taken has no event id; raven gave it one."
    ),
    "name": Rule("server_name"),
    "machine": Rule("server_name"),
    "release": Rule(
        "release",
        "",
        _release,
        "Without it: what the host's environment tells, or the git checkout.",
    ),
    "environment": Rule(
        "environment",
        unset='Without it "production", or "development" in debug mode; raven sent '
        "none.",
    ),
    "site": Rule("tags", "A tag like any other.", _site),
    "tags": Rule("tags"),
    "context": Rule(
        "",
        "What every event should carry is a tag, or added in ``before_send``. "
        "``sys.argv`` is not sent.",
    ),
    "processors": Rule(
        "max_request_body_size, include_local_variables, before_send",
        "Passwords are always redacted, in more places. Processors of your own become "
        "``before_send``.",
        _processors,
    ),
    "sanitize_keys": Rule(
        "scrub_keys",
        "They come on top of the usual names, and are whole names instead of parts.",
    ),
    "capture_locals": Rule("include_local_variables"),
    "string_max_length": Rule("", _BOUNDED),
    "list_max_length": Rule("", _BOUNDED),
    "auto_log_stacks": Rule(
        "", "Log with ``stack_info=True`` where a record should carry its stack."
    ),
    "include_versions": Rule("", "Versions of packages are not sent; ``release`` is."),
    "timeout": Rule(
        "timeout_seconds", "raven read it from the DSN only, and ignored the setting."
    ),
    "transport": Rule(
        "",
        "A thread sends, from an outbox that survives a crash. A transport of your own "
        "is any object with ``send(envelope)``.",
    ),
    "enable_breadcrumbs": Rule(
        "max_breadcrumbs", "0 keeps none.", only_false({"max_breadcrumbs": 0})
    ),
    "install_logging_hook": Rule(
        "breadcrumb_level",
        "None keeps log records out of the breadcrumbs. raven took every level, the "
        "default here is INFO.",
        only_false({"breadcrumb_level": None}),
    ),
    "install_sys_hook": Rule(
        "uncaught_errors",
        "``threading.excepthook``, too; both are restored by ``close()``.",
        only_false({"uncaught_errors": False}),
    ),
    "hook_libraries": Rule(
        "",
        "Nothing is patched: one line a session or client switches on the breadcrumbs "
        "of HTTP requests, see :doc:`breadcrumbs`.",
    ),
    "repos": Rule("", "Source lines come with the event."),
    "raise_send_errors": Rule(
        "", "Sending never raises; ``flask errtrack doctor`` says what is wrong."
    ),
    "_random_seed": Rule(),
    "user_attrs": Rule(
        "user_attrs",
        "The user is looked at when an error happens, and never loaded for it; an "
        "attribute that would need a query is left out.",
    ),
}

#: The arguments of ``Sentry(app, …)`` and ``init_app(app, …)``.
SENTRY: dict[str, Rule] = {
    "dsn": RAVEN["dsn"],
    "client": Rule("", "``errtrack.client`` is made from the options."),
    "client_cls": Rule(
        "",
        "What a subclass changed: ``before_send``, ``user_callback``, ``transport``.",
    ),
    "logging": Rule(
        "logging",
        "On by default: records from ``event_level`` are events. "
        "``event_level=None`` is what raven did without ``logging=True``.",
        lambda value: Outcome({"event_level": None} if value is False else {}),
    ),
    "level": Rule(
        "event_level",
        "ERROR by default; raven took every record that loggers let pass.",
    ),
    "logging_exclusions": Rule(
        "logging_exclusions",
        "Children of the loggers, too; ``*`` stands for any text. The loggers keep "
        "their handlers and ``propagate``.",
    ),
    "wrap_wsgi": Rule("", "Errors of WSGI middleware are always seen, once."),
    "register_signal": Rule(
        "enabled",
        "Exceptions are always captured, unless ``enabled`` is False.",
        lambda value: Outcome(),
    ),
}
