"""An environment in which a contestant is alone, made of one that has them all.

Some import whatever they could watch, as far as it is installed: they are measured
as somebody finds them who installs Flask, Flask-Login and one of them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from functools import lru_cache
from importlib import metadata
from pathlib import Path

#: Names the modules that a process is not to see.
VARIABLE = "BENCHMARK_HIDDEN_MODULES"
_SETUP = Path(__file__).resolve().parents[1] / "setup.cfg"
_OURS = "flask-errtrack"
_NAME = re.compile(r"[\w.-]+")


def hide_others() -> None:
    """Make the modules that are named in the environment look as if not installed."""
    for name in os.environ.get(VARIABLE, "").split():
        # So Python knows that there is no such module.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


@lru_cache
def others(distributions: tuple[str, ...]) -> str:
    """Return the modules that are there for others than these, for ``VARIABLE``."""
    needed: set[str] = set()
    for name in ("Flask", "Flask-Login", *distributions):
        _add_needed(name, needed)
    return " ".join(
        module
        for module, owners in _owners().items()
        if needed.isdisjoint(map(_canonical, owners))
    )


def _add_needed(name: str, needed: set[str]) -> None:
    if _canonical(name) in needed:
        return
    needed.add(_canonical(name))
    for one in _requirements(name):
        _add_needed(one, needed)


def _requirements(name: str) -> Iterator[str]:
    """Yield what a distribution needs in any case: not its extras."""
    if _canonical(name) == _OURS:
        # It is not always installed where it is worked on.
        parser = ConfigParser()
        parser.read(_SETUP)
        found = parser["options"]["install_requires"].split("\n")
    else:
        try:
            found = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            found = []
    for one in found:
        named = _NAME.match(one.strip())
        if named and "extra ==" not in one:
            yield named[0]


@lru_cache
def _owners() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
