"""What a host and a guest say to one another over a session: the calls of a plugin whose code runs elsewhere.

The same calls go over every runtime. Where a runtime has messages of its own (`jackfield.plugin.v1` of gRPC) these are
their meaning.

The host calls:

    describe   None                          -> Description    before all others; runs the module, starts nothing
    load       Load                          -> Loaded         validates the config, enlists, runs `on_load`
    enable     None                          -> Enabled or None
    health     None                          -> Healthy
    disable    None                          -> None
    unload     None                          -> None
    hook       HookCall                      -> an outcome, or None
    complete   ProviderCall                  -> ChatResponse
    stream     ProviderCall                  -> ChatEvent…     a stream
    embed      ProviderCall                  -> EmbeddingsResponse
    tool       ToolCall                      -> ToolReply
    event      Event                         -> ToolRefusal or None
    task       {"name"}                      -> None
    serve      EndpointCall                  -> EndpointReply…  a stream

and tells:

    over       {"exchange"}                  nothing more comes of this exchange: what is kept for it can go

The guest calls the services it was granted by `<service>.<method>`, with the method's parameters by name
(`kv.get {"key", "namespace", "user"}`, `http.request`, `memory.search`, `users.get`, `scheduler.schedule`,
`tools.execute`, `mcp.mount`…), and tells:

    log              {"level", "text", "fields"}
    report           {"ok", "detail"}
    tools.register   a ToolSpec              the host calls `tool` for it
    tools.unregister {"name"}
    events.on        {"type"}                the host calls `event` for it
    events.off       {"type"}
    events.emit      {"type", "data"}
    progress         {"call", "fraction", "message"}

What an answer raises comes back as an error with the code of its class: `not_granted`, `quota_exceeded`,
`rate_limit_exceeded`, `invalid_config`, `invalid_value` for `ValueError`; each side raises the class again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from jackfield.sdk.agents import AgentSpec
from jackfield.sdk.hooks import HookSpec
from jackfield.sdk.sign_in import SignIn
from jackfield.wire.base import Operation

PROTOCOL_VERSION = 1
Serves = Literal["chat", "embeddings", "http"]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a guest offers, as far as its code tells before it is configured. `manifest` is a `Manifest` as JSON,
    `config_schema` the JSON Schema of its config, `ui_schema` the form where the dialect has one of its own. `serves`
    says which provider protocols it speaks; for `http`, `formats` and `forwards` are those of `HttpProvider`. `offers`
    tells, by kind, what else it would do that the host has no call for."""

    manifest: Mapping[str, Any]
    protocol: int = PROTOCOL_VERSION
    config_schema: Mapping[str, Any] = {}
    ui_schema: Any = None
    hooks: tuple[HookSpec, ...] = ()
    serves: tuple[Serves, ...] = ()
    formats: Mapping[Operation, str] = {}
    forwards: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    agent: str = "Jackfield-Plugin"
    offers: Mapping[str, Any] = {}


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """`granted` are the approved permissions: what is not among them the guest does not offer its code, and the host
    refuses whatever the guest says. `mcp` are the servers that may be mounted."""

    id: str
    config: Mapping[str, Any]
    granted: tuple[str, ...] = ()
    development: bool = False
    mcp: tuple[str, ...] = ()


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A path that it answers requests at: below the plugin's own, or with `at_root` the whole of it."""

    path: str
    methods: tuple[str, ...] = ("GET",)
    public: bool = False
    description: str = ""
    at_root: bool = False


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """`config` is what its model made of it, defaults included; what follows is known only now."""

    config: Mapping[str, Any]
    agents: tuple[AgentSpec, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    sign_ins: tuple[SignIn, ...] = ()


class Enabled(msgspec.Struct, frozen=True, kw_only=True):
    """`deaf` are hooks, by name and point, that are not to be called under this config."""

    deaf: frozenset[tuple[str, str]] = frozenset()


class Healthy(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool = True
    detail: str = ""


class HookCall(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the method's. `exchange` is in the form of `guests.exchanges`; `event` only at `response_chunk`."""

    name: str
    exchange: Any
    event: Any = None


class ProviderCall(msgspec.Struct, frozen=True, kw_only=True):
    """`request` is a `ChatRequest` or an `EmbeddingsRequest`, `upstream` an `Upstream`."""

    request: Any
    upstream: Any


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """`context` is a `ToolContext` without its listener: progress goes by `progress` with its `call`."""

    name: str
    arguments: Mapping[str, Any]
    context: Mapping[str, Any]


class EndpointCall(msgspec.Struct, frozen=True, kw_only=True):
    """`endpoint` is the path that its `Endpoint` has; `path` is whole, and `base` what of it stands before that.
    Headers are without credentials; each of their bytes is a character."""

    endpoint: str
    method: str
    path: str
    base: str
    query: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes
    caller: Mapping[str, Any] | None
    parameters: Mapping[str, str]


class EndpointReply(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer: the first has status and headers, and each may have a part of the body."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def keeps_exchanges(hooks: Iterable[HookSpec]) -> bool:
    """Whether a guest keeps what it was sent of an exchange for the next call: where that is of use to it. `over` then
    tells it that there is none. Both sides go by this."""
    points = [hook.point for hook in hooks]
    return len(points) > 1 or "response_chunk" in points
