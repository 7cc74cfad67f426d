"""A host over folders that a test writes, without a gateway around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

from jackfield.dialects.native import NativeDialect
from jackfield.host.builder import Builder, Trouble
from jackfield.host.host import Host
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.routes import Routes
from jackfield.host.sealed import SealedCode
from jackfield.host.stage import Stage
from jackfield.host.survey import Surveyor, Withdrawn, keep_all
from jackfield.services.allowance import Allowance
from jackfield.services.grants import Asker, Grant
from jackfield.settings import PluginConfig, PluginSettings
from jackfield.sources.base import Source
from jackfield.sources.folder import FolderSource
from jackfield.stores.database import Database
from jackfield.stores.generations import Generations

GOOD = """
    from jackfield.sdk import Plugin, hook

    class {kind}(Plugin):
        @hook("ingress")
        async def check(self, exchange): ...
"""


class StillClock:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0


class World:
    """`host` is made and started anew by each `start`; `unloaded` and the like are what plugins leave in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host: Host | None = None
        self.approve: Literal["auto", "ask"] = "auto"
        self.database: Database | None = None
        self.granted: dict[str, frozenset[str]] = {}
        self.withdrawn: Withdrawn = keep_all
        self.troubles: dict[str, list[Trouble]] = {}
        # Who reads plugins whose code runs elsewhere, by runtime; how long the start waits for these.
        self.readers: dict[str, Any] = {}
        self.patience_s = 5.0
        self.required: tuple[str, ...] = ()
        self.made_routes: list[tuple[list[str], frozenset[str]]] = []
        folder.mkdir(exist_ok=True)

    def write(self, name: str, source: str = "", *, manifest: str = "", **files: str) -> Path:
        """A plugin folder; without a source a good plugin named after it."""
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        kind = "".join(part.capitalize() for part in name.split("_"))
        place.joinpath("plugin.py").write_text(dedent(source or GOOD.format(kind=kind)), encoding="utf-8")
        if manifest:
            place.joinpath("jackfield.toml").write_text(dedent(manifest), encoding="utf-8")
        for file, text in files.items():
            place.joinpath(f"{file}.py").write_text(dedent(text), encoding="utf-8")
        return place

    async def start(
        self, configs: Mapping[str, Mapping[str, Any]] | None = None, sources: Iterable[Source] | None = None
    ) -> Mapping[str, LoadedPlugin]:
        self.database = self.database or await Database.open("sqlite", self.data)
        self.host = self._make_host(self.database, configs or {}, sources)
        return (await self.host.start()).plugins

    @property
    def data(self) -> Path:
        return self.folder.parent / "data"

    @property
    def running(self) -> Host:
        assert self.host is not None, "nothing was started"
        return self.host

    def source(self) -> FolderSource:
        return FolderSource(self.folder, (NativeDialect().find,))

    def _make_host(
        self, database: Database, configs: Mapping[str, Mapping[str, Any]], sources: Iterable[Source] | None
    ) -> Host:
        made = {name: PluginConfig.model_validate(config) for name, config in configs.items()}
        settings = PluginSettings(
            config=made, approve=self.approve, required=self.required, start_patience_s=self.patience_s
        )
        dialects = {"native": NativeDialect()}
        sources = [self.source()] if sources is None else sources
        surveyor = Surveyor(sources, dialects, SealedCode(self.data / "code"), lambda origin: self.withdrawn(origin))
        builder = Builder(dialects, settings, self._grant, self._probe, StillClock(), self.readers)
        generations = Generations(database)
        return Host(surveyor, Stage(builder, generations, self._make_routes, StillClock(), 5.0), generations, made)

    def _grant(self, asker: Asker) -> Grant:
        self.granted[asker.plugin] = asker.approved
        return Grant(asker, Allowance.of(asker.plugin, asker.approved, StillClock()))

    async def _probe(self, plugin: LoadedPlugin) -> list[Trouble]:
        return self.troubles.get(plugin.id, [])

    def _make_routes(self, running: Mapping[str, Any], absent: frozenset[str], formats: Any) -> Routes:
        self.made_routes.append((list(running), absent))
        return Routes(())

    async def stop(self) -> None:
        if self.host is not None:
            await self.host.stop()
        if self.database is not None:
            await self.database.dispose()
            self.database = None


def states(plugins: Mapping[str, LoadedPlugin]) -> dict[str, str]:
    return {name: plugin.state for name, plugin in plugins.items()}


def reason(plugins: Mapping[str, LoadedPlugin], name: str) -> str:
    plugin = plugins[name]
    assert plugin.state == "failed", plugin.state
    assert plugin.reason is not None
    return plugin.reason
