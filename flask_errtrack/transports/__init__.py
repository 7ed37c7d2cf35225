"""The ways out: a transport is any object with ``send(envelope)``."""

from __future__ import annotations

from .background import BackgroundTransport as BackgroundTransport
from .base import Transport as Transport
from .http import HttpTransport as HttpTransport
from .memory import MemoryTransport as MemoryTransport
