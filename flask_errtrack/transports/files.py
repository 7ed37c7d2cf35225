"""Opens files in a folder where somebody else may have put something.

That may be a pipe, a device, or a way elsewhere: nothing here waits for one or
follows one.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# Not every system has all of them.
_PLAINLY = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


def read_plain(path: Path, max_bytes: int) -> bytes:
    """Return what is in a plain file of a fair size.

    :raises OSError: it is not there, or is none.
    """
    descriptor = os.open(path, os.O_RDONLY | _PLAINLY)
    with open(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > max_bytes:
            raise OSError(errno.EINVAL, "no plain file of ours")
        return file.readall()


def open_plain(path: Path) -> int:
    """Open a file to hold a lock on; make it if it is not there.

    :raises OSError: it cannot be made, or there is something else.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | _PLAINLY, 0o600)
