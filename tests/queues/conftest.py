"""A real Redis server, for the tests of what workers take from a queue."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotThere
from waiting import wait_until

#: Returns the address of a Redis that nobody else uses.
MakeRedis = Callable[[], str]


@pytest.fixture(scope="session")
def make_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRedis]:
    """Databases of a Redis server of the tests' own, on a free port of loopback."""
    program = shutil.which("redis-server")
    if program is None:
        assert not os.environ.get("CI"), "redis-server is needed: .ci/run installs it"
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    words += ["--databases", "100"]
    folder = tmp_path_factory.mktemp("redis")
    numbers = itertools.count()

    def make() -> str:
        return f"redis://127.0.0.1:{port}/{next(numbers)}"

    with subprocess.Popen(
        [program, *words], cwd=folder, stdout=subprocess.DEVNULL
    ) as process:
        with closing(Redis.from_url(make())) as redis:
            wait_until(lambda: process.poll() is not None or answers(redis))
        assert process.poll() is None, "the Redis server has ended"
        yield make
        process.kill()


def answers(redis: Redis) -> bool:
    """Whether the server is up."""
    try:
        return bool(redis.ping())
    except NotThere:
        return False
