"""From a ring plugin, a class with `execute(ctx)` or an async function, to a native one."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import FunctionType, new_class
from typing import Any, ClassVar

from pydantic import BaseModel
from typing_extensions import TypeVar

from jackfield.dialects.rings.context import RingRequest
from jackfield.dialects.rings.keeping import CACHE_KEY, keep_answer, mentions, note_answer, note_lookup
from jackfield.dialects.rings.manifest import RingEntry
from jackfield.dialects.rings.names.plugin_sdk import PluginHook, PluginResponse
from jackfield.dialects.rings.outcomes import conclude, note_result
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import Malformed, ManifestError
from jackfield.sdk.context import Exchange
from jackfield.sdk.hooks import MARK, HookSpec, PointName, Policy
from jackfield.sdk.outcomes import Outcome, Reject
from jackfield.sdk.plugin import Health, Plugin, PluginConfig
from jackfield.wire.base import OPERATIONS, Operation

DEFAULT_TIMEOUT_MS = 50
STRIP_MS = 5_000
# Before whatever else may look at the request.
FIRST = -1_000
# Where the last goes first, as after an answer.
LAST = 1_000_000
ANSWERED: tuple[Operation, ...] = ("chat", "embeddings")

POINTS: dict[PluginHook, PointName] = {
    PluginHook.INGRESS: "ingress",
    PluginHook.PRE_FLIGHT: "pre_flight",
    PluginHook.ROUTING: "routing",
    PluginHook.POST_FLIGHT: "response_body",
    PluginHook.BACKGROUND: "background",
}
POLICIES: dict[PluginHook, Policy] = {
    PluginHook.INGRESS: "closed",
    PluginHook.PRE_FLIGHT: "open",
    PluginHook.ROUTING: "closed",
    PluginHook.POST_FLIGHT: "open",
    PluginHook.BACKGROUND: "open",
}

# Closed: what it takes out must not go upstream because it could not be taken out.
STRIPPING = HookSpec(
    point="pre_flight", name="strip", on_failure="closed", priority=FIRST, timeout_ms=STRIP_MS, inner=True
)
# What a lookup in the response cache needs beside itself: the answer before all who may change it, which is kept before
# all other work of the background, since the next request may be on its way.
KEEPING = (
    HookSpec(
        point="response_body",
        name="note",
        on_failure="open",
        priority=LAST,
        inner=True,
        sees_errors=False,
        operations=("chat",),
    ),
    HookSpec(
        point="background",
        name="keep",
        on_failure="open",
        forward=True,
        priority=FIRST,
        inner=True,
        sees_answer=True,
        operations=("chat",),
    ),
)

M = TypeVar("M", bound=BaseModel, default=PluginConfig)
Execute = Callable[[Any], Awaitable[Any]]


class RingPlugin(Plugin[M]):
    """The host's side of one ring plugin. `symbol` is what its module defines; a class is instantiated for each
    generation."""

    symbol: ClassVar[Any]
    ring: ClassVar[PluginHook]
    looks_up: ClassVar[bool] = False
    world: ClassVar[RingWorld]
    inner: Any = None
    _execute: Execute

    async def on_load(self) -> None:
        if not inspect.isclass(self.symbol):
            self._execute = self.symbol
            return
        made: Any = self.symbol
        self.inner = made(config=self.config.model_dump(by_alias=True))
        self.inner._counted = self.tell_stats
        self._execute = self.inner.execute
        await _call(self.inner, "on_load")

    async def on_unload(self) -> None:
        if self.inner is not None:
            await _call(self.inner, "on_unload")

    async def health(self) -> Health:
        return read_health(await _call(self.inner, "health"))

    def tell_stats(self) -> dict[str, Any]:
        """What the host has counted, in the words of ring plugins."""
        counted = self.counted()
        percentiles = {name: counted.get(f"{name}_ms", 0.0) for name in ("p50", "p95", "p99")}
        return {
            "invocations": counted.get("calls", 0),
            **{name: counted.get(name, 0) for name in ("errors", "blocks", "timeouts")},
            "avg_latency_ms": counted.get("mean_ms", 0.0),
            "latency_percentiles": percentiles,
        }

    async def run(self, exchange: Exchange) -> Outcome | None:
        """One call of the plugin. Whatever ends it badly, a deadline included, undoes what it did to the context."""
        shared = exchange.local(RingRequest)
        try:
            saved = shared.enter(exchange, self.world, self.ring)
        except Malformed as error:
            return _refuse(exchange, error)
        try:
            result = await self._execute(shared.context)
            if isinstance(result, PluginResponse):
                note_result(shared.context, result)
            elif result is not None and self.inner is not None:
                raise TypeError(f"execute returned {type(result).__name__}, not a PluginResponse")
            outcome = conclude(shared, saved, exchange, self.ring)
            if self.looks_up:
                note_lookup(shared)
            return outcome
        except BaseException:
            shared.undo(saved)
            raise

    async def strip(self, exchange: Exchange) -> Outcome | None:
        """Takes what is meant for plugins alone out of a request that no other ring plugin may see."""
        body = exchange.inbound.body
        if b'"_' not in body and b'"headers"' not in body:
            return None
        shared = exchange.local(RingRequest)
        try:
            saved = shared.enter(exchange, self.world, PluginHook.PRE_FLIGHT)
        except Malformed as error:
            return _refuse(exchange, error)
        return conclude(shared, saved, exchange, PluginHook.PRE_FLIGHT)

    async def note(self, exchange: Exchange) -> None:
        note_answer(exchange, exchange.local(RingRequest))

    async def keep(self, exchange: Exchange) -> None:
        keep_answer(exchange, exchange.local(RingRequest), self.world)


def make_kind(
    entry: RingEntry, symbol: object, *, edits: bool, model: type[BaseModel], world: RingWorld
) -> type[Plugin[Any]]:
    """The class that the host starts for an entry. Raises `ManifestError` where `symbol` cannot be a ring plugin."""
    _check(entry, symbol)
    ring = PluginHook(entry.hook)
    hooks = {spec.name: _marked(getattr(RingPlugin, spec.name), spec) for spec in _specs(entry, symbol, ring, edits)}
    parent = RingPlugin[model]  # type: ignore[valid-type]
    held: Any = symbol
    fields = {
        "symbol": held if inspect.isclass(held) else staticmethod(held),
        "ring": ring,
        "world": world,
        "looks_up": _looks_up(symbol, ring),
        "version": entry.version,
        "description": entry.description,
        **hooks,
    }
    return new_class(f"Ring_{entry.id}", (parent,), {}, lambda namespace: namespace.update(fields))


def _specs(entry: RingEntry, symbol: object, ring: PluginHook, edits: bool) -> list[HookSpec]:
    """The plugin's own hook, and beside it what its ring needs: a request cleaned before it is answered, an answer
    kept for the next one."""
    timeout_ms = entry.timeout_ms or getattr(symbol, "timeout_ms", None) or DEFAULT_TIMEOUT_MS
    specs = [
        HookSpec(
            point=POINTS[ring],
            name="run",
            on_failure=entry.fail_policy or POLICIES[ring],
            own_policy=True,
            forward=True,
            priority=entry.priority,
            timeout_ms=int(timeout_ms),
            edits=edits and ring is PluginHook.POST_FLIGHT,
            sees_errors=ring is not PluginHook.POST_FLIGHT,
            sees_answer=ring is PluginHook.BACKGROUND,
            operations=ANSWERED if ring is PluginHook.POST_FLIGHT else OPERATIONS,
        )
    ]
    if ring is PluginHook.POST_FLIGHT:
        specs.append(STRIPPING)
    if _looks_up(symbol, ring):
        specs += KEEPING
    return specs


def _looks_up(symbol: object, ring: PluginHook) -> bool:
    return ring is PluginHook.PRE_FLIGHT and mentions(symbol, CACHE_KEY)


def _marked(function: FunctionType, spec: HookSpec) -> FunctionType:
    """A function of its own for each kind: the mark is the kind's and not the parent's."""

    own = FunctionType(function.__code__, function.__globals__, spec.name)
    setattr(own, MARK, (spec,))
    return own


def _check(entry: RingEntry, symbol: object) -> None:
    named = f"{entry.module}:{entry.symbol}"
    execute = getattr(symbol, "execute", None) if inspect.isclass(symbol) else symbol
    if not callable(execute):
        raise ManifestError(f"{named} is neither a class with `execute` nor a function", field="entrypoint")
    if not inspect.iscoroutinefunction(execute):
        raise ManifestError(f"{named} must be `async def`", field="entrypoint")


def _refuse(exchange: Exchange, error: Malformed) -> Reject:
    """The refusal of a body that can be taken for a request but not shown to a plugin: no fault of the plugin's, and no
    way past it. Raises the error where the request is none at all."""
    _ = exchange.request
    return Reject(error.status, error.code, error.message)


async def _call(inner: Any, name: str) -> Any:
    """A step of the plugin's life, if it has it; it may be a plain function."""
    step = getattr(inner, name, None)
    result = step() if callable(step) else None
    return await result if inspect.isawaitable(result) else result


def read_health(answer: Any) -> Health:
    """In whichever form plugins of other hosts say it. `None` is nothing to complain of."""
    if answer is None or isinstance(answer, Health):
        return answer or Health()
    if isinstance(answer, dict):
        stated = answer.get("ok", answer.get("healthy", answer.get("status", True)))
        detail = answer.get("detail") or answer.get("message") or answer.get("error") or ""
        return Health(_is_well(stated), str(detail))
    return Health(_is_well(answer))


def _is_well(stated: Any) -> bool:
    if isinstance(stated, str):
        return stated.lower() in ("ok", "healthy", "up", "active", "ready", "running", "pass")
    return bool(stated)
