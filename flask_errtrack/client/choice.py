"""Which errors become events. Decided before anything is built or looked at."""

from __future__ import annotations

import random
import sys
import weakref
from collections.abc import Iterable
from typing import Any

from ..protocol.drops import Drops
from ..settings.config import Config
from .callbacks import sampling_rate


class Choice:
    """Decides by an app's options ``ignore_exceptions`` and ``sample_rate``.

    :param drops: counts what is not taken, by reason.
    """

    def __init__(self, config: Config, drops: Drops) -> None:
        self._names = config.ignore_exceptions
        self._sample_rate = config.sample_rate
        self._drops = drops
        self._ignored: weakref.WeakKeyDictionary[type, bool] = (
            weakref.WeakKeyDictionary()
        )

    def takes_exception(self, error: BaseException, hint: dict[str, Any]) -> bool:
        """Tell whether an exception becomes an event."""
        if self._names and self._is_ignored(type(error)):
            self._drops.count("ignored")
            return False
        return self.takes(hint)

    def _is_ignored(self, kind: type) -> bool:
        known = self._ignored.get(kind)
        if known is None:
            known = self._ignored[kind] = _is_named(kind, self._names)
        return known

    def takes(self, hint: dict[str, Any]) -> bool:
        """Tell whether an event is in the sample.

        An error of the hook ``sample_rate`` is left in ``hint["failed_hook"]``.
        """
        rate, error = sampling_rate(self._sample_rate, hint)
        if error is not None:
            hint["failed_hook"] = error
        if rate >= 1.0 or random.random() < rate:
            return True
        self._drops.count("sample_rate")
        return False


def _is_named(kind: type, names: Iterable[type | str]) -> bool:
    """Whether a class, or a class it inherits from, is in a list of names."""
    return any(_is_name_of(name, base) for name in names for base in kind.__mro__)


def _is_name_of(name: type | str, kind: type) -> bool:
    if not isinstance(name, str):
        return name is kind
    if name in (f"{kind.__module__}.{kind.__qualname__}", kind.__qualname__):
        return True
    # Packages offer classes elsewhere than where they are defined.
    module, _, attribute = name.rpartition(".")
    return vars(sys.modules.get(module, object)).get(attribute) is kind
