"""Certificates that nobody has reason to trust, for servers on loopback."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, as PEM files."""

    public: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        """What a server needs to show it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.public, self.key)
        return context


def make_certificate(folder: Path, name: str = "IP:127.0.0.1") -> Certificate:
    """Make a certificate; skip the test where there is no openssl, but not in CI.

    :param name: whom it is for, as openssl has it: "IP:…" or "DNS:…".
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        if "CI" in os.environ:
            pytest.fail("there is no openssl to make a certificate with")
        pytest.skip("needs openssl, to make a certificate")
    made = Certificate(folder / "public.pem", folder / "key.pem")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    options = ["-subj", "/CN=loopback", "-addext", f"subjectAltName={name}"]
    files = ["-out", str(made.public), "-keyout", str(made.key)]
    command = [openssl, *words.split(), *options, *files]
    subprocess.run(command, check=True, capture_output=True)
    return made
