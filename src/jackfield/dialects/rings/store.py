"""`ctx.state.extra["store"]`: what ring plugins keep, as JSON, for all of them together.

Plugins write without waiting (`asyncio.create_task(store.set_state(…))`), so a write counts from the call on: reads
see it at once, the last call wins, and it is carried out also where nobody holds on to the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

import msgspec
import structlog

MOST_WAITING = 100_000
FLUSH_S = 5.0
# All ring plugins share what they keep.
OWNER = "rings"

_encode = msgspec.json.encode
_decode = msgspec.json.decode

log = structlog.get_logger("jackfield.rings")


class Values(Protocol):
    """Where values are durable."""

    async def get(self, key: str, default: Any = None) -> Any: ...
    async def set(self, key: str, value: Any) -> None: ...


class Write:
    """The newest value of one key on its way, and who waits for it."""

    __slots__ = ("done", "json")

    def __init__(self, json: bytes, done: asyncio.Future[None]) -> None:
        self.json, self.done = json, done


class RingStore:
    """Writes of one key that wait together become one. A failing write is told to who waits for it, and to the log."""

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
                for key in list(self._writing):
                    await self._write(key, self._writing[key])
                    del self._writing[key]
        finally:
            self._writer = None

    async def _write(self, key: str, write: Write) -> None:
        try:
            await self._values.set(key, _decode(write.json))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one value, the others are written
            log.error("ring_state_not_written", key=key[:100], reason=str(error))
            if not write.done.done():
                write.done.set_exception(error)
                # Most who write do not wait: the log has said it.
                write.done.exception()
            return
        if not write.done.done():
            write.done.set_result(None)


class OwnedStore(Protocol):
    """Keys and values of many owners."""

    async def get(self, owner: str, key: str, default: Any = None) -> Any: ...
    async def set(self, owner: str, key: str, value: Any) -> None: ...


class OwnValues:
    """Those of one owner."""

    def __init__(self, store: OwnedStore, owner: str = OWNER) -> None:
        self._store, self._owner = store, owner

    async def get(self, key: str, default: Any = None) -> Any:
        return await self._store.get(self._owner, key, default)

    async def set(self, key: str, value: Any) -> None:
        await self._store.set(self._owner, key, value)


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

    async def set(self, key: str, value: Any) -> None:
        self.held[key] = value


async def _finished(done: asyncio.Future[None]) -> None:
    """Shielded: a plugin that is cut off while it waits has written all the same."""
    await asyncio.shield(done)
