"""`ctx.state.extra["store"]`: what ring plugins keep, as JSON, for all of them together.

Plugins write without waiting (`asyncio.create_task(store.set_state(…))`), so a write counts from the call on: reads
see it at once, the last call wins, and it is carried out also where nobody holds on to the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from itertools import islice
from typing import Any, Protocol

import msgspec
import structlog

MOST_WAITING = 100_000
FLUSH_S = 30.0
# In one transaction: so few that requests, and other writers, get their turn in between.
MOST_TOGETHER = 500
# Of a transaction that failed: the log need not repeat the reason for each of its values.
MOST_TOLD = 10
# All ring plugins share what they keep.
OWNER = "rings"

_encode = msgspec.json.encode
_decode = msgspec.json.decode

log = structlog.get_logger("jackfield.rings")


class Values(Protocol):
    """Where values are durable."""

    async def get(self, key: str, default: Any = None) -> Any: ...
    async def set_many(self, items: Mapping[str, Any]) -> None:
        """All or nothing. `ValueError` says that one of them cannot be stored, whatever the others are."""


class Write:
    """The newest value of one key on its way, and who waits for it."""

    __slots__ = ("done", "json")

    def __init__(self, json: bytes, done: asyncio.Future[None]) -> None:
        self.json, self.done = json, done

    def settle(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
            # Most who write do not wait: the log has said it.
            self.done.exception()


class RingStore:
    """Writes of one key that wait together become one, and those of many keys one transaction. A failing write is told
    to who waits for it, and to the log."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._waiting: dict[str, Write] = {}
        self._writing: dict[str, Write] = {}
        self._writer: asyncio.Task[None] | None = None

    async def get_state(self, key: str, default: Any = None) -> Any:
        write = self._waiting.get(key) or self._writing.get(key)
        if write is not None:
            return _decode(write.json)
        return await self._values.get(key, default)

    def set_state(self, key: str, value: Any) -> Coroutine[Any, Any, None]:
        """Takes note of the write at once; awaiting what it returns waits until it is durable. Raises `TypeError` for
        what JSON cannot hold."""
        if not isinstance(key, str):
            raise TypeError(f"set_state: the key must be a text, not {type(key).__name__}")
        json = _encode(value)
        if len(self._waiting) >= MOST_WAITING and key not in self._waiting:
            raise RuntimeError("set_state: too many values wait to be written")
        former = self._waiting.get(key)
        done = former.done if former is not None else asyncio.get_running_loop().create_future()
        self._waiting[key] = Write(json, done)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all(), name="ring-store")
        return _finished(done)

    async def flush(self) -> None:
        """Waits until all that was written so far is durable, or has failed; bounded."""
        if self._writer is not None:
            await asyncio.wait((self._writer,), timeout=FLUSH_S)

    async def aclose(self) -> None:
        await self.flush()
        if self._writer is not None:
            self._writer.cancel()
            log.error("ring_state_lost", values=len(self._waiting) + len(self._writing))

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                self._writing, self._waiting = self._waiting, {}
                while self._writing:
                    keys = list(islice(self._writing, MOST_TOGETHER))
                    await self._write({key: self._writing[key] for key in keys})
                    for key in keys:
                        del self._writing[key]
        finally:
            self._writer = None

    async def _write(self, writes: Mapping[str, Write]) -> None:
        try:
            await self._values.set_many({key: _decode(write.json) for key, write in writes.items()})
        except ValueError as error:
            if len(writes) > 1:
                # What is wrong with one value keeps no other from being written.
                for key, write in writes.items():
                    await self._write({key: write})
                return
            _settle(writes, error)
        except Exception as error:  # noqa: BLE001 - the writer goes on: what comes later may be written
            _settle(writes, error)
        else:
            _settle(writes, None)


class OwnedStore(Protocol):
    """Keys and values of many owners."""

    async def get(self, owner: str, key: str, default: Any = None) -> Any: ...
    async def set_many(self, owner: str, items: Mapping[str, Any]) -> None: ...


class OwnValues:
    """Those of one owner."""

    def __init__(self, store: OwnedStore, owner: str = OWNER) -> None:
        self._store, self._owner = store, owner

    async def get(self, key: str, default: Any = None) -> Any:
        return await self._store.get(self._owner, key, default)

    async def set_many(self, items: Mapping[str, Any]) -> None:
        await self._store.set_many(self._owner, items)


class ScratchStore:
    """Reads what there is and keeps what is written to itself: for a check that leaves no trace."""

    def __init__(self, store: RingStore) -> None:
        self._store = store
        self._own: dict[str, bytes] = {}

    async def get_state(self, key: str, default: Any = None) -> Any:
        return _decode(self._own[key]) if key in self._own else await self._store.get_state(key, default)

    async def set_state(self, key: str, value: Any) -> None:
        self._own[key] = _encode(value)


class MemoryValues:
    """Values that last as long as the process: for tests and for gateways that keep nothing."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    async def get(self, key: str, default: Any = None) -> Any:
        return self.held.get(key, default)

    async def set_many(self, items: Mapping[str, Any]) -> None:
        self.held.update(items)


def _settle(writes: Mapping[str, Write], error: Exception | None) -> None:
    if error is not None:
        for key in islice(writes, MOST_TOLD):
            log.error("ring_state_not_written", state=key[:100], of=len(writes), reason=str(error))
    for write in writes.values():
        write.settle(error)


async def _finished(done: asyncio.Future[None]) -> None:
    """Shielded: a plugin that is cut off while it waits has written all the same."""
    await asyncio.shield(done)
