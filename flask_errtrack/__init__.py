"""Error tracking that comes with your Flask app."""

from __future__ import annotations

from .client.client import Client as Client
from .errors import BadDsn as BadDsn
from .errors import ConfigError as ConfigError
from .errors import ErrTrackError as ErrTrackError
from .errors import Refused as Refused
from .errors import SeveralApps as SeveralApps
from .errors import TransportError as TransportError
from .extension import ErrTrack as ErrTrack
from .scopes.scope import Scope as Scope
from .settings.config import Config as Config
from .version import VERSION as __version__  # noqa: F401
