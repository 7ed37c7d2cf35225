"""A copy of a tracker, made while it is in use."""

from __future__ import annotations

import os
import pty
import random
import shlex
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import MakeApp

from flask_errtrack.errors import StoreError
from flask_errtrack.tracker.backup import back_up, written_whole
from flask_errtrack.tracker.database import schema
from flask_errtrack.tracker.store import Store

from .stores import item, postgresql_url, rows


def nothing(done: int, total: int) -> None: ...


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{path}")
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of enough events that copying takes several steps."""
    with opened(tmp_path / "errtrack.db") as made:
        chance = random.Random(7)
        for _ in range(120):
            texts = [chance.randbytes(500).hex() for _ in range(40)]
            made.record(item(extra=dict(enumerate(texts))))
        yield made


def test_the_copy_is_a_tracker_with_all_that_was_there(
    store: Store, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    back_up(store, target, nothing)
    with opened(target) as copy:
        copy.check()
        assert len(rows(copy, schema.event)) == 120
        copy.record(item())


def test_it_says_how_far_it_is(store: Store, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    back_up(store, tmp_path / "copy.db", lambda *step: steps.append(step))
    done = [step[0] for step in steps]
    assert len(steps) > 1 and done == sorted(done)
    assert steps[-1][0] == steps[-1][1]


def test_what_is_written_meanwhile_neither_waits_nor_begins_it_anew(
    store: Store, tmp_path: Path
) -> None:
    """Every step of the copy sees a write come between."""
    steps: list[tuple[int, int]] = []

    def write_between(done: int, total: int) -> None:
        steps.append((done, total))
        assert len(steps) < 1000
        writer = threading.Thread(target=store.record, args=(item(),))
        writer.start()
        writer.join()

    back_up(store, tmp_path / "copy.db", write_between)
    assert len({total for _, total in steps}) == 1
    with opened(tmp_path / "copy.db") as copy:
        assert len(rows(copy, schema.event)) == 120
    assert len(rows(store, schema.event)) == 120 + len(steps)


def test_an_older_copy_is_replaced(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("an older copy")
    back_up(store, target, nothing)
    with opened(target) as copy:
        assert len(rows(copy, schema.event)) == 120


def test_nobody_else_may_read_it(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    back_up(store, target, nothing)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_copy_that_fails_leaves_what_was_there(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("an older copy")

    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(store, target, fail)
    assert target.read_text() == "an older copy"
    assert [path.name for path in tmp_path.glob("*.part*")] == []


def test_the_database_itself_is_no_place_for_its_copy(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "errtrack.db")
    for name in ("errtrack.db", "link.db"):
        with pytest.raises(StoreError, match="is the tracker's database itself"):
            back_up(store, tmp_path / name, nothing)
    assert len(rows(store, schema.event)) == 120


@pytest.mark.parametrize("name", [".", "pipe"])
def test_a_place_that_is_no_file_stays_what_it_is(
    store: Store, tmp_path: Path, name: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="is a folder or a device; name a file"):
        back_up(store, tmp_path / name, nothing)
    assert (tmp_path / "pipe").is_fifo()


def test_a_copy_that_finds_no_room_names_the_copy(store: Store, tmp_path: Path) -> None:
    """A process that may write no file of more than 64 KiB stands for the disk."""
    program = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "from flask_errtrack.console import main\n"
        "main()\n"
    )
    database = f"--database-url=sqlite:///{tmp_path}/errtrack.db"
    done = subprocess.run(
        [sys.executable, "-c", program, database, "backup", "copy.db"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    expected = "Error: copy.db cannot be written: disk I/O error\n"
    assert (done.returncode, done.stderr) == (1, expected)
    assert list(tmp_path.glob("copy*")) == []


def test_a_link_stays_one(store: Store, tmp_path: Path) -> None:
    (tmp_path / "newest.db").symlink_to(tmp_path / "copy.db")
    back_up(store, tmp_path / "newest.db", nothing)
    assert (tmp_path / "newest.db").is_symlink()
    assert (tmp_path / "copy.db").stat().st_size > 0


def test_a_folder_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "copy.db"
    with pytest.raises(StoreError, match="nowhere/copy.db cannot be written: No such"):
        back_up(store, target, nothing)


@pytest.mark.postgresql
def test_of_postgresql_it_says_which_command_does_it(tmp_path: Path) -> None:
    store = Store(postgresql_url())
    target = tmp_path / "my copy.dump"
    with pytest.raises(StoreError) as caught:
        back_up(store, target, nothing)
    store.close()
    words = shlex.split(str(caught.value).splitlines()[-1])
    assert words[0] == "pg_dump" and f"--file={target}" in words
    assert words[-1].startswith("postgresql://") and "--table=errtrack_*" in words
    assert not target.exists()


def test_a_file_is_whole_or_not_there(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "export.jsonl"
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeError), written_whole(store, target) as part:
        part.write_text("half of it")
        raise RuntimeError
    assert sorted(tmp_path.iterdir()) == before
    with written_whole(store, target) as part:
        part.write_text("all of it")
    assert target.read_text() == "all of it"


def test_the_command_copies_the_app_s_tracker(
    make_app: MakeApp, tmp_path: Path
) -> None:
    app, target = make_app(), tmp_path / "copy.db"
    runner = app.test_cli_runner()
    assert runner.invoke(args=["errtrack", "test"]).exit_code == 0
    result = runner.invoke(args=["errtrack", "backup", str(target)])
    assert result.output.startswith(f"{target} is a copy of the tracker, ")
    with opened(target) as copy:
        assert len(rows(copy, schema.event)) == 1


def test_a_terminal_shows_how_far_it_is(store: Store, tmp_path: Path) -> None:
    here, there = pty.openpty()
    with os.fdopen(there, "wb") as terminal:
        main = "from flask_errtrack.console import main; main()"
        subprocess.run(
            [sys.executable, "-c", main, "backup", str(tmp_path / "copy.db")],
            env={
                "PYTHONPATH": str(Path(__file__).parent.parent.parent),
                "ERRTRACK_DATABASE_URL": f"sqlite:///{tmp_path}/errtrack.db",
                "TERM": "xterm",
            },
            check=True,
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        shown = os.read(here, 100_000).decode()
    os.close(here)
    assert "Copying" in shown and "100%" in shown
