"""The DSN: where events go and with which key, in one line of text.

``{scheme}://{public_key}[:{secret_key}]@{host}[:{port}]{path}/{project_id}``, as the
Sentry protocol has it ("Parsing the DSN").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from ..errors import BadDsn

_EXAMPLE = "https://public_key@errors.example.com/1"


@dataclass(frozen=True)
class Dsn:
    """A parsed DSN. Its ``repr`` and ``str`` never show a key."""

    scheme: str
    public_key: str = field(repr=False)
    secret_key: str | None = field(repr=False)
    #: Host and port, as they stand in a URL.
    netloc: str
    #: The prefix of a server that lives below a path: "" or "/prefix".
    path: str
    project_id: str

    @classmethod
    def parse(cls, text: str) -> Dsn:
        """Read a DSN.

        :raises BadDsn: says which part is missing or wrong, without any key.
        """
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            # The cause would show the DSN, and with it the key.
            raise BadDsn(f"the DSN is not a URL; expected {_EXAMPLE}") from None
        path, _, project_id = parts.path.rstrip("/").rpartition("/")
        problem = _problem(text, parts, project_id)
        if problem is not None:
            raise BadDsn(f"the DSN {problem}; expected {_EXAMPLE}")
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        return cls(
            scheme=parts.scheme,
            public_key=parts.username or "",
            secret_key=parts.password or None,
            netloc=host if port is None else f"{host}:{port}",
            path=path,
            project_id=project_id,
        )

    @property
    def place(self) -> str:
        """The project to which it leads, with whichever key."""
        return f"{self.netloc}{self.path}/{self.project_id}"

    @property
    def envelope_url(self) -> str:
        """The URL to which envelopes are posted."""
        return (
            f"{self.scheme}://{self.netloc}{self.path}/api/{self.project_id}/envelope/"
        )

    def auth_header(self, client: str) -> str:
        """Return the value of ``X-Sentry-Auth``.

        :param client: name and version of the sender, "name/1.0".
        """
        pairs = {
            "sentry_version": "7",
            "sentry_client": client,
            "sentry_key": self.public_key,
        }
        if self.secret_key:
            pairs["sentry_secret"] = self.secret_key
        return "Sentry " + ", ".join(f"{key}={value}" for key, value in pairs.items())

    @property
    def public(self) -> str:
        """The DSN without its secret key, for pages that load a browser SDK."""
        return f"{self.scheme}://{self.public_key}@{self.place}"

    def __str__(self) -> str:
        return f"{self.scheme}://***@{self.place}"


def _problem(text: str, parts: SplitResult, project_id: str) -> str | None:
    if "://" not in text:
        # What stands before the first colon may be the key.
        return "does not begin with http:// or https://"
    if parts.scheme not in ("http", "https"):
        return f"has the scheme {parts.scheme!r} instead of http or https"
    if not parts.hostname:
        return "names no host"
    if not parts.username:
        return "has no public key before the @"
    if not project_id:
        return "has no project id after the last /"
    if parts.query or parts.fragment:
        return "has something after its project id"
    return None
