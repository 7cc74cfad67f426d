"""Which instances of a provider there are in this gateway: a new one is proven beside the old, and both speak with the
same service."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import structlog

from jackfield.dialects.provider.reasons import DUPLICATE_PROVIDER_TYPE, NotInService

log = structlog.get_logger("jackfield.plugins")


class Living(Protocol):
    id: str

    @property
    def provider_type(self) -> str: ...


L = TypeVar("L", bound=Living)


class Lives(Generic[L]):
    """Of one worker. In `folder` are the locks by which one worker of several leads: starts and initializes the
    service; without one it is always this."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._living: dict[str, list[L]] = {}
        self._locks: dict[str, int] = {}

    def enter(self, life: L) -> L | None:
        """The one before it, if there is one. Raises `NotInService` where another plugin has its provider type."""
        for other in self._each():
            if other.provider_type == life.provider_type and other.id != life.id:
                told = f"the provider type {life.provider_type!r} is already loaded, by plugin {other.id}"
                raise NotInService(DUPLICATE_PROVIDER_TYPE, told, plugin=life.id)
        present = self._living.setdefault(life.id, [])
        former = present[-1] if present else None
        present.append(life)
        return former

    def _each(self) -> Iterator[L]:
        return (life for present in self._living.values() for life in present)

    def leave(self, life: L) -> None:
        """The last one gives up the lead."""
        present = self._living.get(life.id, [])
        if life in present:
            present.remove(life)
        if not present:
            self._living.pop(life.id, None)
            lock = self._locks.pop(life.id, None)
            if lock is not None:
                os.close(lock)

    def newer(self, life: L) -> L | None:
        present = self._living.get(life.id, [])
        after = present[present.index(life) + 1 :] if life in present else []
        return after[0] if after else None

    def older(self, life: L) -> L | None:
        present = self._living.get(life.id, [])
        place = present.index(life) if life in present else 0
        return present[place - 1] if place else None

    def leads(self, plugin_id: str) -> bool:
        """Whether it is this worker, or can be from now on: whoever led before is gone."""
        if self._folder is None or plugin_id in self._locks:
            return True
        lock = self._open(self._folder, plugin_id)
        if lock is None:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._locks[plugin_id] = lock
        return True

    def _open(self, folder: Path, plugin_id: str) -> int | None:
        """`None` where nothing can be written: then nobody can agree on anything, and each is on its own."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return os.open(folder / f"{plugin_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning("plugin_lock_not_made", plugin=plugin_id, error=str(error))
            return None
