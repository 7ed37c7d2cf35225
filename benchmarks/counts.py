"""Guard the hot paths: count the instructions that each takes, with valgrind.

A machine that has other work to do counts as many of them. What is kept, and checked,
is how many times those of a healthy request of Flask alone they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from .counted import ALONE, IMPORT, OURS, REQUEST, TO_DSN, WITH_TRACKER

COUNTS = Path(__file__).with_name("counts.json")
#: So much more than what is kept is no regression: what Python does with addresses
#: and with the names of folders differs a little from run to run.
ALLOWED_MORE = 0.05
_ALLOWED_REQUESTS = 0.002
_LIBRARIES = ("Flask", "Werkzeug", "SQLAlchemy")
_ACCEPT = "python3 dev.py counts --accept"

#: Of one run of each path, by its name, without ours and with it.
Instructions = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Counts:
    """What each path adds, in requests of Flask alone; a start in imports of Flask.

    :param python: the version, without its last part.
    """

    python: str
    versions: dict[str, str]
    shares: dict[str, float]

    @classmethod
    def load(cls, path: Path = COUNTS) -> Counts:
        """Read what is kept."""
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path = COUNTS) -> None:
        """Keep these from now on."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def of(cls, instructions: Instructions) -> Counts:
        """Return them of the instructions that one run of each path takes."""
        alone = instructions[ALONE]
        units = dict.fromkeys((IMPORT, TO_DSN, WITH_TRACKER), alone[IMPORT])
        return cls(
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            versions={name: metadata.version(name) for name in _LIBRARIES},
            shares={
                name: round(count / units.get(name, alone[REQUEST]), 4)
                for name, count in added(instructions).items()
            },
        )

    def complaints(self, kept: Counts) -> Iterator[str]:
        """Say which paths take more than is allowed."""
        for name, share in self.shares.items():
            before = kept.shares.get(name)
            if before is None:
                yield f"{name}: {share:.3f}, and no figure is kept; run {_ACCEPT}"
            elif share > _allowed(before):
                yield (
                    f"{name}: {share:.3f} times the instructions of Flask alone; "
                    f"{before:.3f} is kept, {_allowed(before):.3f} allowed"
                )
        for name in kept.shares.keys() - self.shares.keys():
            yield f"{name}: is kept, and was not counted; run {_ACCEPT}"


def counted() -> Instructions:
    """Return the instructions of one run of each path, with and without ours.

    :raises subprocess.CalledProcessError: the program does not work.
    """
    # The order of sets is the same each time, and nothing is compiled meanwhile.
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        for number, valgrind in enumerate(((), _valgrind(Path(name)))):
            folder = Path(name) / str(number)
            folder.mkdir()
            program = (sys.executable, "-m", f"{__package__}.counted", str(folder))
            subprocess.run([*valgrind, *program], env=environ, check=True)
        return _read(Path(name), json.loads((folder / "paths.json").read_text()))


def _valgrind(folder: Path) -> tuple[str, ...]:
    return (
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        f"--callgrind-out-file={folder}/out",
        "--dump-before=getppid",
    )


def _read(folder: Path, paths: list[tuple[str, str, int]]) -> Instructions:
    """What valgrind has written: of each two files the second is of a path."""
    found: Instructions = {ALONE: {}, OURS: {}}
    for number, (side, name, times) in enumerate(paths):
        told = (folder / f"out.{2 * number + 2}").read_text()
        total = re.search(r"^totals: (\d+)", told, re.MULTILINE)
        assert total is not None, told[:1000]
        found[side][name] = int(total[1]) / times
    return found


def _allowed(kept: float) -> float:
    return kept * (1 + ALLOWED_MORE) + _ALLOWED_REQUESTS


def added(instructions: Instructions) -> dict[str, float]:
    """Return how many more instructions each path takes with ours."""
    # Ours is imported when Flask has been.
    alone = {**instructions[ALONE], IMPORT: 0}
    return {n: count - alone.get(n, 0) for n, count in instructions[OURS].items()}


def lines(instructions: Instructions, found: Counts) -> Iterator[str]:
    """Tell what was counted."""
    for name in (IMPORT, REQUEST):
        yield f"{name + ', Flask alone':<40} {instructions[ALONE][name]:>14,.0f}"
    for name, count in added(instructions).items():
        yield f"{name + ': added':<40} {count:>14,.0f}   × {found.shares[name]:.3f}"


def check(found: Counts, kept: Counts) -> int:
    """Print what takes more than it did; return the status of the command."""
    if found.python != kept.python:
        print(f"Nothing is compared: what is kept is of Python {kept.python}.")
        return 0
    complaints = list(found.complaints(kept))
    for one in complaints:
        print(one, file=sys.stderr)
    if not complaints:
        print(f"No path takes more than {ALLOWED_MORE:.0%} above what is kept.")
        return 0
    for name, version in found.versions.items():
        if version != kept.versions.get(name):
            was = kept.versions.get(name, "unknown")
            print(f"{name} is {version}, and was {was}.", file=sys.stderr)
    print(f"If that is what it has to take: {_ACCEPT}", file=sys.stderr)
    return 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python3 dev.py counts", description=__doc__)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--check", action="store_true", help="fail if a path takes more than is kept"
    )
    ways.add_argument(
        "--accept", action="store_true", help="keep what is counted from now on"
    )
    given = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not on the path; Debian has it: apt-get install valgrind")
        return 2
    instructions = counted()
    found = Counts.of(instructions)
    for line in lines(instructions, found):
        print(line)
    if given.accept:
        found.save()
    return check(found, Counts.load()) if given.check else 0


if __name__ == "__main__":
    sys.exit(main())
