"""Trying a plugin's hooks on an exchange that nobody asked for, before they see one that somebody did."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from types import MappingProxyType

import msgspec

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.hooks.dispatch import ask
from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.table import BoundHook, HookTable
from jackfield.host.builder import Trouble
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot
from jackfield.ids import new_id
from jackfield.pipeline.exchange import Route, State
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.context import Candidate, Head, InboundRequest
from jackfield.sdk.hooks import POINTS
from jackfield.sdk.outcomes import Identity
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire import format_named
from jackfield.wire.base import Operation
from jackfield.wire.chat import (
    ChatResponse,
    Choice,
    EmbeddingsResponse,
    Message,
    Response,
    Text,
    TextDelta,
    TokenCount,
    Usage,
)

# It is an observer's: what it does with an exchange that never was would be on record.
NOT_TRIED = frozenset({"background"})
# The first call of a hook may import and prepare; that it is slow is no sign of being broken.
LEAST_DEADLINE_S = 2.0

# The hooks are called one by one here: no row of a table is needed to find them.
NO_HOOKS = HookTable(())

TEXT = "What is the capital of France?"
CHAT = b'{"model":"probe","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"%s"}]}' % (
    TEXT.encode()
)
EMBEDDINGS = b'{"model":"probe","input":"%s"}' % TEXT.encode()
NOBODY = Caller(user="probe", app="probe", credential="probe")
_USAGE = Usage(input=20, output=5)
_ROUTES: Mapping[Operation, tuple[Route, bytes]] = MappingProxyType(
    {
        "chat": (Route("POST /v1/chat/completions", format_named("openai_chat")), CHAT),
        "embeddings": (Route("POST /v1/embeddings", format_named("openai_embeddings")), EMBEDDINGS),
        "count_tokens": (
            Route("POST /v1/messages/count_tokens", format_named("anthropic_count_tokens")),
            CHAT.replace(b'{"role":"system","content":"Be brief."},', b""),
        ),
    }
)


class Prober:
    """Calls each hook of a plugin once, as the dispatcher would, with statistics of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, plugin: LoadedPlugin) -> list[Trouble]:
        guard = PluginGuard(plugin.id, self._clock)
        hooks = [_rehearsing(hook, guard) for hook in plugin.hooks if hook.point.name not in NOT_TRIED]
        snapshot = Snapshot(generation=0, plugins={}, table=NO_HOOKS, routes=Routes(()))
        states: dict[Operation, State] = {}
        troubles: list[Trouble] = []
        for point in POINTS:
            for hook in (hook for hook in hooks if hook.point.name == point):
                operation = hook.spec.operations[0]
                if operation not in states:
                    states[operation] = _state(operation, snapshot)
                troubles += await _try(hook, states[operation])
        return troubles


async def _try(hook: BoundHook, state: State) -> list[Trouble]:
    _advance(state, hook)
    errors = hook.guard.stats.errors
    try:
        with acting_for(NOBODY):
            await ask(hook, state.view, state.trace, _event() if hook.point.name == "response_chunk" else None)
    except JackfieldError as error:
        told = hook.guard.stats.last_error if hook.guard.stats.errors > errors else error.message
        return [Trouble(hook.name, str(told), hook.closed)]
    if hook.guard.stats.errors > errors:
        return [Trouble(hook.name, str(hook.guard.stats.last_error), hook.closed)]
    return []


def _rehearsing(hook: BoundHook, guard: PluginGuard) -> BoundHook:
    return BoundHook(
        hook.plugin,
        hook.spec,
        hook.call,
        guard,
        priority=hook.priority,
        timeout_ms=int(max(hook.deadline_s, LEAST_DEADLINE_S) * 1000),
        closed=hook.closed,
    )


def _state(operation: Operation, snapshot: Snapshot) -> State:
    route, body = _ROUTES[operation]
    headers = ((b"content-type", b"application/json"), (b"user-agent", b"jackfield-probe"))
    inbound = InboundRequest("POST", route.name.partition(" ")[2], headers, body, b"", "127.0.0.1")
    state = State(new_id("req"), route, inbound, snapshot, perf_counter_ns())
    state.synthetic = True
    return state


def _advance(state: State, hook: BoundHook) -> None:
    """Brings the exchange to where the hook would see it."""
    order = tuple(POINTS)
    at = order.index(hook.point.name)
    if at > order.index("auth"):
        state.identity = Identity(credential="probe", app="probe", user="probe")
    if at >= order.index("routing"):
        state.candidates = (Candidate(upstream="probe", model="probe", provider="probe"),)
    if hook.point.name == "attempt":
        state.outgoing = OutgoingRequest("POST", "http://probe.invalid/v1", state.inbound.headers, state.body)
    if at >= order.index("response_head"):
        state.head = Head(200, ((b"content-type", b"application/json"),))
        state.served_by = state.candidates[0]
        state.usage = _USAGE
    if hook.point.name == "response_body":
        state.response = _response(state.operation)


def _response(operation: Operation) -> Response:
    if operation == "embeddings":
        return EmbeddingsResponse(model="probe", data=(msgspec.Raw(b"[0.1,0.2]"),), usage=_USAGE)
    if operation == "count_tokens":
        return TokenCount(input=_USAGE.input)
    message = Message(role="assistant", parts=(Text(text="Paris."),))
    return ChatResponse(
        id="probe", model="probe", choices=(Choice(message=message, finish_reason="stop"),), usage=_USAGE, created=0
    )


def _event() -> TextDelta:
    return TextDelta(text="Paris.")
