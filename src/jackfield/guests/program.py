"""The plugin in its own process: what its host calls, answered by the plugin's code.

Each method is called with its parameters and the way to the host. A boundary: whatever the code raises, an exit or an
interrupt too, is the error of the call that it happened in.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from time import perf_counter_ns
from typing import Any, Protocol, cast

import msgspec

from jackfield.dialects.base import Blueprint
from jackfield.errors import ConfigError, UpstreamError
from jackfield.guests.exchanges import Form, GuestExchange, read_seen
from jackfield.guests.faults import UnknownExchange, own, write_failure
from jackfield.guests.outcomes import write_outcome
from jackfield.guests.paths import GuestPaths, open_paths
from jackfield.guests.protocol import Description, Enabled, Healthy, Load, Loaded, Serves, keeps_exchanges
from jackfield.guests.services import GuestServices, Line, Rpc, read_as
from jackfield.guests.values import encode, read_chat_request, read_embeddings_request, read_event
from jackfield.hooks.guard import PluginStats
from jackfield.host import loader
from jackfield.sdk.agents import agents_of
from jackfield.sdk.caller import Caller, act_for
from jackfield.sdk.context import Exchange, ExchangeState
from jackfield.sdk.events import Event, ToolRefusal
from jackfield.sdk.formats import formats_of
from jackfield.sdk.hooks import hooks_of
from jackfield.sdk.outcomes import Reject
from jackfield.sdk.plugin import Health, Plugin
from jackfield.sdk.providers import Upstream
from jackfield.sdk.routes import middleware_of
from jackfield.sdk.sign_in import sign_ins_of
from jackfield.sdk.tools import ToolContext, ToolFailed, ToolReply
from jackfield.settings import PluginConfig

MOST_EXCHANGES = 10_000


class Share(Protocol):
    def receive(self, exchange: GuestExchange, data: bytes) -> None: ...

    def send(self, exchange: GuestExchange) -> bytes: ...


class Program:
    """`read` runs the plugin's module; `form` is how exchanges are sent; `share` takes and gives what goes along with
    them where plugins of its dialect share something."""

    def __init__(self, read: Callable[[], Blueprint], form: Form, share: Share | None = None) -> None:
        self._read, self._form, self._share = read, form, share
        self._stats = PluginStats()
        self._plugin: Plugin[Any] | None = None
        self._services: GuestServices | None = None
        self._paths = GuestPaths()

    # Its life

    async def describe(self, params: Any, rpc: Rpc) -> dict[str, Any]:
        act_for(None)
        try:
            blueprint = self._blueprint = self._read()
            hooks = hooks_of(blueprint.kind)
        except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
            raise own(error) from None
        self._exchanges = Exchanges(self._form, keeps=keeps_exchanges(hooks))
        kind: Any = blueprint.kind
        serves = serves_of(kind)
        description = Description(
            manifest=blueprint.manifest.model_dump(mode="json"),
            config_schema=loader.schema_of(kind),
            ui_schema=blueprint.ui_schema,
            hooks=hooks,
            serves=serves,
            formats=dict(kind.formats) if "http" in serves else {},
            forwards=tuple(name.decode("latin-1") for name in kind.forwards) if "http" in serves else (),
            aliases=blueprint.aliases,
            agent=blueprint.agent,
        )
        told: dict[str, Any] = msgspec.to_builtins(description)
        return told

    async def load(self, params: Any, rpc: Rpc) -> dict[str, Any]:
        act_for(None)
        asked: Load = read_as(Load, params)
        line = Line(rpc, asked.id, frozenset(asked.granted))
        services = self._services = GuestServices(line, asked.mcp)
        settings = PluginConfig.model_validate(dict(asked.config))
        plugin = loader.configure(self._blueprint, settings, services.granted)
        plugin.counted = self._stats.report
        plugin.report = lambda ok, detail: line.tell("report", ok=bool(ok), detail=str(detail))
        self._plugin = plugin
        await _finish(loader.enlist(plugin))
        await _finish(plugin.on_load())
        refuse_inner(plugin)
        self._paths = open_paths(plugin, asked.granted)
        loaded = Loaded(
            config=plugin.config.model_dump(mode="json"),
            agents=agents_of(plugin),
            endpoints=self._paths.endpoints,
            sign_ins=sign_ins_of(plugin),
        )
        told: dict[str, Any] = msgspec.to_builtins(loaded)
        return told

    async def enable(self, params: Any, rpc: Rpc) -> dict[str, Any]:
        act_for(None)
        plugin = self._loaded
        await _finish(plugin.on_enable())
        told: dict[str, Any] = msgspec.to_builtins(Enabled(deaf=deaf_of(plugin)))
        return told

    async def health(self, params: Any, rpc: Rpc) -> dict[str, Any]:
        act_for(None)
        found = await _finish(self._loaded.health())
        if not isinstance(found, Health):
            raise TypeError(f"answered {type(found).__name__}, not Health")
        told: dict[str, Any] = msgspec.to_builtins(Healthy(ok=bool(found.ok), detail=str(found.detail)))
        return told

    async def disable(self, params: Any, rpc: Rpc) -> None:
        act_for(None)
        await _finish(self._loaded.on_disable())

    async def unload(self, params: Any, rpc: Rpc) -> None:
        act_for(None)
        await _finish(self._loaded.on_unload())

    @property
    def _loaded(self) -> Plugin[Any]:
        """Raises `LookupError`."""
        if self._plugin is None:
            raise LookupError("the plugin is not loaded")
        return self._plugin

    # Its hooks

    async def hook(self, params: Any, rpc: Rpc) -> Any:
        exchange = self._exchanges.find(params["exchange"])
        act_for(exchange.finder)
        if self._share is None:
            return await self._run_hook(exchange, params)
        self._share.receive(exchange, params["shared"])
        return await self._run_hook(exchange, params), self._share.send(exchange)

    async def _run_hook(self, exchange: GuestExchange, params: Any) -> bytes | None:
        given = (read_event(params["event"]),) if "event" in params else ()
        began = perf_counter_ns()
        try:
            call = getattr(self._loaded, params["name"])
            outcome = await call(Exchange(cast(ExchangeState, exchange)), *given)
            self._stats.blocks += type(outcome) is Reject
            return write_outcome(outcome)
        except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
            self._stats.errors += 1
            raise _told(error) from None
        finally:
            self._stats.add(perf_counter_ns() - began)

    def over(self, params: Any, rpc: Rpc) -> None:
        self._exchanges.forget(params["exchange"])

    # What it serves

    async def complete(self, params: Any, rpc: Rpc) -> Any:
        return await self._serve("complete", read_chat_request, params)

    async def embed(self, params: Any, rpc: Rpc) -> Any:
        return await self._serve("embed", read_embeddings_request, params)

    async def _serve(self, method: str, read: Any, params: Any) -> Any:
        act_for(_caller(params))
        try:
            call = getattr(self._loaded, method)
            return encode(await call(read(params["request"]), read_as(Upstream, params["upstream"])))
        except UpstreamError as error:
            return write_failure(error)
        except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
            raise _told(error) from None

    async def stream(self, params: Any, rpc: Rpc) -> AsyncIterator[Any]:
        act_for(_caller(params))
        try:
            provider: Any = self._loaded
            events = provider.stream(read_chat_request(params["request"]), read_as(Upstream, params["upstream"]))
            async for event in events:
                yield encode(event)
        except UpstreamError as error:
            yield write_failure(error)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
            raise _told(error) from None

    async def serve(self, params: Any, rpc: Rpc) -> AsyncIterator[Any]:
        act_for(_caller(params))
        parts = self._paths.serve(params)
        try:
            async with aclosing(parts):  # type: ignore[type-var]
                async for part in parts:
                    yield part
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
            raise _told(error) from None

    # What it has registered

    async def tool(self, params: Any, rpc: Rpc) -> dict[str, Any]:
        caller = _caller(params)
        act_for(caller)
        context = _context(params["context"], caller or Caller(), rpc)
        try:
            answer = await self._granted.tools.handler(params["name"])(dict(params["arguments"]), context)
            return _reply(answer)
        except ToolFailed as failed:
            return {"success": False, "error": str(failed)}
        except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
            raise _told(error) from None

    async def event(self, params: Any, rpc: Rpc) -> Any:
        """Every handler is told, also where one before it failed."""
        act_for(_caller(params))
        problem: BaseException | None = None
        event = Event(type=params["type"], data=params["data"], source=params["source"], at=params["at"])
        for handler in self._granted.events.handlers(event.type):
            try:
                answer: Any = handler(event)
                answer = await answer if inspect.isawaitable(answer) else answer
            except BaseException as error:  # noqa: BLE001 - a boundary: the first failure is told when all were called
                problem = problem or _told(error)
            else:
                if isinstance(answer, ToolRefusal):
                    return {"reason": str(answer.reason)}
        if problem is not None:
            raise problem
        return None

    async def task(self, params: Any, rpc: Rpc) -> None:
        act_for(None)
        await _finish(self._granted.scheduler.handler(params["name"])())

    def mounted(self, params: Any, rpc: Rpc) -> None:
        self._granted.mcp.learn(params["mounted"])

    @property
    def _granted(self) -> GuestServices:
        """Raises `LookupError`."""
        if self._services is None:
            raise LookupError("the plugin is not loaded")
        return self._services


class Exchanges:
    """What was sent of exchanges, where the plugin has a use for it in a later call. Should the host forget to tell
    that one is over, the oldest goes."""

    def __init__(self, form: Form, *, keeps: bool) -> None:
        self._form, self._keeps = form, keeps
        self._known: OrderedDict[str, GuestExchange] = OrderedDict()

    def find(self, sent: Any) -> GuestExchange:
        """Raises `UnknownExchange`."""
        id_, opening, seen = sent
        exchange = self._known.get(id_)
        if opening is not None:
            exchange = self._open(id_, opening, exchange)
        if exchange is None:
            raise UnknownExchange
        exchange.see(read_seen(seen))
        return exchange

    def _open(self, id_: str, opening: bytes, known: GuestExchange | None) -> GuestExchange:
        """What a plugin keeps of its own stays where the opening becomes another."""
        exchange = GuestExchange(self._form.read_opening(opening))
        if self._keeps:
            if known is not None:
                exchange.local = known.local
            self._known[id_] = exchange
            if len(self._known) > MOST_EXCHANGES:
                self._known.popitem(last=False)
        return exchange

    def forget(self, id_: str) -> None:
        self._known.pop(id_, None)

    def __len__(self) -> int:
        return len(self._known)


def serves_of(kind: type[Any]) -> tuple[Serves, ...]:
    """Which provider protocols a plugin class speaks."""
    needed: Mapping[Serves, tuple[str, ...]] = {
        "chat": ("complete", "stream"),
        "embeddings": ("embed",),
        "http": ("formats", "forwards", "target"),
    }
    return tuple(name for name, members in needed.items() if all(hasattr(kind, member) for member in members))


def deaf_of(plugin: Plugin[Any]) -> frozenset[tuple[str, str]]:
    """Those of its hooks that are not to be called, as it says itself."""
    try:
        return frozenset((spec.name, spec.point) for spec in hooks_of(type(plugin)) if not plugin.hears(spec))
    except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
        raise own(error) from None


def refuse_inner(plugin: Plugin[Any]) -> None:
    """Raises `ConfigError` for one that would stand around the gateway, or read its bodies: that is elsewhere."""
    try:
        offers = "middleware" if middleware_of(plugin) else "wire formats" if formats_of(plugin) else None
    except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
        raise own(error) from None
    if offers is not None:
        told = f"it offers {offers} of its own, which is there only in process"
        raise ConfigError(told, field=f"plugins.config.{plugin.id}.runtime", plugin=plugin.id)


async def _finish(step: Awaitable[Any]) -> Any:
    try:
        return await step
    except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
        raise _told(error) from None


def _told(error: BaseException) -> BaseException:
    """What its host is told; a cancellation that is the host's own passes."""
    task = asyncio.current_task()
    if isinstance(error, GeneratorExit) or (
        isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
    ):
        return error
    return own(error)


def _caller(params: Mapping[str, Any]) -> Caller | None:
    told = params.get("caller")
    return None if told is None else cast(Caller, read_as(Caller, told))


def _context(told: Mapping[str, Any], caller: Caller, rpc: Rpc) -> ToolContext:
    call = told["call"]

    def tell(fraction: float, message: str) -> None:
        rpc.tell("progress", {"call": call, "fraction": float(fraction), "message": str(message)})

    listener = tell if told.get("listened") else None
    return ToolContext(plugin=told["plugin"], tool=told["tool"], call=call, caller=caller, listener=listener)


def _reply(answer: Any) -> dict[str, Any]:
    """Raises `ValueError` for what no model could be told."""
    reply = answer if isinstance(answer, ToolReply) else ToolReply(success=True, result=answer)
    try:
        result = msgspec.json.decode(msgspec.json.encode(reply.result))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the result is no JSON: {error}") from error
    return {
        "success": bool(reply.success),
        "result": result,
        "error": None if reply.error is None else str(reply.error),
    }
