"""How an option is declared, and the checks that an option can have.

A check takes what the developer wrote and returns the value to keep; a
``ValueError`` says what was expected. Knows no option by name.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from collections.abc import Callable, Collection, Mapping
from logging import getLevelNamesMapping
from typing import Any

from ..errors import ConfigError
from .dsn import Dsn

#: Returns the value to keep; a ValueError says what was expected.
Check = Callable[[Any], Any]


def instance_of(kind: type, expected: str) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, kind) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise ValueError(expected)
        return value

    return check


def optional(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def number(low: float, high: float = float("inf"), *, whole: bool = False) -> Check:
    kinds = (int,) if whole else (int, float)
    kind = "a whole number" if whole else "a number"
    bounds = f"from {low} to {high}" if high != float("inf") else f"of {low} or more"

    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise ValueError(f"{kind} {bounds}")
        if not low <= value <= high or value == float("inf"):
            raise ValueError(f"{kind} {bounds}")
        return value

    return check


def either(*checks: Check) -> Check:
    """The first check that takes the value; else what all of them expected."""

    def check(value: Any) -> Any:
        expected = []
        for one in checks:
            try:
                return one(value)
            except ConfigError:
                raise
            except ValueError as error:
                expected.append(str(error))
        raise ValueError(", or ".join(expected))

    return check


def one_of(*values: object) -> Check:
    def check(value: Any) -> Any:
        if not any(value is one or value == one for one in values):
            raise ValueError("one of " + ", ".join(repr(one) for one in values))
        return value

    return check


def a_callable(value: Any) -> Any:
    if not callable(value):
        raise ValueError("a callable")
    return value


def a_hook(value: Any) -> Any:
    """A function that is called while an error is captured, where nobody can await."""
    if not callable(value) or inspect.iscoroutinefunction(value):
        raise ValueError("a callable that is not async")
    return value


def access_rule(value: Any) -> Any:
    takes_action(a_callable(value))
    return value


def takes_action(rule: Callable[..., Any]) -> bool:
    """Tell whether a rule wants to know the user and the action.

    :raises ValueError: if it can be called neither so nor without arguments.
    """
    signature = inspect.signature(rule)
    for arguments in (("user", "action"), ()):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return bool(arguments)
    raise ValueError("a callable without arguments, or of (user, action)")


def list_of(check: Check, expected: str) -> Check:
    def check_list(value: Any) -> Any:
        if isinstance(value, str | bytes) or not isinstance(value, Collection):
            raise ValueError(f"a list of {expected}")
        return tuple(item_of(number, item) for number, item in enumerate(value, 1))

    def item_of(number: int, item: Any) -> Any:
        try:
            return check(item)
        except ConfigError:
            raise
        except ValueError as error:
            text = f"a list of {expected}; number {number} is not {error}"
            raise ValueError(text) from error

    return check_list


def pattern(value: Any) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except (re.error, TypeError) as error:
        raise ValueError(f"a regular expression ({error})") from error


def exception(value: Any) -> Any:
    is_class = isinstance(value, type) and issubclass(value, BaseException)
    if not is_class and not (isinstance(value, str) and value):
        raise ValueError("an exception class or dotted name")
    return value


def tags(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("a dict of tag names and values")
    return {str(key): str(item) for key, item in value.items()}


def dsn(value: Any) -> Dsn | None:
    text = TEXT(value)
    return Dsn.parse(text) if text.strip() else None


def database_url(value: Any) -> str:
    schemes = (
        "sqlite:///",
        "postgresql://",
        "postgresql+psycopg://",
        "postgres://",
    )
    if not isinstance(value, str) or not value.startswith(schemes):
        raise ValueError(
            "a URL that begins with sqlite:/// or postgresql://, such as "
            "postgresql://user:password@host/database"
        )
    # The scheme that many hosts hand out.
    return value.replace("postgres://", "postgresql://", 1)


def transport(value: Any) -> Any:
    if not callable(getattr(value, "send", None)):
        raise ValueError("an object with a method send(envelope)")
    return value


def ca_certs(value: Any) -> str:
    """The path of certificates that can be read now, not only when they are needed."""
    # Whoever has no authority of their own does not need it.
    import ssl

    path = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
    try:
        if not path:
            raise ValueError("no path")
        folder = path if os.path.isdir(path) else None
        ssl.create_default_context(cafile=None if folder else path, capath=folder)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the path of a file with certificates in PEM format ({error})"
        ) from error
    return path


def url_prefix(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"(/[\w.~-]+)+/?", value):
        raise ValueError('a path below the root, such as "/errtrack"')
    return value.rstrip("/")


def log_level(value: Any) -> int:
    levels = getLevelNamesMapping()
    level = levels.get(value.upper()) if isinstance(value, str) else value
    if isinstance(level, bool) or not isinstance(level, int):
        raise ValueError('a logging level such as logging.ERROR or "ERROR"')
    return level


def alert_target(value: Any) -> Any:
    """An apprise URL or a callable; apprise must be there for the first."""
    if callable(value):
        return value
    if not isinstance(value, str) or not re.match("[A-Za-z][A-Za-z0-9]*://.", value):
        raise ValueError('an apprise URL such as "mailto://…", or a callable')
    try:
        import apprise
    except ModuleNotFoundError:
        raise ConfigError(
            'apprise is not installed: run pip install "Flask-ErrTrack[alerts]"'
        ) from None
    if apprise.Apprise.instantiate(value) is None:
        # Without the rest of the URL: it is a secret.
        raise ConfigError(
            f"apprise cannot read the URL that begins with "
            f'"{value.partition(":")[0]}://"; the log tells what it misses, and '
            "https://github.com/caronc/apprise/wiki what such URLs look like"
        )
    return value


def web_url(value: Any) -> str:
    if not isinstance(value, str) or not re.match("https?://[^/]", value):
        raise ValueError('a URL such as "https://shop.example/errtrack"')
    return value.rstrip("/")


TEXT = instance_of(str, "a text")
FLAG = instance_of(bool, "True or False")
NAMES = list_of(TEXT, "names")
SECONDS = number(0.0)


def option(
    group: str,
    default: Any,
    check: Check,
    help: str,
    *,
    shown: str | None = None,
    keyword_only: bool = False,
    confidential: bool = False,
) -> Any:
    """Declare an option: a dataclass field that carries its check and help.

    :param confidential: no message and no ``repr`` may repeat its value.
    """
    metadata = {
        "group": group,
        "check": check,
        "help": help,
        "shown": shown,
        "keyword_only": keyword_only,
        "confidential": confidential,
    }
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def checked(field: dataclasses.Field[Any], where: str, value: Any) -> Any:
    """Return the value to keep for an option.

    :param where: where it was set, for the message.
    :raises ConfigError: it is not what was expected.
    """
    try:
        return field.metadata["check"](value)
    except ConfigError as error:
        raise type(error)(f"{where}: {error}") from None
    except ValueError as error:
        came = "***" if field.metadata["confidential"] else _short(value)
        raise ConfigError(
            f"{where} is {came} ({type(value).__name__}); expected {error}"
        ) from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def options_as_rst(config_class: Any) -> str:
    """Return the option tables of the documentation, one for each group.

    :param config_class: a dataclass whose fields are made by :func:`option`.
    """
    lines: list[str] = []
    fields = dataclasses.fields(config_class)
    for group in dict.fromkeys(field.metadata["group"] for field in fields):
        lines += [f".. list-table:: {group}", "    :header-rows: 1"]
        lines += ["    :widths: 25 25 50", ""]
        lines += ["    * - Option", "      - Default", "      - What it does"]
        for field in fields:
            if field.metadata["group"] == group:
                lines += [f"    * - ``{field.name}``", f"      - ``{_shown(field)}``"]
                lines += [f"      - {field.metadata['help']}"]
        lines.append("")
    return "\n".join(lines)


def _shown(field: dataclasses.Field[Any]) -> str:
    if field.metadata["shown"] is not None:
        return str(field.metadata["shown"])
    if field.default == ():
        return "[]"
    return "{}" if field.default is dataclasses.MISSING else repr(field.default)
