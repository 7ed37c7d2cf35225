"""Where envelopes wait: one file an envelope, or memory where there is no disk.

A file is written under another name and then renamed, so that a reader never
sees half of one. Names sort by time. One process at a time delivers what waits
in a folder; a file lock says which.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

try:
    import fcntl
except ImportError:  # Windows: a host with several processes may deliver twice.
    fcntl = None  # type: ignore[assignment]

from ..errors import Refused

_SUFFIX = ".envelope"
_SET_ASIDE = ".set-aside"
_WRITING = ".writing"
_DAY_SECONDS = 24 * 3600.0
_MAX_AGES_SECONDS = {
    _SUFFIX: 30 * _DAY_SECONDS,
    _SET_ASIDE: 30 * _DAY_SECONDS,
    _WRITING: _DAY_SECONDS,
}


class Outbox(Protocol):
    """What a background transport needs of the place where envelopes wait."""

    def put(self, data: bytes) -> None:
        """Keep one envelope.

        :raises Refused: there is no room for more.
        :raises OSError: it cannot be written.
        """

    def names(self) -> list[str]:
        """Return the names of what waits, the oldest first."""

    def read(self, name: str) -> bytes | None:
        """Return an envelope, or None if it is no longer there."""

    def remove(self, name: str) -> None:
        """Forget an envelope that was delivered or refused."""

    def set_aside(self, name: str) -> None:
        """Keep an envelope that can never be delivered out of the way."""

    def sweep(self) -> int:
        """Delete what is too old; return how many envelopes that were."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn of this process to deliver what waits."""


class FolderOutbox:
    """An outbox in a folder, shared by the processes of a host.

    :param max_bytes: what would make the folder larger is refused.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._size_bytes: int | None = None
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def put(self, data: bytes) -> None:
        """Keep one envelope in a file."""
        with self._lock:
            self._make_room(len(data))
            name = f"{time.time_ns():020}-{os.getpid()}-{next(self._numbers)}"
            temporary = self.folder / f"{name}{_WRITING}"
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            try:
                with open(descriptor, "wb") as file:
                    file.write(data)
                os.rename(temporary, self.folder / f"{name}{_SUFFIX}")
            except OSError:
                temporary.unlink(missing_ok=True)
                raise

    def names(self) -> list[str]:
        """Return the names of what waits, the oldest first."""
        return self._names(_SUFFIX)

    def set_aside_names(self) -> list[str]:
        """Return the names of what can never be delivered."""
        return self._names(_SET_ASIDE)

    def _names(self, suffix: str) -> list[str]:
        try:
            found = os.listdir(self.folder)
        except OSError:
            # There is none, or none that can be read.
            return []
        return sorted(name for name in found if name.endswith(suffix))

    def read(self, name: str) -> bytes | None:
        """Return an envelope, or None if another process was faster."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Delete the file of an envelope."""
        (self.folder / name).unlink(missing_ok=True)

    def set_aside(self, name: str) -> None:
        """Rename the file of an envelope, so that nobody tries it again."""
        os.replace(self.folder / name, self.folder / f"{name}{_SET_ASIDE}")

    def sweep(self) -> int:
        """Delete what is too old, and what a killed process left half-written."""
        now, expired = time.time(), 0
        for suffix, max_age_seconds in _MAX_AGES_SECONDS.items():
            for name in self._names(suffix):
                path = self.folder / name
                with suppress(OSError):
                    if now - path.lstat().st_mtime > max_age_seconds:
                        path.unlink()
                        expired += suffix == _SUFFIX
        return expired

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the folder's lock."""
        self._make_folder()
        with open(self.folder / "lock", "ab") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                if fcntl is not None:
                    # A fork may hold the file open: to close it would not do.
                    fcntl.flock(file, fcntl.LOCK_UN)

    def size_bytes(self) -> int:
        """Return how much waits, counted anew."""
        total = 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                # Delivered meanwhile: it is gone.
                with suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_size
        return total

    def _make_room(self, more_bytes: int) -> None:
        self._make_folder()
        if self._size_bytes is None or self._size_bytes + more_bytes > self._max_bytes:
            # The estimate only grows; what was delivered makes room again.
            self._size_bytes = self.size_bytes()
        if self._size_bytes + more_bytes > self._max_bytes:
            raise Refused(f"the outbox {self.folder} is full ({self._max_bytes} bytes)")
        self._size_bytes += more_bytes

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


class MemoryOutbox:
    """An outbox that lives as long as its process."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[str, bytes] = OrderedDict()
        self._size_bytes = 0
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def put(self, data: bytes) -> None:
        """Keep one envelope."""
        with self._lock:
            if self._size_bytes + len(data) > self._max_bytes:
                raise Refused(f"the outbox is full ({self._max_bytes} bytes)")
            self._size_bytes += len(data)
            self._waiting[f"{next(self._numbers):020}"] = data

    def names(self) -> list[str]:
        """Return the names of what waits, the oldest first."""
        with self._lock:
            return list(self._waiting)

    def read(self, name: str) -> bytes | None:
        """Return an envelope, or None if it is gone."""
        return self._waiting.get(name)

    def remove(self, name: str) -> None:
        """Forget an envelope."""
        with self._lock:
            self._size_bytes -= len(self._waiting.pop(name, b""))

    def set_aside(self, name: str) -> None:
        """Forget an envelope: memory has no place for what is of no use."""
        self.remove(name)

    def sweep(self) -> int:
        """Keep everything: a process does not live that long."""
        return 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let one thread deliver: a closed worker may still be at its last envelope."""
        with self._turn:
            yield
