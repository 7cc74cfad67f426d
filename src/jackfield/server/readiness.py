"""Whether this worker is able to serve, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator

from jackfield.control.directory import Directory
from jackfield.control.recorder import Recorder
from jackfield.host.host import Host
from jackfield.wire.base import OPERATIONS


class Readiness:
    def __init__(self, host: Host, recorder: Recorder, directory: Directory) -> None:
        self._host, self._recorder, self._directory = host, recorder, directory

    def reasons(self) -> list[str]:
        """Why nothing could be served now."""
        barred = self._barred()
        if len(barred) == len(OPERATIONS):
            return sorted(set(barred.values()))
        links = self._host.snapshot.routes.links.values()
        if not links:
            return ["no upstream has a provider that runs"]
        if all(link.breaker.state == "open" for link in links):
            return ["every upstream is paused after repeated failures"]
        return []

    def notes(self) -> list[str]:
        """What is not as it should be, while the gateway still serves."""
        return [*self._notes_of_world(), *self._notes_of_stores()]

    def _notes_of_world(self) -> Iterator[str]:
        snapshot = self._host.snapshot
        for link in snapshot.routes.links.values():
            if link.breaker.state != "closed":
                yield f"upstream {link.name} is paused after repeated failures"
        for plugin in snapshot.plugins.values():
            if plugin.state in ("failed", "degraded", "loading"):
                yield f"plugin {plugin.id} is {plugin.state}"
            elif plugin.guard.quarantined:
                yield f"plugin {plugin.id} is quarantined"
        for operation, reason in self._barred().items():
            yield f"requests of the kind {operation} are refused: {reason}"

    def _notes_of_stores(self) -> Iterator[str]:
        if self._host.behind is not None:
            yield f"the newest generation of plugins cannot be served: {self._host.behind}"
        if self._recorder.failures:
            yield f"the store is failing: {self._recorder.depth} usage records wait"
        if self._directory.stale_since is not None:
            yield "the store is failing: keys are as they were last read"

    def _barred(self) -> dict[str, str]:
        """What is refused for want of a required plugin, by operation."""
        table = self._host.snapshot.table
        found = {operation: table.row(operation).barred for operation in OPERATIONS}
        return {operation: barred[1] for operation, barred in found.items() if barred is not None}
