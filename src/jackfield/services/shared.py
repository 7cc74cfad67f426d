"""What plugins of one world give to one another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import structlog

from jackfield.sdk.shared import Watcher, read_offer
from jackfield.telemetry.text import describe_error

T = TypeVar("T")

log = structlog.get_logger("jackfield.services")


class Given(NamedTuple):
    plugin: str
    service: Any


class SharedTable:
    """What one plugin gives, and what it looks for: `SharedServices`. `declared` are the names in its manifest, `None`
    where its dialect has it give what it likes. Until `join` it sees nobody else."""

    def __init__(self, plugin: str, declared: frozenset[str] | None = None) -> None:
        self.plugin, self.declared = plugin, declared
        self._given: dict[str, Any] = {}
        self._watchers: dict[str, list[Watcher]] = {}
        self._seen: dict[str, Any] = {}
        self._directory = SharedDirectory(lambda: (self,))

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._given))

    @property
    def missing(self) -> tuple[str, ...]:
        """What was declared and not given."""
        return tuple(sorted((self.declared or frozenset()) - self._given.keys()))

    def get(self, name: str) -> Given | None:
        return Given(self.plugin, self._given[name]) if name in self._given else None

    def join(self, directory: SharedDirectory) -> None:
        """From now on it sees what is there. Who watches is told of what that changes."""
        self._directory = directory
        self.look()

    def provide(self, name: str, service: object) -> None:
        if self.declared is not None and name not in self.declared:
            raise ValueError(f"plugin {self.plugin} does not declare that it provides {name!r}: add it to `provides`")
        if service is None:
            raise ValueError(f"plugin {self.plugin} gave None as {name!r}")
        self._given[name] = service
        self._directory.tell()

    def withdraw(self, name: str) -> None:
        if self._given.pop(name, None) is not None:
            self._directory.tell()

    def find(self, name: str, kind: type[T]) -> T | None:
        found = self._directory.find(name)
        if found is None:
            return None
        if not _is_a(found.service, kind):
            told = f"plugin {found.plugin} gives {name!r} as {type(found.service).__name__}, not {kind.__name__}"
            raise TypeError(told)
        service: T = found.service
        return service

    def watch(self, name: str, watcher: Watcher) -> None:
        self._watchers.setdefault(name, []).append(watcher)
        self._seen.setdefault(name, self._service(name))

    def look(self) -> None:
        """Tells those who watch of what has become another since."""
        for name, watchers in self._watchers.items():
            service = self._service(name)
            if service is not self._seen[name]:
                self._seen[name] = service
                for watcher in watchers:
                    asyncio.get_running_loop().call_soon(self._tell, watcher, name, service)

    def _service(self, name: str) -> Any:
        found = self._directory.find(name)
        return found.service if found is not None else None

    def _tell(self, watcher: Watcher, name: str, service: Any) -> None:
        try:
            watcher(service)
        except Exception as error:  # noqa: BLE001 - a boundary: nobody waits for a watcher
            log.warning("service_watcher_failed", plugin=self.plugin, service=name, error=describe_error(error))

    def clear(self) -> None:
        """Its plugin is gone."""
        self._watchers.clear()
        self._given.clear()
        self._directory.tell()


class SharedDirectory:
    """What all plugins of one world give. `tables` are theirs, in the order in which they started."""

    def __init__(self, tables: Callable[[], Iterable[SharedTable]]) -> None:
        self._tables = tables

    def find(self, name: str) -> Given | None:
        return next((found for table in self._tables() if (found := table.get(name)) is not None), None)

    def tell(self) -> None:
        """Something was given, or taken back."""
        for table in tuple(self._tables()):
            table.look()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Each service with the plugin that has it."""
        seen: set[str] = set()
        for table in self._tables():
            for name in table:
                if name not in seen:
                    seen.add(name)
                    yield name, table.plugin


def declared_names(provides: Iterable[str]) -> frozenset[str]:
    return frozenset(read_offer(text).name for text in provides)


def _is_a(service: object, kind: type[Any]) -> bool:
    """Whether it is one, as far as that can be told."""
    if getattr(kind, "_is_protocol", False) and not getattr(kind, "_is_runtime_protocol", False):
        return True
    return isinstance(service, kind)
