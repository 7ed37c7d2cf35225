"""Where options come from, and what to say of one that is not known.

Knows nothing of what an option means.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError

PREFIX = "ERRTRACK_"
ENVIRON_OPTIONS = ("dsn", "environment", "release")

Fields = Mapping[str, dataclasses.Field[Any]]


def gathered(
    fields: Fields,
    keywords: Mapping[str, Any],
    app_config: Mapping[str, Any],
    environ: Mapping[str, str],
) -> dict[str, tuple[str, Any]]:
    """Return by option where it was set last, in words, and to which value.

    :raises ConfigError: an option is unknown.
    """
    found: dict[str, tuple[str, Any]] = {}
    for name in ENVIRON_OPTIONS:
        if key := environ.get(PREFIX + name.upper()):
            found[name] = (f"environment variable {PREFIX}{name.upper()}", key)
    found |= _named(fields, "ERRTRACK_CONFIG", app_config.get(f"{PREFIX}CONFIG") or {})
    for key, value in app_config.items():
        if isinstance(key, str) and key.startswith(PREFIX):
            if key != f"{PREFIX}CONFIG":
                found[_option_name(fields, key)] = (f"app.config[{key!r}]", value)
    for name, (where, _) in found.items():
        if fields[name].metadata["keyword_only"]:
            raise ConfigError(
                f"{where} cannot hold {name}: pass it as a keyword argument, "
                f"ErrTrack(app, {name}=…)"
            )
    for name, value in keywords.items():
        found[_known(fields, name, f"option {name}")] = (f"option {name}", value)
    return found


def _named(fields: Fields, source: str, options: Any) -> dict[str, tuple[str, Any]]:
    if not isinstance(options, Mapping):
        raise ConfigError(
            f"{source} is a {type(options).__name__}; expected a dict of options, "
            'such as {"sample_rate": 0.5}'
        )
    return {
        _known(fields, name, f"{source}[{name!r}]"): (f"{source}[{name!r}]", value)
        for name, value in options.items()
    }


def _option_name(fields: Fields, key: str) -> str:
    name = key.removeprefix(PREFIX)
    return _known(
        fields, name.lower() if name.isupper() else name, f"app.config[{key!r}]"
    )


def _known(fields: Fields, name: Any, where: str) -> str:
    if name in fields:
        return str(name)
    near = difflib.get_close_matches(str(name).lower(), fields, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(fields)}"
    raise ConfigError(f"{where} is not an option of Flask-ErrTrack; {hint}")
