"""The tracker: embedded in an app, or on its own for many apps."""

from __future__ import annotations

from .embedded import Tracker
from .standalone import create_app

__all__ = ["Tracker", "create_app"]
