"""The embedded tracker as a transport: an envelope's items go into the store.

Knows nothing of retries and threads; those belong to who calls it.
"""

from __future__ import annotations

from ..errors import Refused
from ..protocol.envelope import Envelope
from .store import Store


class StoreTransport:
    """Delivers envelopes into a store, in the calling thread.

    :param project_id: of the project that they are from.
    """

    def __init__(self, store: Store, project_id: int = 1) -> None:
        self._store = store
        self._project_id = project_id

    def send(self, envelope: Envelope) -> None:
        """Store every event and user report of an envelope; skip other items.

        :raises StoreError: if the database cannot be used now: send it again.
        :raises Refused: if an item can never be stored; the others are.
        """
        refused = None
        for item in envelope.items:
            try:
                self._store.record(item, self._project_id)
            except Refused as error:
                refused = error
        if refused is not None:
            raise refused

    def close(self) -> None:
        """Close the store's connections; the next use opens new ones."""
        self._store.close()
