"""The host's side of one provider: it serves models over HTTP, and is looked after meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from jackfield.clock import Clock
from jackfield.dialects.provider import answers
from jackfield.dialects.provider.config import ProviderConfig
from jackfield.dialects.provider.life import PATIENCE, Life, Patience
from jackfield.dialects.provider.lives import Lives
from jackfield.dialects.provider.manifest import ProviderManifest
from jackfield.dialects.provider.reasons import ENDPOINT_IS_GATEWAY, NotInService
from jackfield.dialects.provider.requests import fit_request
from jackfield.errors import PluginError, UpstreamError
from jackfield.runtimes.http.errors import read_fault
from jackfield.runtimes.http.program import Order, Program, minimal_environ
from jackfield.runtimes.http.service import Service, open_client
from jackfield.runtimes.http.session import PACE, HttpSession, Pace
from jackfield.sdk.plugin import Health, Plugin
from jackfield.sdk.providers import ReadAnswer, Target, Upstream
from jackfield.telemetry.masking import mask
from jackfield.transport.client import HttpClient
from jackfield.wire.base import Operation
from jackfield.wire.chat import Usage

# The gateway waits no longer when it starts; a change of one that serves waits until the new one is proven.
FIRST_WAIT_S, CHANGE_WAIT_S = 5.0, 8.0
# To whom a change is about to replace.
GIVE_WAY_S = 1.5
END_S = 9.0
_HEADERS = ((b"content-type", b"application/json"),)
_PATHS: Mapping[Operation, str] = {"chat": "chat/completions", "embeddings": "embeddings"}


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What one plugin stands on. `folder` is where its manifest stands, and its command runs. `own_address` is whether
    its endpoint is where this gateway listens itself."""

    manifest: ProviderManifest
    folder: Path
    digest: str
    clock: Clock
    lives: Lives[Any]
    memory_mb: int
    own_address: bool = False
    patience: Patience = PATIENCE
    pace: Pace = PACE
    environ: Mapping[str, str] | None = None


class ProviderPlugin(Plugin[ProviderConfig]):
    """`ground` is set on a class of its own for each plugin."""

    ground: ClassVar[Ground]
    formats: ClassVar[Mapping[Operation, str]] = {"chat": "openai_chat"}
    forwards: ClassVar[frozenset[bytes]] = frozenset()

    _session: HttpSession | None = None
    _client: HttpClient | None = None
    _watching: asyncio.Task[None] | None = None
    _ending: asyncio.Task[None] | None = None
    _gave_way = False

    # Its life

    async def on_load(self) -> None:
        """Raises `NotInService` for an endpoint that can be nobody's but the gateway's own."""
        for secret in self.config.secrets:
            mask(secret)
        for problem in self.config.warnings:
            self.log.warning("plugin_config_unclear", plugin=self.id, problem=str(problem))
        if self.ground.own_address:
            told = f"{self.ground.manifest.endpoint} is where this gateway listens: give the provider another port"
            raise NotInService(ENDPOINT_IS_GATEWAY, told, plugin=self.id)
        self._life = self._make_life()

    def _make_life(self) -> Life:
        ground = self.ground
        return Life(
            self.id,
            ground.manifest,
            self.config,
            ground.clock,
            leads=lambda: bool(ground.lives.leads(self.id)),
            tell=self._tell_health,
            patience=ground.patience,
        )

    def _tell_health(self, ok: bool, detail: str) -> None:
        """The host sets `report` only when it has taken the plugin over."""
        self.report(ok, detail)

    async def on_enable(self) -> None:
        """The first of its kind may come up later. One that takes the place of another that serves must be in service
        first; else that goes on."""
        former: ProviderPlugin | None = self.ground.lives.enter(self)
        replaces = former is not None and former.is_well
        try:
            if former is not None and self._needs_its_place(former):
                await former.give_way()
            failure = await self._begin(CHANGE_WAIT_S if replaces else FIRST_WAIT_S)
            if replaces and (failure is not None or not self.is_well):
                raise failure or PluginError(self._life.reason, plugin=self.id)
        except BaseException:
            await self._stop(0)
            self._leave()
            raise

    def _needs_its_place(self, former: ProviderPlugin) -> bool:
        """Whether what serves now is a program of ours that has to end before: it is started in another way, or is to
        be started anew since nothing else about it changes."""
        if former.order is None or former.ground.manifest.endpoint != self.ground.manifest.endpoint:
            return False
        return former.order != self.order or (
            former.ground.digest == self.ground.digest and former.config.values == self.config.values
        )

    async def _begin(self, wait_s: float) -> Exception | None:
        ground = self.ground
        self._client = open_client()
        session = self._session = HttpSession(
            self.id,
            Service(ground.manifest.endpoint, self._client),
            self._life,
            ground.clock,
            self.order,
            pace=ground.pace,
            may_start=lambda: bool(ground.lives.leads(self.id)),
        )
        self._life.attend(lambda: session.problem, session.lose)
        failure = await session.keep(wait_s)
        self._watching = asyncio.create_task(self._life.watch(session), name=f"watch-{self.id}")
        return failure

    async def on_disable(self) -> None:
        """It has so long to end as it is given; who takes its place has its program."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name=f"end-{self.id}")
        await asyncio.wait([self._ending], timeout=END_S)

    async def on_unload(self) -> None:
        if self._ending is not None:
            await asyncio.wait([self._ending], timeout=END_S)

    async def _end(self) -> None:
        lives, session = self.ground.lives, self._session
        newer, older = lives.newer(self), lives.older(self)
        if session is not None and newer is None and older is None and lives.leads(self.id):
            await self._clean_up(session)
        if newer is not None and newer.takes_program_of(self):
            newer.adopt(self.yield_program())
        await self._stop(self.ground.pace.grace_s)
        self._leave()
        self._ending = None

    def _leave(self) -> None:
        """Who had given way comes back; who was told other things is told its own again."""
        older: ProviderPlugin | None = self.ground.lives.older(self)
        self.ground.lives.leave(self)
        if older is not None:
            older.take_back(self)

    async def _clean_up(self, session: HttpSession) -> None:
        if session.diagnose().state != "running":
            return
        try:
            await session.call("cleanup", {}, deadline_s=self.ground.patience.cleanup_s)
        except PluginError as error:
            self.log.info("plugin_not_cleaned_up", plugin=self.id, reason=self._life.mask(error.message))

    async def _stop(self, grace_s: float) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None
        if self._session is not None:
            await self._session.stop(grace_s)
            self._session = None
            self._life.end()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    # One in the place of another

    @property
    def order(self) -> Order | None:
        """How it is started, where it has a command."""
        ground, manifest = self.ground, self.ground.manifest
        if not manifest.command:
            return None
        return Order(
            argv=(manifest.command, *manifest.args),
            cwd=str(ground.folder),
            environ=minimal_environ(manifest.env, ground.environ, folder=ground.folder),
            memory_mb=ground.memory_mb,
        )

    async def give_way(self) -> None:
        """Ends its program, so that another can listen where it did; it stays in service with what listens there
        then."""
        if self._session is not None and self._session.has_program:
            self._gave_way = True
            await self._session.stop(GIVE_WAY_S)

    def take_back(self, successor: ProviderPlugin) -> None:
        """Its successor came to nothing."""
        session, self._gave_way = self._session, False
        if session is None or successor.ground.manifest.endpoint != self.ground.manifest.endpoint:
            return
        if session.diagnose().state == "stopped":
            session.revive()
        else:
            self._life.tell_again()

    def takes_program_of(self, former: ProviderPlugin) -> bool:
        session = self._session
        return session is not None and not session.has_program and self.order is not None and self.order == former.order

    def yield_program(self) -> Program | None:
        return None if self._session is None else self._session.yield_program()

    def adopt(self, program: Program | None) -> None:
        if program is not None and self._session is not None:
            self._session.adopt(program)

    # What the gateway asks of it

    @property
    def provider_type(self) -> str:
        return self.ground.manifest.metadata.provider_type

    @property
    def names(self) -> tuple[str, ...]:
        return (self.provider_type,)

    @property
    def is_well(self) -> bool:
        return self._life.is_well

    @property
    def revision(self) -> int:
        return self._life.revision

    def offered(self) -> tuple[str, ...]:
        return tuple(self._life.models)

    def trouble(self) -> str | None:
        return None if self._life.is_well else self._life.reason

    def patience_s(self) -> float:
        stated = self.config.values.get("timeout")
        own = float(stated) + 5 if isinstance(stated, int | float) and not isinstance(stated, bool) else 0.0
        return max(self.ground.patience.completion_s, min(own, 3_600.0))

    def target(self, upstream: Upstream, operation: Operation, model: str) -> Target:
        return Target(url=f"{upstream.base_url or self.ground.manifest.endpoint}/{_PATHS[operation]}", headers=_HEADERS)

    def shape(self, body: bytes, operation: Operation, model: str) -> bytes:
        return fit_request(body, model, self._life.capabilities_of(model)) if operation == "chat" else body

    def read_error(self, status: int, body: bytes) -> UpstreamError:
        return answers.reject(self._life.mask_fault(read_fault(status, body, about_model=True)))

    def read_loss(self, error: UpstreamError) -> UpstreamError:
        self._life.kick()
        return answers.explain_loss(error, self.id)

    def read_answer(self, body: bytes, operation: Operation) -> ReadAnswer:
        return answers.read_answer(body, self._life.mask_fault) if operation == "chat" else ReadAnswer(body)

    def read_stream(self, content_type: str) -> answers.Frames | None:
        return answers.read_stream(content_type, self._life.mask_fault)

    def cost_nanousd(self, model: str, usage: Usage) -> int | None:
        known = self._life.models.get(model)
        return None if known is None else known.cost_nanousd(usage)

    async def health(self) -> Health:
        return Health(ok=self._life.is_well, detail=self._life.reason)

    def diagnose(self) -> Mapping[str, Any]:
        if self._session is None:
            return self._life.describe()
        told: dict[str, Any] = msgspec.to_builtins(self._session.diagnose())
        told["last_words"] = self._life.mask(told["last_words"])
        return told | self._life.describe()


class EmbeddingProvider(ProviderPlugin):
    """One that says that it makes embeddings, too."""

    formats: ClassVar[Mapping[Operation, str]] = {"chat": "openai_chat", "embeddings": "openai_embeddings"}
