"""A toolbox plugin in JavaScript or TypeScript, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec

from jackfield.clock import Clock
from jackfield.dialects.toolbox.answers import ScriptAnswers
from jackfield.dialects.toolbox.config import OwnConfig
from jackfield.dialects.toolbox.manifest import ToolboxManifest
from jackfield.errors import PluginError
from jackfield.runtimes.base import Answerer, Session
from jackfield.sdk.plugin import Health, Plugin
from jackfield.sdk.toolbox import PluginAPI

PROGRAM = Path(__file__).parent / "js" / "toolbox.mjs"
GRACE_S = 1.0

OpenSession = Callable[[str, Path, Answerer, bool], Session]


class ScriptCode(NamedTuple):
    """`folder` is where the code is read, `main` the file in it that it begins in. `open_session` takes the plugin's
    id, the folder, who answers, and whether this is development."""

    manifest: ToolboxManifest
    folder: Path
    main: Path
    open_session: OpenSession
    clock: Clock
    development: bool


class ScriptToolbox(Plugin[OwnConfig]):
    """The host's side of one plugin; `code` is set on a class of its own for each."""

    code: ClassVar[ScriptCode]
    _session: Session | None = None
    _answers: ScriptAnswers

    async def on_load(self) -> None:
        self._answers = ScriptAnswers(self._make_api(), self._hello(), self._tell_health, self.code.clock)
        await self._begin()

    async def _begin(self) -> None:
        code = self.code
        session = code.open_session(self.id, code.folder, self._answers, code.development)
        try:
            await session.start()
        except BaseException:
            await session.stop(0)
            raise
        self._session = session

    async def on_enable(self) -> None:
        """One whose process is gone, for now or for good, gets another at once."""
        if self._session is not None and self._session.diagnose().state != "running":
            await self._session.stop(0)
            await self._begin()
        await self._answers.run_hook("onEnable")
        self._answers.enabled = True

    async def on_disable(self) -> None:
        self._answers.enabled = False
        await self._answers.run_hook("onDisable")

    async def on_unload(self) -> None:
        """Its process ends whatever it says to that."""
        if self._session is None:
            return
        try:
            if self._answers.enabled:
                await self.on_disable()
            await self._answers.run_hook("onUnload")
        except PluginError as error:
            self.log.warning("plugin_unload_failed", reason=error.message)
        finally:
            await self._session.stop(GRACE_S)

    def diagnose(self) -> Mapping[str, Any]:
        return {} if self._session is None else msgspec.to_builtins(self._session.diagnose())

    async def health(self) -> Health:
        if self._session is None:
            return Health(ok=False, detail="it was not started")
        found = self._session.diagnose()
        return Health(ok=found.state == "running", detail=f"its process is {found.state}: {found.exit}")

    def _tell_health(self, ok: bool, detail: str) -> None:
        self.report(ok, detail)

    def _make_api(self) -> PluginAPI:
        manifest = self.code.manifest
        return PluginAPI(
            manifest.told(),
            self.id,
            self.services,
            self.config.values,
            self.log,
            permissions=tuple(manifest.permissions),
            development=self.code.development,
        )

    def _hello(self) -> dict[str, object]:
        """What the sync calls of the API act from."""
        manifest = self.code.manifest
        return {
            "manifest": manifest.told(),
            "permissions": manifest.permissions,
            "config": self.config.model_dump(mode="json"),
            "main": str(self.code.main),
            "development": self.code.development,
        }


def open_node(clock: Clock, *, memory_mb: int = 256, minimum: tuple[str, ...] = ()) -> OpenSession:
    """Sessions in processes of Node, each with so much memory at most and these layers of defence at least."""

    def open_session(plugin_id: str, folder: Path, answerer: Answerer, development: bool) -> Session:
        # Imported here: who has no such plugin needs no Node.
        from jackfield.runtimes.node import Limits, NodeSession

        environ = {"NODE_ENV": "development" if development else "production"}
        return NodeSession(
            plugin_id,
            program=PROGRAM,
            folder=folder,
            answerer=answerer,
            clock=clock,
            limits=Limits(memory_mb=memory_mb),
            environ=environ,
            minimum=minimum,
        )

    return open_session
