"""No way to the server: an unknown host, a certificate of nobody, another protocol."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .program import Program, outbox
from .receiver import Receiver

MARKS = [f"m{number}" for number in range(20)]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a self-signed certificate for loopback, and of its key."""
    if shutil.which("openssl") is None:
        if "CI" in os.environ:
            pytest.fail("there is no openssl here")
        pytest.skip("needs openssl")
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    options = ["-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1"]
    out = ["-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(
        ["openssl", *words.split(), *options, *out], check=True, capture_output=True
    )
    return files


def test_what_goes_to_an_unknown_host_waits(tmp_path: Path) -> None:
    dsn = "http://key:the-secret@errtrack.invalid/7"
    with Program(tmp_path, dsn, shutdown_timeout_seconds=0.5) as program:
        program.fail(MARKS)
        assert not program.tell("flush", "0.5")
        assert program.dropped() == {}
        assert program.end() == 0
        assert "the-secret" not in program.log()
    assert len(outbox(tmp_path)) == len(MARKS)


def test_what_goes_to_an_unknown_certificate_waits_until_it_is_known(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    with Receiver(tmp_path, certificate) as receiver:
        with Program(tmp_path, receiver.dsn) as program:
            program.fail(MARKS)
            assert not program.tell("flush", "0.5")
            assert program.dropped() == {}
            assert program.end() == 0
            assert "certificate" in program.log()
        assert len(outbox(tmp_path)) == len(MARKS)
        assert receiver.requests() == []
        ca_certs = str(certificate[0])
        with Program(tmp_path, receiver.dsn, ca_certs=ca_certs) as program:
            program.get_ready()
            receiver.until_arrived(MARKS)
            assert program.end() == 0
        assert receiver.arrived() == dict.fromkeys(MARKS, 1)
    assert outbox(tmp_path) == []


def test_a_server_that_speaks_no_tls_gets_nothing_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    with Receiver(tmp_path) as receiver:
        dsn = receiver.dsn.replace("http://", "https://")
        with Program(tmp_path, dsn, timeout_seconds=0.5) as program:
            program.fail(MARKS)
            assert not program.tell("flush", "0.5")
            assert program.dropped() == {}
            assert program.end() == 0
        assert not any(one.is_stored for one in receiver.requests())
    assert len(outbox(tmp_path)) == len(MARKS)


def test_a_server_that_wants_tls_gets_nothing_and_nothing_is_lost(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    with Receiver(tmp_path, certificate) as receiver:
        dsn = receiver.dsn.replace("https://", "http://")
        with Program(tmp_path, dsn, timeout_seconds=0.5) as program:
            program.fail(MARKS)
            assert not program.tell("flush", "0.5")
            assert program.dropped() == {}
            assert program.end() == 0
        assert receiver.requests() == []
    assert len(outbox(tmp_path)) == len(MARKS)
