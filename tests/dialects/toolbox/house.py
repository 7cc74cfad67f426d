"""A real host over a folder of toolbox plugins, with real storage and tools, and other services in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

from announcing import Silence
from jackfield.dialects.base import Dialect
from jackfield.dialects.native import NativeDialect
from jackfield.dialects.rings.dialect import RingDialect
from jackfield.dialects.toolbox.dialect import ToolboxDialect
from jackfield.host.builder import Builder, Trouble
from jackfield.host.host import Host
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.routes import Routes
from jackfield.host.sealed import SealedCode
from jackfield.host.stage import Stage
from jackfield.host.survey import Surveyor
from jackfield.sdk.caller import Caller
from jackfield.sdk.tools import ToolReply
from jackfield.services.grants import Offer, ServiceFactory
from jackfield.services.kv import STORAGE, PluginStorage
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tools import EXECUTE, REGISTER, PluginTools
from jackfield.settings import PluginConfig, PluginSettings
from jackfield.sources.folder import FolderSource
from jackfield.stores.database import Database
from jackfield.stores.generations import Generations
from jackfield.testing.memory import HandClock, MemoryStore

from .fakes import FakeServices

ALL = (
    "tools:register",
    "tools:execute",
    "memory:read",
    "memory:write",
    "storage:read",
    "storage:write",
    "http:outbound",
    "events:subscribe",
    "events:emit",
    "scheduler:read",
    "scheduler:write",
    "users:read",
)
ALICE = Caller(user="alice", conversation="talk")


class House:
    """`bus`, `agenda`, `memories`, `answers` and `asked` are those of its `FakeServices`."""

    def __init__(self, folder: Path, *, development: bool = False) -> None:
        self.folder = folder / "plugins"
        self.folder.mkdir()
        self._data, self._development = folder / "data", development
        self.clock = HandClock()
        self.kv = MemoryStore(self.clock)
        fakes = self._fakes = FakeServices()
        self.bus, self.agenda, self.memories = fakes.bus, fakes.agenda, fakes.memories
        self.answers, self.asked = fakes.answers, fakes.asked
        self.approve: Literal["auto", "ask"] = "auto"
        self._gate = ToolGate(Silence(), lambda caller, tool: True, self._stats_of)
        self._database: Database | None = None
        self._host: Host | None = None

    @property
    def host(self) -> Host:
        assert self._host is not None, "nothing was started"
        return self._host

    def write(self, name: str, code: str = "", *, main: str = "index.ts", **manifest: Any) -> Path:
        """A plugin's folder; its manifest asks for all there is where it says nothing else. Keys that are `...` are
        left out."""
        said = {
            "id": name,
            "name": name.title(),
            "version": "1.0.0",
            "permissions": list(ALL),
            "main": main,
            **manifest,
        }
        place = self.folder / name
        file = place / main
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = {key: value for key, value in said.items() if value is not ...}
        (place / "manifest.json").write_text(json.dumps(kept), encoding="utf-8")
        file.write_text(dedent(code), encoding="utf-8")
        return place

    async def start(self, configs: Mapping[str, Mapping[str, Any]] | None = None) -> Mapping[str, LoadedPlugin]:
        """The plugins by id."""
        self._database = await Database.open("sqlite", self._data)
        made = {name: PluginConfig.model_validate(config) for name, config in (configs or {}).items()}
        dialects = {one.name: one for one in self._dialects()}
        source = FolderSource(self.folder, [one.find for one in dialects.values()])
        surveyor = Surveyor([source], dialects, SealedCode(self._data / "code"))
        grants = ServiceFactory(self._offers(), self.clock)
        settings = PluginSettings(config=made, approve=self.approve)
        builder = Builder(dialects, settings, grants.build, _probe, self.clock)
        generations = Generations(self._database)
        stage = Stage(builder, generations, lambda running, absent, formats: Routes(()), self.clock, 5.0)
        self._host = Host(surveyor, stage, generations, made)
        return (await self._host.start()).plugins

    def _dialects(self) -> Iterable[Dialect]:
        return NativeDialect(), RingDialect(), ToolboxDialect(clock=self.clock, development=self._development)

    def _offers(self) -> dict[str, Offer]:
        tools = frozenset({REGISTER, EXECUTE})

        return self._fakes.offers() | {
            "kv": Offer(STORAGE, lambda grant: PluginStorage(grant.allowance, self.kv)),
            "tools": Offer(tools, lambda one: PluginTools(one.allowance, one.tools, self._gate, self._lend)),
        }

    def _tools(self) -> Any:
        return self.host.snapshot.tools

    def _lend(self) -> AbstractContextManager[Any]:
        return nullcontext(self._tools())

    def _stats_of(self, plugin: str) -> Any:
        found = self.host.snapshot.plugins.get(plugin)
        return found.guard.stats if found is not None else None

    def plugin(self, name: str) -> LoadedPlugin:
        return self.host.snapshot.plugins[name]

    def tools(self) -> list[str]:
        """The full names of what models are offered."""
        return sorted(tool.name for tool in self._tools())

    async def call(self, tool: str, caller: Caller = ALICE, /, **arguments: Any) -> ToolReply:
        """As a model's call, by the tool's full name."""
        return await self._gate.run(self._tools(), tool, arguments, caller)

    async def ask(self, plugin: str, tool: str, caller: Caller = ALICE, /, **arguments: Any) -> Any:
        """The result of a tool that succeeds."""
        reply = await self.call(f"plugin_{plugin}_{tool}", caller, **arguments)
        assert reply.success, reply.error
        return reply.result

    async def stop(self) -> None:
        if self._host is not None:
            await self._host.stop()
        if self._database is not None:
            await self._database.dispose()


async def _probe(plugin: LoadedPlugin) -> list[Trouble]:
    return []
