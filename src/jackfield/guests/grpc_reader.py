"""Reading plugins that are spoken with over gRPC: whatever language they are written in, a plugin as any other."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from jackfield.clock import Clock
from jackfield.dialects.base import Blueprint
from jackfield.errors import ConfigError, ManifestError
from jackfield.guests.exchanges import PLAIN
from jackfield.guests.plugin import Code
from jackfield.guests.reader import Opened, read_guest
from jackfield.runtimes.base import Answerer, Session
from jackfield.runtimes.grpc.place import sweep
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.runtimes.limits import Limits
from jackfield.sdk.manifest import MANIFEST_FILE
from jackfield.settings import IsolationSettings
from jackfield.sources.base import Found

RUNTIME = "grpc"

log = structlog.get_logger("jackfield.guests")


class GrpcReader:
    """`Reader`."""

    def __init__(self, clock: Clock, isolation: IsolationSettings, *, development: bool = False) -> None:
        self._clock, self._isolation, self._development = clock, isolation, development
        self._opened = Opened()
        self._swept = False

    async def read(self, found: Found) -> Blueprint:
        if not self._swept:
            self._swept = True
            await asyncio.to_thread(sweep)
        open_session = partial(self._open, found.name, _program_of(found, self._isolation.minimum))
        code = Code(found.name, open_session, PLAIN, self._clock, development=self._development)
        blueprint = await read_guest(found, self._opened.note(code), RUNTIME)
        if offers := code.description.offers:
            log.info("plugin_offers_unused", plugin=blueprint.manifest.id, offers=sorted(offers))
        return blueprint

    async def aclose(self) -> None:
        await self._opened.aclose()

    def _open(self, name: str, program: GrpcProgram, answerer: Answerer) -> Session:
        try:
            from jackfield.runtimes.grpc.session import GrpcSession
        except ImportError as error:
            raise ConfigError("plugins over gRPC need gRPC: install jackfield[grpc]") from error
        return GrpcSession(name, program, answerer, self._clock, Limits(memory_mb=self._isolation.memory_mb))


def _program_of(found: Found, minimum: tuple[str, ...]) -> GrpcProgram:
    """Raises `ManifestError`."""
    manifest = found.manifest()
    start = manifest.grpc if manifest is not None else None
    if start is None:
        raise ManifestError("says nothing of how it is started", file=f"{found.place}/{MANIFEST_FILE}", field="grpc")
    if found.root is None:
        raise ManifestError("is in no folder", file=found.place)
    return GrpcProgram(
        command=start.command,
        folder=(found.root / found.name).resolve(),
        args=start.args,
        env=dict(start.env),
        sha256=start.sha256,
        network=start.network,
        read=start.read,
        minimum=minimum if start.command else (),
        address=start.address,
    )
