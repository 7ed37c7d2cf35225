"""Finds settings of raven and sentry-sdk: in a config, an environment, source text.

Source is parsed and never run; names that a file imports are followed, so that
``init(…)`` is known where it is that of sentry-sdk.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .parts import PARTS
from .rules import Call, Code

ENVIRONMENT = "the environment"
_PREFIXES = ("SENTRY_", "RAVEN_")
_HINT = re.compile(b"(?i)sentry|raven")
# Other people's code.
_FOREIGN_FOLDERS = {"node_modules", "site-packages", "__pycache__", "build", "dist"}


@dataclass(frozen=True)
class Setting:
    """One old setting.

    :param kind: "config", "environment", "raven" (an argument of ``Sentry``),
        "sentry-sdk" (one of ``init``), or "part" (what is imported beside them).
    :param name: how it is spelled there.
    :param section: what is read together: a class of settings, a call.
    :param line: in the file that the section names; 0 where there is none.
    """

    kind: str
    name: str
    value: Any
    section: str
    line: int = 0


def settings_of_config(config: Mapping[str, Any], section: str) -> Iterator[Setting]:
    """Yield the old settings of an app's config."""
    for name, value in config.items():
        if isinstance(name, str) and name.startswith(_PREFIXES):
            yield from _opened(Setting("config", name, value, section))


def settings_of_environ(environ: Mapping[str, str]) -> Iterator[Setting]:
    """Yield the old settings of an environment."""
    for name, value in sorted(environ.items()):
        if name.startswith(_PREFIXES) and value:
            yield Setting("environment", name, value, ENVIRONMENT)


def source_files(path: Path) -> Iterator[Path]:
    """Yield a file itself, or the Python files of a folder without foreign code."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _FOREIGN_FOLDERS
            and not Path(folder, name, "pyvenv.cfg").exists()
        )
        paths = (Path(folder, name) for name in sorted(files) if name[-3:] == ".py")
        yield from (path for path in paths if path.is_file())


def settings_of_source(
    text: bytes, place: str, *, calls_only: bool = False
) -> list[Setting]:
    """Return the old settings that Python source sets.

    :param place: the name of the file.
    :param calls_only: only what is handed to ``Sentry`` and ``init``: the rest is in
        the app's config.
    :raises SyntaxError, ValueError: it is no Python source.
    """
    reader = _Reader(place, calls_only)
    # Most files of a folder have nothing to do with it.
    if _HINT.search(text):
        reader.visit(ast.parse(text, place))
    return reader.found


class _Reader(ast.NodeVisitor):
    """Gathers settings on the way through a file."""

    def __init__(self, place: str, calls_only: bool) -> None:
        self.found: list[Setting] = []
        self._place = self._section = place
        self._calls_only = calls_only
        self._imported: dict[str, str] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self._section = self._section, f"{self._place}, class {node.name}"
        self.generic_visit(node)
        self._section = outer

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            if one.asname:
                self._imported[one.asname] = one.name

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for one in node.names:
            name = f"{node.module}.{one.name}"
            self._imported[one.asname or one.name] = name
            self._see_part(name, node.lineno)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._see_part(node.value, node.lineno)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._see(_name_of_target(target), node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._see(_name_of_target(node.target), node.value)
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                self._see(key.value, value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = self._full_name(node.func)
        kind = _kind_of_call(name)
        if kind is not None:
            self._add_call(kind, name, node)
        else:
            for one in node.keywords:
                self._see(one.arg, one.value)
        self.generic_visit(node)

    def _see(self, name: Any, node: ast.expr) -> None:
        is_old = isinstance(name, str) and name.startswith(_PREFIXES)
        if is_old and not self._calls_only:
            value = self._value(node)
            setting = Setting("config", name, value, self._section, node.lineno)
            self.found += _opened(setting)

    def _see_part(self, name: Any, line: int) -> None:
        if isinstance(name, str) and name in PARTS:
            section = f"{self._place}:{line}"
            self.found.append(Setting("part", name, True, section, line))

    def _add_call(self, kind: str, name: str, node: ast.Call) -> None:
        short = name.removeprefix("raven.contrib.flask.")
        section = f"{self._place}:{node.lineno}, {short}(…)"
        given: list[tuple[str, ast.expr]] = [
            (one.arg, one.value) for one in node.keywords if one.arg is not None
        ]
        if node.args and name in ("sentry_sdk.init", "raven.Client"):
            given.insert(0, ("dsn", node.args[0]))
        elif node.args and name.endswith(".ignore_logger"):
            given.insert(0, ("ignore_logger", node.args[0]))
        for option, value in given:
            made = Setting(kind, option, self._value(value), section, value.lineno)
            self.found.append(made)

    def _full_name(self, node: ast.expr) -> str:
        """The dotted name of what is called, with what it was imported as."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        first = node.id if isinstance(node, ast.Name) else ""
        return ".".join([self._imported.get(first, first), *parts])

    def _value(self, node: ast.expr) -> Any:
        """What an expression is worth, as far as it tells that itself."""
        with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return _as_list(ast.literal_eval(node))
        if isinstance(node, ast.Dict) and None not in node.keys:
            return self._dict(node)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [self._value(one) for one in node.elts]
        if isinstance(node, ast.Call):
            return self._call(node)
        return Code(ast.unparse(node))

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        keys = (self._value(key) for key in node.keys if key is not None)
        pairs = zip(keys, node.values, strict=True)
        return {key: self._value(value) for key, value in pairs}

    def _call(self, node: ast.Call) -> Any:
        keywords = {one.arg: one.value for one in node.keywords if one.arg}
        given = {name: self._value(value) for name, value in keywords.items()}
        if len(given) == len(node.keywords) and ast.unparse(node.func) == "dict":
            return given
        return Call(self._full_name(node.func), ast.unparse(node), given)


def _name_of_target(node: ast.expr) -> Any:
    """The name that an assignment sets: of ``x``, ``app.x``, ``config["x"]``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value
    return None


def _kind_of_call(name: str) -> str | None:
    if name == "sentry_sdk.init" or name.endswith(".logging.ignore_logger"):
        return "sentry-sdk"
    owner, _, called = name.rpartition(".")
    if name.startswith("raven.") and called in ("Sentry", "Client", "SentryHandler"):
        return "raven"
    # `sentry = Sentry()` is elsewhere.
    holder = owner.rpartition(".")[2].lower()
    is_init = called == "init_app" and ("sentry" in holder or "raven" in holder)
    return "raven" if is_init else None


def _opened(setting: Setting) -> Iterator[Setting]:
    """Yield a setting, or what is in it where it is a dict of settings."""
    if setting.name not in ("SENTRY_CONFIG", "RAVEN_CONFIG"):
        yield setting
        return
    if not isinstance(setting.value, Mapping):
        yield setting
        return
    for key, value in setting.value.items():
        name = f"{setting.name}[{key!r}]"
        yield Setting("config", name, value, setting.section, setting.line)


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, set | frozenset | tuple) else value
