"""What an app imports of raven, sentry-sdk and sentry-asgi beside their settings.

Handlers, middleware and signals: what takes their place is code, too.
"""

from __future__ import annotations

from .from_sentry_sdk import ASGI, CELERY
from .rules import Rule

_HANDLER = Rule("", "Take it out: log records are seen without a handler.")
_WSGI = Rule("", "Take it out: errors of WSGI middleware are always seen.")
_ASGI = Rule("", f"Use {ASGI}.")

#: By dotted name, as it is imported or stands in a ``dictConfig``.
PARTS: dict[str, Rule] = {
    "raven.handlers.logging.SentryHandler": _HANDLER,
    "raven.conf.setup_logging": _HANDLER,
    "raven.middleware.Sentry": _WSGI,
    "raven.contrib.celery.register_signal": Rule("", f"Use {CELERY}."),
    "raven.contrib.celery.register_logger_signal": Rule(
        "", "Take it out: log records of tasks are seen."
    ),
    "sentry_asgi.SentryMiddleware": _ASGI,
    "sentry_sdk.integrations.asgi.SentryAsgiMiddleware": _ASGI,
    "sentry_sdk.integrations.wsgi.SentryWsgiMiddleware": _WSGI,
    "sentry_sdk.integrations.logging.BreadcrumbHandler": _HANDLER,
    "sentry_sdk.integrations.logging.EventHandler": _HANDLER,
}
