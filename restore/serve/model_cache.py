"""Models that stay in memory between requests."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from restore.checkpoints import store

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer


class ModelCache:
    """At most ``most`` restorers, one for each head and model file. Several threads may ask."""

    def __init__(self, most: int, device: str = "auto"):
        self.most = most
        self.device = device
        self._held: OrderedDict[tuple[str, Path], Restorer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, head: str, quality: str | None, strength: float = 1.0) -> Restorer:
        """Return the head's restorer of a quality, with this ``strength`` from 0 to 1.

        The least recently used restorer is dropped before a new one is loaded. Raises as
        `Restorer` does.
        """
        from restore.engine.restorer import Restorer

        key = (head, store.find(head, None, quality).path)
        with self._lock:
            if key not in self._held:
                while len(self._held) >= self.most:
                    self._held.popitem(last=False)
                self._held[key] = Restorer(head, quality=quality, device=self.device)
            self._held.move_to_end(key)
            own = copy.copy(self._held[key])  # shares the network
        own.strength = strength
        return own

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models in memory, the least recently used first."""
        with self._lock:
            return tuple(restorer.card.name for restorer in self._held.values())
