"""Versions that run and were revoked since they were installed: said, and stopped where the operator wants that."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.host.host import Host
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.world import Code
from jackfield.sources.archives.shelf import Shelf
from jackfield.stores.audit import AuditLog, Entry

ACTOR = "catalogue"
ACTION = "revoked"
# Until what could not be written or stopped is tried again, where no catalogue tells anything new before.
AGAIN_S = 300.0

log = structlog.get_logger("jackfield.host")


class Revocations:
    """`stops` is whether what was revoked is disabled. What is required is never stopped: nothing would be served."""

    def __init__(self, host: Host, shelf: Shelf, audit: AuditLog, clock: Clock, *, stops: bool) -> None:
        self._host, self._shelf, self._audit, self._clock, self._stops = host, shelf, audit, clock, stops
        self._undone: set[str] = set()

    @property
    def running(self) -> int:
        """How many plugins run that were revoked."""
        return sum(plugin.revoked is not None and plugin.running for plugin in self._host.snapshot.plugins.values())

    async def run(self) -> None:
        """Whenever a catalogue tells something else than before, and at the start."""
        while True:
            self._shelf.news.clear()
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S if self._undone else None):
                    await self._shelf.news.wait()

    async def look(self) -> None:
        """Never raises: what could not be written or stopped is tried again at the next look."""
        for plugin in list(self._host.snapshot.plugins.values()):
            code = self._host.world.entry(plugin.id).code
            origin = code.origin if code is not None else None
            reason = self._shelf.reason_to_withdraw(origin) if origin is not None and plugin.running else None
            if code is None or (reason == plugin.revoked and plugin.id not in self._undone):
                continue
            self._undone.discard(plugin.id)
            if reason != plugin.revoked:
                plugin.note_revoked(reason)
            if reason is not None:
                await self._tell(plugin, code, reason)

    async def _tell(self, plugin: LoadedPlugin, code: Code, reason: str) -> None:
        log.error("plugin_revoked", plugin=plugin.id, version=plugin.version, reason=reason, stopped=self._stops)
        try:
            await self._audit.note_once(
                Entry(
                    at=self._clock.wall(),
                    actor=ACTOR,
                    action=ACTION,
                    kind="plugin",
                    object_id=plugin.id,
                    namespace="default",
                    revision=0,
                    before_digest=code.digest,
                    after_digest=code.digest,
                    changes=(reason,),
                )
            )
            if self._stops:
                await self._host.toggle(plugin.id, False, actor=ACTOR)
        except JackfieldError as error:
            self._undone.add(plugin.id)
            log.error("plugin_revoked_and_not_stopped", plugin=plugin.id, reason=str(error))
