"""Set up what work on Flask-ErrTrack needs, and do it: ``python3 dev.py test``.

Needs nothing but Python 3.11 or newer: everything else goes into ``.venv``, one
environment a Python version.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv" / f"{sys.version_info.major}.{sys.version_info.minor}"
BIN = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
_SOURCES = (
    "flask_errtrack",
    "_errtrack_pytest_plugin.py",
    "tests",
    "example_app",
    "benchmarks",
    "docs",
    "dev.py",
    "noxfile.py",
)


def example(arguments: Sequence[str]) -> int:
    """Run the example app in debug mode, at http://localhost:5000/."""
    return run("flask", "--app", "example_app", "run", "--debug", *arguments)


def test(arguments: Sequence[str]) -> int:
    """Run the tests."""
    return run("python", "-m", "pytest", *arguments)


def matrix(arguments: Sequence[str]) -> int:
    """Run the tests on each Python with each Flask; arguments go to nox."""
    return run("python", "-m", "nox", *arguments)


def check(arguments: Sequence[str]) -> int:
    """Lint, check the types, and build the documentation."""
    steps = (
        ("ruff", "check", *_SOURCES),
        ("ruff", "format", "--check", *_SOURCES),
        ("mypy",),
        ("sphinx-build", "-q", "-W", "--keep-going", "docs", "docs/_build"),
    )
    return max(run(*step) for step in steps)


def pictures(arguments: Sequence[str]) -> int:
    """Make the pictures of the documentation anew, with a real Chromium."""
    return run("python", "docs/make_pictures.py", *arguments)


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmark."""
    return run("python", "-m", "benchmarks", *arguments)


def counts(arguments: Sequence[str]) -> int:
    """Count the instructions that the hot paths take, with valgrind."""
    return run("python", "-m", "benchmarks.counts", *arguments)


def charts(arguments: Sequence[str]) -> int:
    """Make what the page on performance shows anew, of what bench has found."""
    return run("python", "-m", "benchmarks.page", *arguments)


_EVERY = (example, test, matrix, check, pictures, bench, counts, charts)
COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    one.__name__: one for one in _EVERY
}


def run(*command: str) -> int:
    """Run a program of the environment in the project's folder."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    environ = {**os.environ, "PATH": path}
    program = BIN / command[0]
    return subprocess.run([program, *command[1:]], cwd=ROOT, env=environ).returncode


def set_up() -> None:
    """Make the environment, unless it is there and nothing it depends on changed."""
    stamp = ENVIRONMENT / "set-up-of"
    wanted = (ROOT / "setup.cfg").read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"Setting up {ENVIRONMENT.relative_to(ROOT)} …", flush=True)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    install = [BIN / "python", "-m", "pip", "install", "--quiet", "-e", ".[dev]"]
    if subprocess.run(install, cwd=ROOT).returncode != 0:
        sys.exit("The dependencies could not be installed; pip says why above.")
    stamp.write_text(wanted)


def main() -> int:
    """Read the command line."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python may run this
        sys.exit(
            f"This is Python {sys.version.split()[0]}; Flask-ErrTrack needs 3.11 or "
            "newer. Try: python3.12 dev.py …"
        )
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        commands.add_parser(name, help=function.__doc__, add_help=False)
    chosen, rest = parser.parse_known_args()
    set_up()
    return COMMANDS[chosen.command](rest)


if __name__ == "__main__":
    sys.exit(main())
