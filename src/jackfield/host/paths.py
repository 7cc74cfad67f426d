"""The HTTP paths that one plugin offers, ready to be asked."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import structlog

from jackfield.errors import ConfigError, Conflict
from jackfield.host.formats import AddedFormat, collect_formats, refuse_same
from jackfield.sdk.plugin import Plugin
from jackfield.sdk.routes import MiddlewareSpec, RouterSpec, middleware_of, routers_of
from jackfield.sdk.sign_in import sign_ins_of

PUBLIC = "routes:public"
BELOW = "/plugins/"
# The gateway's own: nothing of a plugin's stands there.
RESERVED = ("/v1", "/api", "/mcp", "/health", "/ready", "/metrics", "/plugins/status")
_PARAMETER = re.compile(r"\{[^}]*\}")

log = structlog.get_logger("jackfield.host")


class Mounted(NamedTuple):
    """One router of a plugin, whose `app` knows its paths whole. `serve` is the same as an ASGI application; what a
    handler raises comes out of it."""

    app: Any
    serve: Callable[[Any, Any, Any], Awaitable[None]]
    public: bool

    def match(self, scope: Mapping[str, Any]) -> int:
        """0 where there is no such path, 1 where there is with another method, 2 where it is."""
        return max((route.matches(scope)[0].value for route in self.app.router.routes), default=0)


class Paths:
    """`offered` are method and path of each, with its parameters unnamed; `formats` have their own below `/v1`."""

    __slots__ = ("formats", "mounts", "offered", "plugin")

    def __init__(
        self,
        plugin: str,
        mounts: tuple[Mounted, ...],
        offered: frozenset[tuple[str, str]],
        formats: tuple[AddedFormat, ...] = (),
    ) -> None:
        self.plugin, self.mounts, self.offered, self.formats = plugin, mounts, offered, formats

    def __iter__(self) -> Iterator[Mounted]:
        return iter(self.mounts)


NO_PATHS = Paths("", (), frozenset())


def slug_of(plugin_id: str) -> str:
    return plugin_id.replace("_", "-")


def collect_paths(plugin: Plugin[Any], plugin_id: str, approved: Iterable[str]) -> Paths:
    """Takes its time: not for the event loop. Raises `ConfigError` for a path that is the gateway's own, or that is
    open without leave, `TypeError` and `ValueError` for what is no router, and what FastAPI raises."""
    approved = tuple(approved)
    formats, specs = collect_formats(plugin, plugin_id, approved), routers_of(plugin)
    if not specs:
        return Paths(plugin_id, (), frozenset(), formats)
    if any(spec.public for spec in specs) and PUBLIC not in approved:
        raise ConfigError(f"offers paths without a key, for which it lacks the permission {PUBLIC!r}", plugin=plugin_id)
    mounts = tuple(_mount(spec, plugin_id) for spec in specs)
    offered = frozenset(pair for mounted in mounts for pair in _pairs(mounted.app))
    for method, path in sorted(offered):
        if _is_reserved(path):
            raise ConfigError(f"{method} {path} is among the gateway's own paths", plugin=plugin_id)
    return Paths(plugin_id, mounts, offered, formats)


def _mount(spec: RouterSpec, plugin_id: str) -> Mounted:
    # Imported here: a gateway without such plugins does not need it.
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None)
    prefix = spec.prefix if _stands_at_root(spec, plugin_id) else f"{BELOW}{slug_of(plugin_id)}{spec.prefix}"
    app.include_router(spec.router, prefix=prefix, tags=list(spec.tags) or [slug_of(plugin_id)])
    # Without the outermost layer, which would answer for a handler that raises.
    served = app.build_middleware_stack().app  # type: ignore[attr-defined]

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = app
        await served(scope, receive, send)

    return Mounted(app, serve, spec.public)


def _stands_at_root(spec: RouterSpec, plugin_id: str) -> bool:
    if not spec.at_root or not spec.gives_way:
        return spec.at_root
    taken = sorted({path for path in _paths(spec) if _is_reserved(path)})
    if taken:
        log.warning("plugin_paths_moved", plugin=plugin_id, taken=taken, to=f"{BELOW}{slug_of(plugin_id)}")
    return not taken


def _paths(spec: RouterSpec) -> Iterator[str]:
    from fastapi.routing import iter_route_contexts

    return (spec.prefix + (route.path or "") for route in iter_route_contexts(spec.router.routes))


def _is_reserved(path: str) -> bool:
    return any(path == own or path.startswith(f"{own}/") for own in RESERVED)


def _pairs(app: Any) -> Iterator[tuple[str, str]]:
    from fastapi.routing import iter_route_contexts

    for route in iter_route_contexts(app.router.routes):
        path = _PARAMETER.sub("{}", route.path or "")
        for method in route.methods or ("GET",):
            yield method, path


def refuse_clash(paths: Paths, others: Iterable[Paths]) -> None:
    """Raises `Conflict` where one of the paths, or a wire format, is another plugin's already."""
    others = tuple(others)
    refuse_same(paths.formats, (format_ for other in others for format_ in other.formats))
    for other in others:
        for method, path in sorted(paths.offered & other.offered):
            raise Conflict(f"{method} {path} is offered by the plugin {other.plugin!r}", plugin=paths.plugin)


def collect_middleware(plugin: Plugin[Any]) -> tuple[MiddlewareSpec, ...]:
    """Each can be made: one is, around nothing, and thrown away. Raises what its making raises."""
    # The paths of its sign-ins are the gateway's, and no less read here.
    sign_ins_of(plugin)
    specs = middleware_of(plugin)
    for spec in specs:
        spec.kind(_nothing, **spec.options)
    return specs


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    return
