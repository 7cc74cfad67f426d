"""From a factory to a native plugin."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import new_class
from typing import Any, ClassVar

from pydantic import BaseModel
from typing_extensions import TypeVar

from jackfield.dialects.factory.application import PluginApplication, list_own, list_routers
from jackfield.dialects.factory.client import ClientPool, open_client
from jackfield.dialects.factory.health import read_health
from jackfield.dialects.factory.names.container import ServiceContainer
from jackfield.dialects.factory.names.context import PluginContext
from jackfield.dialects.factory.names.declarations import PluginManifest
from jackfield.dialects.factory.names.events import HookContext, HookEmitter, HookEvent, HookRegistry
from jackfield.dialects.factory.names.factories import AuthFactory, ProviderFactory, type_name_of
from jackfield.dialects.factory.names.log import get_plugin_logger
from jackfield.dialects.factory.names.mapping import ModelMapper
from jackfield.dialects.factory.names.registries import FormatRegistry, PluginRegistry
from jackfield.dialects.factory.names.requests import RequestTracer, StreamingHandler
from jackfield.dialects.factory.names.tasks import TaskScheduler
from jackfield.dialects.factory.observers import Observers
from jackfield.dialects.factory.preparing import prepare
from jackfield.dialects.factory.providing import AdapterProvider, find_spoken, is_http_adapter
from jackfield.dialects.factory.signing_in import AccountTokens, read_sign_in
from jackfield.dialects.factory.telling import Teller
from jackfield.dialects.factory.world import FactoryWorld, make_hook_failure
from jackfield.errors import ManifestError
from jackfield.sdk.context import Exchange
from jackfield.sdk.events import Event
from jackfield.sdk.hooks import MARK, HookSpec, PointName
from jackfield.sdk.outcomes import Replace
from jackfield.sdk.plugin import Health, Plugin, PluginConfig
from jackfield.sdk.routes import MiddlewareSpec, RouterSpec
from jackfield.wire.chat import ChatEvent

# Before, and after, whatever else looks at a request.
FIRST, LAST = -1_000, 1_000_000
PREPARE_MS = 10_000
DRAIN_S = 3.0
_E = HookEvent
_STREAM = frozenset({_E.PROVIDER_STREAM_START, _E.PROVIDER_STREAM_CHUNK, _E.PROVIDER_STREAM_END})
_FAILURES = frozenset({_E.PROVIDER_ERROR, _E.HTTP_ERROR})
_ENDS = frozenset({_E.REQUEST_COMPLETED, _E.REQUEST_FAILED, *_FAILURES, *_STREAM})
# Each hook with the events that it tells of: a plugin has those that it needs for what it subscribed to.
TELLS: Mapping[str, frozenset[HookEvent]] = {
    "note_start": frozenset({_E.REQUEST_STARTED, _E.HTTP_REQUEST}),
    "prepare": frozenset({_E.PROVIDER_REQUEST_PREPARED}),
    "note_sent": frozenset({_E.PROVIDER_REQUEST_SENT, _E.HTTP_REQUEST, *_FAILURES}),
    "note_head": frozenset({_E.PROVIDER_RESPONSE_RECEIVED, _E.HTTP_RESPONSE, *_STREAM}),
    "note_chunk": frozenset({_E.PROVIDER_STREAM_CHUNK, _E.PROVIDER_STREAM_END}),
    "note_end": _ENDS,
    "note_answer": frozenset({_E.HTTP_RESPONSE}),
}
_LIVES = {"plugin:loaded": _E.PLUGIN_LOADED, "plugin:unloaded": _E.PLUGIN_UNLOADED}
_SIGN_INS = {
    "oauth:token_request": _E.OAUTH_TOKEN_REQUEST,
    "oauth:token_response": _E.OAUTH_TOKEN_RESPONSE,
    "oauth:refresh_request": _E.OAUTH_REFRESH_REQUEST,
    "oauth:refresh_response": _E.OAUTH_REFRESH_RESPONSE,
    "oauth:error": _E.OAUTH_ERROR,
}

M = TypeVar("M", bound=BaseModel, default=PluginConfig)
F = TypeVar("F", bound=Callable[..., Any])


def _tells(point: PointName, priority: int, **more: Any) -> Callable[[F], F]:
    """Marks a method that goes on where something is wrong, and is called whatever became of others."""

    def mark(method: F) -> F:
        spec = HookSpec(
            point=point,
            name=method.__name__,
            on_failure="open",
            own_policy=True,
            forward=True,
            priority=priority,
            **more,
        )
        setattr(method, MARK, (spec,))
        return method

    return mark


class FactoryPlugin(Plugin[M]):
    """The host's side of one factory plugin."""

    factory: ClassVar[Any]
    declared: ClassVar[PluginManifest]
    world: ClassVar[FactoryWorld]
    factory_type: ClassVar[str] = "plugin"
    runtime: Any = None
    routers: tuple[RouterSpec, ...] = ()
    middleware: tuple[MiddlewareSpec, ...] = ()
    observers: Observers
    _client: Any = None
    _ready = False

    async def on_load(self) -> None:
        self._open()
        try:
            with self._container.entered():
                await self._initialize()
        except BaseException:
            await self._close()
            raise
        self._subscribe()
        self.world.join(self)
        self._announce(_E.APP_STARTUP, phase="startup")

    async def on_enable(self) -> None:
        self.observers.open()
        if not self._ready:
            self._ready = True
            self._announce(_E.APP_READY)

    async def on_disable(self) -> None:
        """One that is loaded and disabled hears of nothing."""
        await self.observers.settle(DRAIN_S)
        self.observers.rest()

    async def on_unload(self) -> None:
        self.observers.open()
        self._announce(_E.APP_SHUTDOWN, phase="shutdown")
        await self.observers.settle(DRAIN_S)
        try:
            with self._container.entered():
                await self.runtime.shutdown()
        finally:
            self.world.leave(self)
            await self._close()

    async def health(self) -> Health:
        missing = sorted(set(self.declared.provides) - self._registry.given)
        if missing:
            return Health(False, f"it declares that it provides {', '.join(map(repr, missing))}, and does not")
        with self._container.entered():
            if not await _is_valid(self.runtime):
                return Health(False, "its validate() says that it is not in order")
            return read_health(await _settle(self.runtime.health_check()))

    def diagnose(self) -> Mapping[str, Any]:
        return {"hooks": self.observers.report(), "type": self.factory_type}

    def hears(self, spec: HookSpec) -> bool:
        wanted = self.observers.registry.events()
        if spec.name == "note_end":
            return bool(wanted & _ENDS) and not wanted & TELLS["note_answer"]
        return spec.name not in TELLS or bool(wanted & TELLS[spec.name])

    @_tells("ingress", FIRST)
    async def note_start(self, exchange: Exchange) -> None:
        # What is asked of the gateway itself brings nothing, and has no end that is told; what else brings nothing has
        # begun when it ends.
        if exchange.inbound.body and not exchange.synthetic:
            self._teller.begin(exchange)

    @_tells("attempt", 100, timeout_ms=PREPARE_MS)
    async def prepare(self, exchange: Exchange) -> Replace | None:
        outgoing = exchange.outgoing
        if outgoing is None or exchange.synthetic:
            return None
        self._teller.catch_up(exchange)
        await self.observers.catch_up()
        changed = await prepare(exchange, outgoing, self.observers, self.world.now)
        return None if changed == outgoing else Replace(changed)

    @_tells("attempt", LAST)
    async def note_sent(self, exchange: Exchange) -> None:
        if not exchange.synthetic:
            self._teller.send(exchange)

    @_tells("response_head", LAST)
    async def note_head(self, exchange: Exchange) -> None:
        if not exchange.synthetic:
            self._teller.head(exchange)

    @_tells("response_chunk", LAST)
    async def note_chunk(self, exchange: Exchange, event: ChatEvent) -> None:
        if not exchange.synthetic:
            self._teller.chunk(exchange, event)

    @_tells("background", LAST)
    async def note_end(self, exchange: Exchange) -> None:
        self._teller.end(exchange)

    @_tells("background", LAST, sees_answer=True)
    async def note_answer(self, exchange: Exchange) -> None:
        self._teller.end(exchange)

    def _open(self) -> None:
        """Makes what the plugin is given."""
        hooks, world = HookRegistry(), self.world
        self.observers = Observers(self.id, hooks, world.counts, make_hook_failure(world), world.now)
        self._teller = Teller(self.observers, world.now)
        self._registry = PluginRegistry(self.id, self.services.shared, world.members)
        self._scheduler = TaskScheduler(self.services.scheduler)
        self._formats = FormatRegistry(self.declared.format_adapters)
        self._app = PluginApplication(self._registry.get_service)
        self._client = open_client(self.services.http)
        log = get_plugin_logger(self.id)
        self._container = self.observers.container = ServiceContainer(
            settings=world.settings(),
            http_client=self._client,
            http_pool_manager=ClientPool(self._client),
            logger=log,
            scheduler=self._scheduler,
            plugin_registry=self._registry,
            request_tracer=RequestTracer(log),
            streaming_handler=StreamingHandler(),
            config=self.config,
            app=self._app,
            hook_registry=hooks,
            hook_manager=HookEmitter(world.emit, world.now, self.id),
            oauth_registry=world.oauth,
            format_registry=self._formats,
        )
        for name in ("hook_registry", "hook_manager", "plugin_registry", "oauth_registry", "settings"):
            setattr(self._app.state, name, getattr(self._container, name))
        self._app.state.service_container = self._container
        self.observers.open()

    async def _initialize(self) -> None:
        for source, target in self._formats.lacks(self.declared.requires_format_adapters):
            raise ManifestError(f"requires an adapter of formats from {source!r} to {target!r}, which nobody has")
        await self._formats.make_all()
        context: PluginContext = await _settle(self.factory.create_context(self._container))
        self.runtime = await _settle(self.factory.create_runtime())
        await self._make_parts(context)
        await self.runtime.initialize(context)
        for spec in self.declared.hooks:
            self.observers.registry.register(spec.hook_class(**spec.kwargs))
        for task in self.declared.tasks:
            self._scheduler.task_registry.register(task.task_type, task.task_class)
            await self._scheduler.add_task(
                task.task_name, task.task_type, task.interval_seconds, task.enabled, **task.kwargs
            )
        self.routers = self._list_routers(context)
        self._offer_models(context)
        self.middleware = tuple(
            MiddlewareSpec(kind=spec.middleware_class, layer=int(spec.priority), options=spec.kwargs)
            for spec in self.declared.get_sorted_middleware()
        )

    def _offer_models(self, context: PluginContext) -> None:
        """One whose adapter speaks HTTP in a format that the gateway knows is a provider like any other."""
        adapter = context.get("adapter")
        routers = (*(spec.router for spec in self.declared.routes), context.get("router"), self._app.router)
        spoken = find_spoken(adapter, self.config, routers)
        if spoken is not None and is_http_adapter(adapter):
            mapper, entered = context.get("model_mapper"), self._container.entered
            vars(self).update(AdapterProvider(self.id, adapter, spoken, self.config, mapper, entered).face())

    async def _make_parts(self, context: PluginContext) -> None:
        """What its factory makes for the context, in the order in which one needs the other."""
        factory = self.factory
        if isinstance(factory, AuthFactory):
            context["token_manager"] = await _settle(factory.create_token_manager())
            context["storage"] = await _settle(factory.create_storage())
            context["auth_provider"] = await _settle(factory.create_auth_provider(context))
            sign_in = read_sign_in(context["auth_provider"], self.config)
            self.sign_ins = () if sign_in is None else (sign_in,)
        if isinstance(factory, ProviderFactory):
            context["model_mapper"] = ModelMapper(getattr(self.config, "model_mappings", None))
            context["detection_service"] = await _settle(factory.create_detection_service(context))
            given = await _settle(factory.create_credentials_manager(context))
            context["credentials_manager"] = self._account_tokens() if given is None else given
            context["adapter"] = await _settle(factory.create_adapter(context))

    def _account_tokens(self) -> AccountTokens | None:
        """Of the sign-in that its config or its factory names, if it names one."""
        name = getattr(self.config, "auth_manager", None) or getattr(self.factory, "auth_manager_name", None)
        return AccountTokens(self.services, str(name), self.world.sign_in_of) if name else None

    def _list_routers(self, context: PluginContext) -> tuple[RouterSpec, ...]:
        tag = self.id.replace("_", "-")
        specs = (*self.declared.routes, *self.declared.oauth_routes)
        listed = list_routers(self._app, specs, tag)
        own = context.get("router")
        return listed if own is None else (*listed, list_own(self._app, own, tag))

    def _subscribe(self) -> None:
        """To the lives of other plugins and to sign-ins, where it wants to hear of them."""
        wanted = self.observers.registry.events()
        for events, hear in ((_LIVES, self._hear_of_plugin), (_SIGN_INS, self._hear_of_sign_in)):
            for type_, event in events.items():
                if event in wanted:
                    self.services.events.on(type_, hear)

    async def _hear_of_plugin(self, event: Event) -> None:
        plugin = str(event.data.get("pluginId", ""))
        told = {"plugin": plugin, "plugin_name": plugin}
        self.observers.post(HookContext(_LIVES[event.type], self.world.now(), told, plugin=plugin))

    async def _hear_of_sign_in(self, event: Event) -> None:
        told = dict(event.data)
        provider = str(told.get("provider", ""))
        self.observers.post(HookContext(_SIGN_INS[event.type], self.world.now(), told, provider=provider))

    def _announce(self, event: HookEvent, **data: Any) -> None:
        self.observers.post(HookContext(event, self.world.now(), data, plugin=self.id))

    async def _close(self) -> None:
        await self.observers.close()
        await self._scheduler.aclose()
        if self._client is not None:
            await self._client.aclose()


def make_kind(factory: Any, declared: PluginManifest, model: type[BaseModel], world: FactoryWorld) -> type[Plugin[Any]]:
    """The class that the host starts."""
    parent = FactoryPlugin[model]  # type: ignore[valid-type]
    fields = {
        "factory": factory,
        "declared": declared,
        "world": world,
        "factory_type": type_name_of(factory),
        "version": declared.version,
        "description": declared.description,
    }
    return new_class(f"Factory_{declared.name}", (parent,), {}, lambda namespace: namespace.update(fields))


async def _is_valid(runtime: Any) -> bool:
    """One that has no `validate` is."""
    validate = getattr(runtime, "validate", None)
    return not callable(validate) or await _settle(validate()) is not False


async def _settle(answer: Any) -> Any:
    """Factories' functions may be async or not."""
    return await answer if inspect.isawaitable(answer) else answer
