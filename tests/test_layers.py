"""The plan of the house: who may import whom, counted wherever an import stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "flask_errtrack"
#: The rooms, from the ground up: each knows only those that stand before it.
ROOMS = (
    "version",
    "words",
    "errors",
    "event",
    "notes",
    "runtime",
    "settings",
    "reading",
    "privacy",
    "protocol",
    "scopes",
    "watching",
    "logging",
    "host",
    "web",
    "transports",
    "tracker",
    "client",
    "migration",
    "diagnosis",
    "hooks",
    "cli",
    "composition",
    "console",
    "extension",
    "integration",
    "asgi",
    "contrib",
    "testing",
    "",
)
COMPOSITION = "flask_errtrack.composition"
WEB = {
    "cli",
    "composition",
    "console",
    "diagnosis",
    "extension",
    "hooks",
    "host",
    "scopes",
    "testing",
    "tracker",
    "web",
}
WEB_INTEGRATIONS = {"flask_errtrack.contrib.signals"}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module: str) -> set[str]:
    """The modules that a module imports, at any place in it."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            parents = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            below = {f"{base}.{alias.name}" for alias in node.names}
            found |= (below & MODULES.keys()) or {base}
    return found


IMPORTS = {module: imports_of(module) for module in MODULES}


def part_of(module: str) -> str:
    """The part of the house: ``flask_errtrack.tracker.store`` is in ``tracker``."""
    return module.removeprefix("flask_errtrack").removeprefix(".").partition(".")[0]


def importers_of(library: str) -> Iterator[str]:
    for module, imported in IMPORTS.items():
        if any(one == library or one.startswith(f"{library}.") for one in imported):
            yield module


def test_rooms_know_only_those_below_them() -> None:
    for module, imported in IMPORTS.items():
        # The tracker on its own is an empty app, around which all of it is put.
        alone = module == "flask_errtrack.tracker.standalone"
        for other in imported & MODULES.keys() - ({COMPOSITION} if alone else set()):
            assert ROOMS.index(part_of(other)) <= ROOMS.index(part_of(module)), (
                f"{module} imports {other}"
            )


def test_client_and_tracker_never_meet() -> None:
    for module, imported in IMPORTS.items():
        if part_of(module) == "tracker":
            assert not {part_of(one) for one in imported} & {"client", "hooks", "host"}
        elif part_of(module) not in ("composition", "console", "extension", "cli"):
            assert not [one for one in imported if part_of(one) == "tracker"], module


def test_only_the_tracker_on_its_own_knows_what_is_put_around_it() -> None:
    tracker = {module for module in MODULES if part_of(module) == "tracker"}
    around = {"flask_errtrack", COMPOSITION, "flask_errtrack.cli"}
    (alone,) = [module for module in tracker if IMPORTS[module] & around]
    assert alone == "flask_errtrack.tracker.standalone"


def test_flask_is_for_the_web_files() -> None:
    for module in importers_of("flask"):
        is_web = part_of(module) in WEB or module in WEB_INTEGRATIONS
        assert is_web, module
    of_the_tracker = {
        module for module in importers_of("flask") if part_of(module) == "tracker"
    }
    without = (
        "alerts",
        "database",
        "events",
        "monitoring",
        "queries",
        "search",
        "storing",
        "store",
    )
    below = tuple(f"flask_errtrack.tracker.{name}" for name in without)
    assert not [module for module in of_the_tracker if module.startswith(below)]


def test_what_makes_and_groups_events_knows_no_database() -> None:
    users = [*importers_of("sqlalchemy"), *importers_of("sqlite3")]
    assert not [one for one in users if one.startswith("flask_errtrack.tracker.events")]


@pytest.mark.parametrize("library", ["sqlalchemy", "alembic"])
def test_the_database_is_for_the_tracker(library: str) -> None:
    users = set(importers_of(library)) - {"flask_errtrack.contrib.sqlalchemy"}
    assert {part_of(module) for module in users} == {"tracker"}


def test_integrations_are_for_the_app_to_import_and_know_one_library_each() -> None:
    integrations = {one for one in MODULES if part_of(one) == "contrib"}
    for module, imported in IMPORTS.items():
        assert module in integrations or not imported & integrations, module
    names = {module.rpartition(".")[2] for module in integrations}
    for module in integrations:
        found = {one.partition(".")[0] for one in IMPORTS[module]} & names
        assert found <= {module.rpartition(".")[2]}, module


@pytest.mark.parametrize("library", ["apscheduler", "celery", "rq"])
def test_a_queue_is_for_its_own_integration(library: str) -> None:
    assert list(importers_of(library)) == [f"flask_errtrack.contrib.{library}"]


def all_below(module: str) -> set[str]:
    """The modules that a module needs, itself included."""
    found, waiting = {module}, [module]
    while waiting:
        new = (IMPORTS[waiting.pop()] & MODULES.keys()) - found
        found |= new
        waiting += new
    return found


def test_transports_and_what_is_below_know_neither_flask_nor_the_client() -> None:
    transports = [one for one in MODULES if part_of(one) == "transports"]
    assert transports
    for module in transports:
        parts = {part_of(one) for one in all_below(module)}
        assert not parts & {"client", "tracker"}, module
        assert not all_below(module) & set(importers_of("flask")), module


def test_old_settings_are_read_without_flask_and_the_packages_they_are_of() -> None:
    strangers = {*importers_of("raven"), *importers_of("sentry_sdk")}
    assert not strangers
    below = all_below("flask_errtrack.migration.converting")
    assert not below & set(importers_of("flask"))
    assert not {part_of(module) for module in below} & {"client", "tracker"}


@pytest.mark.parametrize("name", ["logging", "watching.uncaught", "watching.watched"])
def test_what_sees_the_process_knows_neither_flask_nor_the_client(name: str) -> None:
    below = all_below(f"flask_errtrack.{name}")
    assert not {part_of(one) for one in below} & {"client", "tracker"}
    assert not below & set(importers_of("flask"))


def test_no_module_imports_itself_over_others() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for one in sorted(IMPORTS[module] & MODULES.keys()):
                visit(one, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_every_module_is_named_after_what_it_does() -> None:
    names = {path.stem for path in MODULES.values()}
    assert not names & {"utils", "util", "helpers", "common", "misc", "types", "base64"}


def test_the_modules_are_small_and_say_what_they_own() -> None:
    for module, path in MODULES.items():
        source = path.read_text()
        lines = len(source.splitlines())
        assert lines <= 350, f"{module} has {lines} lines"
        if "migrations.versions" not in module:
            assert ast.get_docstring(ast.parse(source)), module
