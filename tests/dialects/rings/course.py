"""Ring plugins on the real pipeline without a server: hooks bound as the host does, and a provider in process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ConfigDict

from jackfield.breaker import Breaker
from jackfield.clock import SystemClock
from jackfield.control.prices import PriceTable
from jackfield.dialects.rings.adapter import make_kind
from jackfield.dialects.rings.manifest import RingEntry
from jackfield.dialects.rings.names.plugin_sdk import PluginHook
from jackfield.dialects.rings.world import RingWorld
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook, HookTable
from jackfield.host import loader
from jackfield.host.routes import Routes, UpstreamLink
from jackfield.host.snapshot import Snapshot
from jackfield.ids import new_id
from jackfield.pipeline.exchange import State
from jackfield.pipeline.run import Pipeline
from jackfield.pipeline.settle import Settler
from jackfield.plugins.echo import Echo
from jackfield.sdk import ChatEvent, ChatRequest, ChatResponse, EmbeddingsRequest, Identity, Plugin, Upstream, hook
from jackfield.sdk.context import InboundRequest
from jackfield.sdk.plugin import PluginConfig
from jackfield.server.inference import ROUTES
from jackfield.settings import PluginConfig as OperatorConfig
from jackfield.transport.messages import Deadlines

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
CALLER = Identity(credential="cred_alice_0123456789", claims={"roles": ["analyst"], "tier": "gold"})


class AnyConfig(BaseModel):
    model_config = ConfigDict(extra="allow")


class Remembering(Echo):
    """Echo that remembers what it was asked. `reply` answers in the place of the last user text."""

    def __init__(self) -> None:
        super().__init__("echo", PluginConfig())
        self.asked: list[Any] = []
        self.reply: str | None = None

    async def complete(self, request: ChatRequest, upstream: Upstream) -> ChatResponse:
        self.asked.append((upstream.name, request))
        return await super().complete(request, self._told(upstream))

    async def stream(self, request: ChatRequest, upstream: Upstream) -> AsyncIterator[ChatEvent]:
        self.asked.append((upstream.name, request))
        async for event in super().stream(request, self._told(upstream)):
            yield event

    async def embed(self, request: EmbeddingsRequest, upstream: Upstream) -> Any:
        self.asked.append((upstream.name, request))
        return await super().embed(request, upstream)

    def _told(self, upstream: Upstream) -> Upstream:
        options = {} if self.reply is None else {"text": self.reply}
        return Upstream(name=upstream.name, options={**upstream.options, **options})


class Auth(Plugin):
    identity = CALLER

    @hook("auth")
    async def identify(self, exchange: Any) -> Identity:
        return self.identity


class Answered:
    """What the client got."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, state: State) -> None:
        self.status, self.headers, self.body, self.state = status, headers, body, state

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The text of a completion, whole or streamed, in either format."""
        if b"data:" not in self.body[:200]:
            return _text_of(self.json)
        lines = [line[5:].strip() for line in self.body.split(b"\n") if line.startswith(b"data:")]
        return "".join(_delta_of(json.loads(line)) for line in lines if line != b"[DONE]")

    @property
    def error(self) -> tuple[int, str, str]:
        told = self.json["error"]
        return self.status, told["code"], told["message"]


class Course:
    def __init__(self, world: RingWorld | None = None) -> None:
        self.provider = Remembering()
        self.links = [_link(name, self.provider) for name in ("alpha", "beta")]
        self.world = world or RingWorld(links=lambda: self.links)
        self.identity = CALLER
        self.plugins: dict[str, Plugin[Any]] = {}
        self.guards: dict[str, PluginGuard] = {}
        self.hooks: list[BoundHook] = []

    async def add(
        self, symbol: Any, ring: str = "pre_flight", *, edits: bool = False, config: Any = None, **fields: Any
    ) -> Plugin[Any]:
        """Puts a plugin into service. `fields` are those of its manifest entry; where they say nothing of a deadline it
        has so long that no stall of the machine makes it late."""
        fields.setdefault("timeout_ms", 5000)
        operator = fields.pop("operator", None)
        name = fields.pop("id", f"{symbol.__name__.lower()}_{len(self.plugins)}")
        entry = RingEntry(
            name=name, id=name, hook=PluginHook(ring), module="marketplace.made", symbol=symbol.__name__, **fields
        )
        kind = make_kind(entry, symbol, edits=edits, model=AnyConfig, world=self.world)
        plugin = kind(name, AnyConfig.model_validate(config or {}))
        await self.join(plugin, entry.priority, operator)
        return plugin

    async def join(self, plugin: Plugin[Any], priority: int = 100, operator: OperatorConfig | None = None) -> None:
        """Puts in a plugin that is ready to be loaded, such as a native one."""
        await plugin.on_load()
        guard = self.guards[plugin.id] = PluginGuard(plugin.id, SystemClock())
        self.plugins[plugin.id] = plugin
        self.hooks += loader.bind_hooks(plugin, guard, operator or OperatorConfig(), priority)

    async def chat(self, text: str = "hello", **fields: Any) -> Answered:
        headers = fields.pop("headers", {})
        body = {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}
        return await self.post(CHAT, body, headers)

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answered:
        state = self.state(path, body, headers)
        meter = SimpleNamespace(count=lambda record: None)
        settler = Settler(_Recorder(), PriceTable.load(), meter, "test", together=1)
        pipeline = Pipeline(SimpleNamespace(identify=lambda key: None), settler, 10.0)  # type: ignore[arg-type]
        answer = await pipeline.run(state)
        sent = answer.body
        if answer.pieces is not None:
            async for piece in answer.pieces:
                state.mark_first_byte()
                sent += piece
        state.mark_first_byte()
        await pipeline.settle(state)
        told = {name.decode(): value.decode() for name, value in answer.head.headers}
        return Answered(answer.head.status, told, sent, state)

    def state(self, path: str, body: Any, headers: dict[str, str] | None = None) -> State:
        given = {"authorization": "Bearer secret-0123456789", **(headers or {})}
        pairs = tuple((name.encode(), value.encode()) for name, value in given.items())
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        inbound = InboundRequest("POST", path, pairs, data, b"", "192.0.2.7")
        return State(new_id("req"), ROUTES[path], inbound, self._snapshot(), perf_counter_ns())

    def _snapshot(self) -> Snapshot:
        auth = Auth("auth", PluginConfig())
        auth.identity = self.identity
        guard = PluginGuard("auth", SystemClock())
        hooks = (*self.hooks, *loader.bind_hooks(auth, guard, OperatorConfig(), 100))
        return Snapshot(generation=1, plugins={}, table=HookTable(hooks), routes=Routes(self.links))

    @property
    def asked(self) -> Any:
        """The last request that reached an upstream."""
        return self.provider.asked[-1][1]


class _Recorder:
    def add(self, record: Any) -> None: ...

    def trace(self, encode: Any) -> None:
        encode()


def _link(name: str, provider: Remembering) -> UpstreamLink:
    return UpstreamLink(
        Upstream(name=name, base_url=f"http://{name}.example"),
        "echo",
        provider,
        models={"echo": "echo", "small": "small", f"only-{name}": "echo"},
        client=None,  # type: ignore[arg-type]
        deadlines=Deadlines(connect_s=1, first_byte_s=5, idle_s=5, whole_s=5),
        breaker=Breaker(SystemClock().monotonic),
        credential="upstream-secret-0123456789",
        max_retries=0,
        priority=0 if name == "alpha" else 1,
    )


def _text_of(body: Any) -> str:
    if "choices" in body:
        return str(body["choices"][0]["message"]["content"])
    return "".join(part.get("text", "") for part in body["content"])


def _delta_of(event: Any) -> str:
    if "choices" in event:
        return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    return str(event.get("delta", {}).get("text", ""))
