"""The host's side of a plugin whose code runs elsewhere: a plugin as any other, of what its guest says of itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel

from jackfield.clock import Clock
from jackfield.guests.asking import HookLine
from jackfield.guests.configs import values_of
from jackfield.guests.exchanges import Form
from jackfield.guests.faults import read_failure
from jackfield.guests.guest import Guest, OpenSession
from jackfield.guests.protocol import Description, Endpoint, EndpointCall, Load, keeps_exchanges
from jackfield.guests.ring_share import RingShare
from jackfield.guests.values import encode, read_chat_response, read_embeddings_response, read_event
from jackfield.sdk.agents import AgentSpec
from jackfield.sdk.caller import current_caller
from jackfield.sdk.context import Exchange
from jackfield.sdk.hooks import MARK, HookSpec
from jackfield.sdk.outcomes import Outcome
from jackfield.sdk.plugin import Health, Plugin
from jackfield.sdk.providers import Upstream
from jackfield.sdk.routes import RouterSpec
from jackfield.wire.chat import ChatEvent, ChatRequest, ChatResponse, EmbeddingsRequest, EmbeddingsResponse

# How long what was started to be described waits for the plugin that it is for.
PATIENCE_S = 30.0
# What an author allows a hook is meant for its code. Another process may have to wait for its turn besides.
LEAST_TIMEOUT_MS = 50
# As long as an upstream may take at most; the pipeline has the upstream's own deadline.
SERVED_S = 86_400.0
# How long nothing may come of an answer at a path of its own.
QUIET_S = 60.0


class Code:
    """Where the code of one plugin runs, and what it says of itself. `offer` is a guest that was started to be
    described: the first instance takes it over."""

    def __init__(
        self,
        who: str,
        open_session: OpenSession,
        form: Form,
        clock: Clock,
        share: RingShare | None = None,
        *,
        development: bool = False,
    ) -> None:
        self._who, self._open_session, self._clock = who, open_session, clock
        self.form, self.share, self.development = form, share, development
        self.description = Description(manifest={})
        self._waiting: Guest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    def open(self) -> Guest:
        return Guest(self._who, self._open_session, self._clock, self.share)

    def offer(self, guest: Guest) -> None:
        self._waiting = guest
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        guest, self._waiting = self._waiting, None
        if guest is not None:
            self._ending = asyncio.create_task(guest.stop(0))

    async def aclose(self) -> None:
        """Ends one that nobody took."""
        self._give_up()
        if self._ending is not None:
            await self._ending

    async def take(self) -> Guest:
        """The guest that waits, or one that is started now. Raises `SessionLost`, and what its module raises."""
        guest, self._waiting = self._waiting, None
        if self._timer is not None:
            self._timer.cancel()
        if guest is not None and guest.session.diagnose().state == "running":
            return guest
        if guest is not None:
            await guest.stop(0)
        guest = self.open()
        await guest.start()
        if guest.description != self.description:
            await guest.stop(0)
            raise ValueError("it is not what it was when it was read")
        return guest


class GuestPlugin(Plugin[BaseModel]):
    """`code` is set on a class of its own for each plugin, and so are its hooks. What is its own has names that no
    author gives a hook."""

    code: ClassVar[Code]
    agents: tuple[AgentSpec, ...] = ()
    routers: tuple[RouterSpec, ...] = ()
    jackfield_guest: Guest | None = None
    jackfield_hooks: HookLine
    jackfield_returned: Callable[[], None] = staticmethod(lambda: None)

    async def on_load(self) -> None:
        code, services = type(self).code, self.services
        granted = services.permissions
        asked = Load(
            id=self.id,
            config=values_of(self.config),
            granted=tuple(sorted(granted)),
            development=code.development,
            mcp=tuple(services.mcp.servers) if "mcp:connect" in granted else (),
        )
        guest = await code.take()
        try:
            loaded = await guest.load(self, asked, self._tell_returned)
            # It takes its time, the first time most of all.
            self.routers = await asyncio.to_thread(self._make_routers, loaded.endpoints)
        except BaseException:
            await guest.stop(0)
            raise
        self.agents, self.sign_ins, self.jackfield_guest = loaded.agents, loaded.sign_ins, guest
        keeps = keeps_exchanges(code.description.hooks)
        self.jackfield_hooks = HookLine(guest.session, code.form, code.share, keeps=keeps)

    def _make_routers(self, endpoints: tuple[Endpoint, ...]) -> tuple[RouterSpec, ...]:
        """Raises `ValueError`."""
        if not endpoints:
            return ()
        # Imported here: only a plugin with paths of its own needs it.
        from jackfield.guests.endpoints import make_routers

        return make_routers(self.id, self._answer_request, endpoints)

    def _answer_request(self, call: EndpointCall) -> AsyncGenerator[Any, None]:
        """By the guest that there is now."""
        assert self.jackfield_guest is not None
        return self.jackfield_guest.stream("serve", call, QUIET_S)

    def _tell_returned(self) -> None:
        """The host says who is told only once the plugin is loaded."""
        self.jackfield_returned()

    async def on_enable(self) -> None:
        """One whose process is gone, for now or for good, gets another at once."""
        guest = self.jackfield_guest
        gone = guest is not None and guest.session.diagnose().state != "running"
        if guest is not None and gone:
            await guest.stop(0)
            await self.on_load()
        await self._run("enable")
        if gone:
            self._tell_returned()

    async def on_disable(self) -> None:
        await self._run("disable")

    async def _run(self, step: str) -> None:
        if self.jackfield_guest is not None:
            await self.jackfield_guest.run(step)

    async def on_unload(self) -> None:
        if self.jackfield_guest is not None:
            await self.jackfield_guest.end()

    def hears(self, spec: HookSpec) -> bool:
        return self.jackfield_guest is None or (spec.name, spec.point) not in self.jackfield_guest.deaf

    async def health(self) -> Health:
        if self.jackfield_guest is None:
            return Health(ok=False, detail="it was not started")
        found = self.jackfield_guest.session.diagnose()
        if found.state != "running":
            return Health(ok=False, detail=f"its process is {found.state}: {found.exit}")
        return await self.jackfield_guest.health()

    def diagnose(self) -> Mapping[str, Any]:
        guest = self.jackfield_guest
        return {} if guest is None else msgspec.to_builtins(guest.session.diagnose())


class ChatGuest(GuestPlugin):
    """`ChatProvider`."""

    async def complete(self, request: ChatRequest, upstream: Upstream) -> ChatResponse:
        return read_chat_response(await _serve(self, "complete", request, upstream))

    async def stream(self, request: ChatRequest, upstream: Upstream) -> AsyncIterator[ChatEvent]:
        assert self.jackfield_guest is not None
        async with aclosing(self.jackfield_guest.stream("stream", _given(request, upstream), SERVED_S)) as items:
            async for item in items:
                yield read_event(_served(item))


class EmbeddingsGuest(GuestPlugin):
    """`EmbeddingsProvider`."""

    async def embed(self, request: EmbeddingsRequest, upstream: Upstream) -> EmbeddingsResponse:
        return read_embeddings_response(await _serve(self, "embed", request, upstream))


async def _serve(plugin: GuestPlugin, method: str, request: object, upstream: Upstream) -> bytes:
    assert plugin.jackfield_guest is not None
    return _served(await plugin.jackfield_guest.call(method, _given(request, upstream), SERVED_S))


def _given(request: object, upstream: Upstream) -> dict[str, Any]:
    caller = current_caller()
    return {
        "request": encode(request),
        "upstream": {"name": upstream.name, "base_url": upstream.base_url, "options": dict(upstream.options)},
        "caller": None if caller is None else msgspec.to_builtins(caller),
    }


def _served(told: Any) -> bytes:
    """Raises the `UpstreamError` that came in the place of an answer, and `ValueError` for what is neither."""
    if isinstance(told, bytes):
        return told
    if isinstance(told, dict):
        raise read_failure(told)
    raise ValueError(f"its answer is {type(told).__name__}, and neither an answer nor a failure")


_KINDS: Mapping[frozenset[str], tuple[type[GuestPlugin], ...]] = {
    frozenset(): (GuestPlugin,),
    frozenset({"chat"}): (ChatGuest,),
    frozenset({"embeddings"}): (EmbeddingsGuest,),
    frozenset({"chat", "embeddings"}): (ChatGuest, EmbeddingsGuest),
}
TAKEN = frozenset(dir(ChatGuest)) | frozenset(dir(EmbeddingsGuest)) | {"id", "config", "services", "log", "code"}


def make_kind(plugin: str, code: Code, config: type[BaseModel]) -> type[GuestPlugin]:
    """The class that the host starts; its hooks carry the author's marks, so that it finds them as anyone's."""
    named: dict[str, list[HookSpec]] = defaultdict(list)
    for spec in code.description.hooks:
        named[spec.name].append(_allow_the_way(spec))
    parents = _KINDS[frozenset(code.description.serves)]
    fields: dict[str, Any] = {name: _make_hook(name, tuple(specs)) for name, specs in named.items()}
    model = Plugin[config]  # type: ignore[valid-type]
    fields |= {"code": code, "__orig_bases__": (model,), "__module__": __name__}
    return type(f"Guest_{plugin}", parents, fields)


def _allow_the_way(spec: HookSpec) -> HookSpec:
    if spec.timeout_ms is None or spec.timeout_ms >= LEAST_TIMEOUT_MS:
        return spec
    return msgspec.structs.replace(spec, timeout_ms=LEAST_TIMEOUT_MS)


def _make_hook(name: str, specs: tuple[HookSpec, ...]) -> Callable[..., Awaitable[Outcome | None]]:
    # One method at several points: what each of them shows is sent.
    point = specs[0].point if len(specs) == 1 else None

    async def ask(self: GuestPlugin, exchange: Exchange, event: Any = None) -> Outcome | None:
        return await self.jackfield_hooks.ask(name, point, exchange, event)

    ask.__name__ = name
    setattr(ask, MARK, specs)
    return ask
