"""Where envelopes wait on disk: one file an envelope.

A file is written under another name and then renamed, so that a reader never
sees half of one. Names sort by time, and tell the category. One process at a time
delivers what waits in a folder; a file lock says which.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

try:
    import fcntl
except ImportError:  # Windows: a host with several processes may deliver twice.
    fcntl = None  # type: ignore[assignment]

from ..errors import Refused
from .files import open_plain, read_plain
from .ledger import Ledger

_SUFFIX = ".envelope"
_HELD = ".held"
_SET_ASIDE = ".set-aside"
_WRITING = ".writing"
_DAY_SECONDS = 24 * 3600.0
_MAX_AGES_SECONDS = {
    _SUFFIX: 30 * _DAY_SECONDS,
    _HELD: 30 * _DAY_SECONDS,
    _SET_ASIDE: 30 * _DAY_SECONDS,
    _WRITING: _DAY_SECONDS,
}
_SUFFIXES = tuple(_MAX_AGES_SECONDS)
_WAITING = (_SUFFIX, _HELD)
# Who holds an envelope for longer has been killed: it waits like any other.
_LONGEST_HOLD_SECONDS = 10.0
# Of what was set aside, so many files are kept to be looked at, the newest.
_MAX_SET_ASIDE = 100
_ASIDE_SHARE = 0.25
# No envelope of ours comes near this.
_MAX_FILE_BYTES = 20 * 1024 * 1024
# The folder is measured again after this share of what it may hold, because other
# processes write, too; and when it is full, so often.
_MEASURE_SHARE = 16
_MEASURE_SECONDS = 1.0
_IS_LOCKED = frozenset((errno.EACCES, errno.EAGAIN))
# Which threads of this process have the turn of which folder: the file lock is one
# between processes, and a fork does not inherit it.
_turns: dict[tuple[int, str], object] = {}


class Outbox(Protocol):
    """What a courier needs of the place where envelopes wait."""

    ledger: Ledger

    def put(self, data: bytes, category: str) -> None:
        """Keep one envelope.

        :raises Refused: there is no room for more.
        :raises OSError: it cannot be written.
        """

    def hold(self, data: bytes, category: str) -> Callable[[], None]:
        """Keep an envelope in case this process is killed; return what forgets it.

        :raises Refused, OSError: as ``put`` does.
        """

    def names(self) -> list[str]:
        """Return the names of what waits, the oldest first."""

    def is_empty(self) -> bool:
        """Tell whether nothing waits."""

    def category_of(self, name: str) -> str:
        """Return the category of what waits under a name."""

    def read(self, name: str) -> bytes | None:
        """Return an envelope, or None if it is no longer there.

        :raises OSError: there is something else, or nothing that can be read.
        """

    def remove(self, name: str) -> None:
        """Forget an envelope that was delivered or refused."""

    def set_aside(self, name: str) -> None:
        """Keep an envelope that can never be delivered out of the way."""

    def sweep(self) -> list[str]:
        """Delete what is too old; return the names of the envelopes among it."""

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Try to get the turn to deliver what waits, and yield whether it is ours."""


class FolderOutbox:
    """An outbox in a folder, shared by the processes of a host.

    :param max_bytes: what would make the folder larger is refused.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger.json")
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._added_bytes = max_bytes  # Not measured yet.
        self._measured_at = float("-inf")
        self._numbers = itertools.count()
        # A signal handler may capture in the middle of it, in the same thread.
        self._lock = threading.RLock()

    def put(self, data: bytes, category: str) -> None:
        """Keep one envelope in a file."""
        self._write(data, category, _SUFFIX)

    def hold(self, data: bytes, category: str) -> Callable[[], None]:
        """Keep one envelope in a file that nobody looks at for a while."""
        name = self._write(data, category, _HELD)

        def forget() -> None:
            with suppress(OSError):
                self.remove(name)

        return forget

    def _write(self, data: bytes, category: str, suffix: str) -> str:
        with self._lock:
            self._make_room(len(data))
            number = f"{time.time_ns():020}-{os.getpid()}-{next(self._numbers)}"
            name = f"{number}.{category}"
            temporary = self.folder / f"{name}{_WRITING}"
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            try:
                with open(descriptor, "wb") as file:
                    file.write(data)
                os.rename(temporary, self.folder / f"{name}{suffix}")
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        return f"{name}{suffix}"

    def names(self) -> list[str]:
        """Return the names of what waits, the oldest first."""
        found = self._names(_SUFFIX, _HELD)
        return [name for name in found if not self._is_held(name)]

    def _is_held(self, name: str) -> bool:
        if not name.endswith(_HELD):
            return False
        try:
            held_at = (self.folder / name).lstat().st_mtime
        except OSError:
            return True
        return abs(time.time() - held_at) <= _LONGEST_HOLD_SECONDS

    def set_aside_names(self) -> list[str]:
        """Return the names of what can never be delivered."""
        return self._names(_SET_ASIDE)

    def _names(self, *suffixes: str) -> list[str]:
        try:
            found = os.listdir(self.folder)
        except OSError:
            # There is none, or none that can be read.
            return []
        return sorted(name for name in found if name.endswith(suffixes))

    def is_empty(self) -> bool:
        """Tell whether nothing waits, without a look at everything."""
        try:
            with os.scandir(self.folder) as entries:
                return not any(entry.name.endswith(_WAITING) for entry in entries)
        except OSError:
            return True

    def category_of(self, name: str) -> str:
        """Return the category that a name tells."""
        parts = name.removesuffix(_SET_ASIDE).split(".")
        return parts[-2] if len(parts) == 3 else "error"

    def read(self, name: str) -> bytes | None:
        """Return an envelope, or None if another process was faster."""
        try:
            return read_plain(self.folder / name, _MAX_FILE_BYTES)
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Delete the file of an envelope."""
        (self.folder / name).unlink(missing_ok=True)
        self._measured_at = float("-inf")

    def set_aside(self, name: str) -> None:
        """Rename the file of an envelope, so that nobody tries it again."""
        os.replace(self.folder / name, self.folder / f"{name}{_SET_ASIDE}")
        self._thin_out(self.set_aside_names())

    def _thin_out(self, names: list[str]) -> None:
        """Delete the oldest of what was set aside: it must not fill the outbox."""
        kept_bytes = 0
        for count, name in enumerate(reversed(names), start=1):
            with suppress(OSError):
                kept_bytes += (self.folder / name).lstat().st_size
            if count > _MAX_SET_ASIDE or kept_bytes > self._max_bytes * _ASIDE_SHARE:
                self.remove(name)

    def put_back(self, name: str) -> str:
        """Have something that was set aside wait again; return its name from now on."""
        os.replace(self.folder / name, self.folder / self.name_before(name))
        return self.name_before(name)

    def name_before(self, name: str) -> str:
        """Return the name that something had before it was set aside."""
        return name.removesuffix(_SET_ASIDE)

    def sweep(self) -> list[str]:
        """Delete what is too old, and what a killed process left half-written."""
        now, expired = time.time(), []
        for suffix, max_age_seconds in _MAX_AGES_SECONDS.items():
            for name in self._names(suffix):
                path = self.folder / name
                with suppress(OSError):
                    if now - path.lstat().st_mtime > max_age_seconds:
                        path.unlink()
                        expired += [name] if suffix in _WAITING else []
        return expired

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Try to get the folder's lock; it ends with the process that has it.

        :raises OSError: the folder cannot be used.
        """
        key, claim = (os.getpid(), os.path.realpath(self.folder)), object()
        if _turns.setdefault(key, claim) is not claim:
            yield False
            return
        try:
            self._make_folder()
            if not os.access(self.folder, os.W_OK):
                # What is sent could not be taken out, and would be sent again.
                raise PermissionError(errno.EACCES, "cannot be written")
            with open(open_plain(self.folder / "lock"), "r+b", buffering=0) as file:
                # To close the file is to give the lock back.
                yield _is_locked_by_us(file.fileno())
        finally:
            del _turns[key]

    def size_bytes(self) -> int:
        """Return how much the envelopes in the folder take, measured anew."""
        total = 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                # Delivered meanwhile: it is gone.
                with suppress(FileNotFoundError):
                    if entry.name.endswith(_SUFFIXES):
                        total += entry.stat(follow_symlinks=False).st_size
        return total

    def _make_room(self, more_bytes: int) -> None:
        self._make_folder()
        if self._is_to_measure(more_bytes):
            self._measured_at = time.monotonic()
            self._size_bytes, self._added_bytes = self.size_bytes(), 0
        if self._size_bytes + more_bytes > self._max_bytes:
            raise Refused(f"the outbox {self.folder} is full ({self._max_bytes} bytes)")
        self._size_bytes += more_bytes
        self._added_bytes += more_bytes

    def _is_to_measure(self, more_bytes: int) -> bool:
        if self._added_bytes >= self._max_bytes / _MEASURE_SHARE:
            return True
        is_full = self._size_bytes + more_bytes > self._max_bytes
        return is_full and time.monotonic() - self._measured_at > _MEASURE_SECONDS

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _is_locked_by_us(descriptor: int) -> bool:
    if fcntl is not None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # A file system without locks: better twice than never.
            return error.errno not in _IS_LOCKED
    return True
