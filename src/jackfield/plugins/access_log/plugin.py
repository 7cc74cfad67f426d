"""Writes one line for each request that the gateway answers, whatever it was for, and one for each try of an upstream.

A line holds nothing of what a client has sent but method and path: no query, no header, no text, no name of a model or
user that the gateway does not know.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from jackfield.plugins.access_log.file import LogFile
from jackfield.plugins.access_log.lines import write_clients, write_upstreams
from jackfield.plugins.access_log.visit import VISIT, Visit, Watch
from jackfield.plugins.access_log.writer import Writer
from jackfield.sdk import Exchange, Health, MiddlewareLayer, MiddlewareSpec, Plugin, PluginConfig, hook

Glob = Annotated[str, Field(min_length=1, max_length=200)]
HeaderName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
# Its hooks run around all others: the first on the way in, the last on the way back.
OUTERMOST = -1_000_000


class AccessLogConfig(PluginConfig):
    file: Path = Field(Path("access.log"), description="Where lines are written; its folder is made")
    format: Literal["json", "combined"] = Field("json", description="JSON, or the combined format of web servers")
    upstream_file: Path | None = Field(
        None, description="Where tries of upstreams are written, as JSON; without it among the others where those are"
    )
    exclude: tuple[Glob, ...] = Field(
        ("/health", "/ready", "/metrics"), description="Paths without a line; `*` stands for anything"
    )
    max_bytes: int = Field(100_000_000, ge=10_000, description="How large a file grows before a new one is begun")
    keep: int = Field(5, ge=1, le=1000, description="How many former files are kept")
    client_header: HeaderName | None = Field(
        None, description="A header in which a trusted proxy names the client, such as `x-forwarded-for`"
    )
    user_agents: bool = Field(False, description="Whether the client's `user-agent` is part of a line")
    every_s: float = Field(0.5, gt=0, le=60, description="How often lines are written")


class AccessLog(Plugin[AccessLogConfig]):
    id = "access_log"

    async def on_load(self) -> None:
        """Raises `OSError` where the file cannot be written."""
        config = self.config
        exact = [path for path in config.exclude if "*" not in path]
        globs = [path for path in config.exclude if "*" in path]
        self._excluded = frozenset(exact)
        self._pattern = re.compile("|".join(re.escape(glob).replace(r"\*", ".*") for glob in globs)) if globs else None
        clients = LogFile(config.file, config.max_bytes, config.keep)
        upstreams = clients
        if config.upstream_file is not None:
            upstreams = LogFile(config.upstream_file, config.max_bytes, config.keep)
        self._clients, self._upstreams = clients, upstreams
        self._writes_upstreams = config.upstream_file is not None or config.format == "json"
        self._writer = Writer(self._write, self._tell, config.every_s)
        await self._writer.open((clients, upstreams))

    async def on_unload(self) -> None:
        await self._writer.aclose()

    async def health(self) -> Health:
        return Health(not self._writer.problem, self._writer.problem)

    @property
    def middleware(self) -> tuple[MiddlewareSpec, ...]:
        return (MiddlewareSpec(kind=Watch, layer=MiddlewareLayer.OBSERVABILITY, options={"log": self}),)

    @hook("background", priority=OUTERMOST)
    async def note(self, exchange: Exchange) -> None:
        visit = VISIT.get()
        if visit is not None:
            visit.note(exchange)

    def leaves_out(self, path: str) -> bool:
        return path in self._excluded or bool(self._pattern and self._pattern.fullmatch(path))

    def add(self, visit: Visit) -> None:
        self._writer.add(visit)

    def _tell(self, problem: str) -> None:
        if problem:
            self.log.error("access_log_not_written", reason=problem)
        self.report(not problem, problem)

    def _write(self, visits: list[Visit]) -> None:
        """In a thread. Raises `OSError`."""
        told = write_clients(visits, self.config.format)
        tries = write_upstreams(visits) if self._writes_upstreams else b""
        if self._upstreams is self._clients:
            self._clients.append(told + tries)
            return
        self._clients.append(told)
        self._upstreams.append(tries)
