"""The numbers of all workers, through the plugin's own storage, such that no sum ever falls.

Each worker stores its sheet under a key of its own now and then. What a worker counted that has ended is added to one
sheet of those that are gone, by itself or, where it could not, by another after a while.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from jackfield.plugins.metrics.sheet import Sheet, read_stored
from jackfield.sdk import KeyValue

GONE = "gone"
WORKER = "worker:"
# A worker stores its sheet at least this often, and is gone after so long without.
STORED_EVERY_S = 60.0
GONE_AFTER_S = 3600.0
MOST_FOLDED = 100
ATTEMPTS = 5


class Workers:
    def __init__(self, kv: KeyValue, own: Sheet, make: Callable[[], Sheet], now: Callable[[], float]) -> None:
        self._kv, self._own, self._make, self._now = kv, own, make, now
        self.key = f"{WORKER}{uuid.uuid4().hex}"
        self._stored: Any = None
        self._stored_at = 0.0
        self._publishing = asyncio.Lock()

    async def publish(self) -> None:
        """Where something has changed, or it is time to show that this worker is there."""
        async with self._publishing:
            told, now = self._own.store(), self._now()
            if told != self._stored or now - self._stored_at >= STORED_EVERY_S:
                await self._kv.set(self.key, {"at": now, "sheet": told})
                self._stored, self._stored_at = told, now

    async def total(self) -> Sheet:
        """As stored, so that whichever worker is asked next knows all that was shown before. Those that are gone are
        read last: who leaves meanwhile is counted once."""
        await self.publish()
        told = {key: await self._kv.get(key) for key in await self._kv.list(WORKER)}
        gone = await self._kv.get(GONE) or {}
        total = self._make()
        total.add(read_stored(gone.get("sheet")))
        for key, one in told.items():
            if one is not None and key not in gone.get("folded", ()):
                total.add(read_stored(one.get("sheet")))
        return total

    async def bury(self) -> None:
        """Adds those that are gone, but did not say so, to the others that are."""
        for key in await self._kv.list(WORKER):
            if key != self.key:
                other = await self._kv.get(key)
                if other is not None and self._now() - other.get("at", 0.0) > GONE_AFTER_S:
                    await self._fold(key, other.get("sheet"))

    async def leave(self) -> None:
        """Before the worker ends."""
        await self._fold(self.key, self._own.store())

    async def _fold(self, key: str, told: Any) -> None:
        """Once, whoever else tries the same: the sheet of those that are gone says whom it holds."""
        for _ in range(ATTEMPTS):
            gone = await self._kv.get(GONE)
            folded = list((gone or {}).get("folded", ()))
            if key not in folded:
                total = self._make()
                total.add(read_stored((gone or {}).get("sheet")))
                total.add(read_stored(told))
                merged = {"sheet": total.store(), "folded": [*folded, key][-MOST_FOLDED:]}
                if not await self._kv.compare_and_set(GONE, gone, merged):
                    continue
            await self._kv.delete(key)
            return
