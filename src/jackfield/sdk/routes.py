"""A plugin's own HTTP paths and middleware.

`@route` marks a method as the handler of a path; a plugin may also list whole routers in `routers`, and ASGI middleware
in `middleware`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from jackfield.sdk.marks import marked_members

_PREFIX = re.compile(r"(/[A-Za-z0-9._~{}:@-]+)*")
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class RouterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`router` is FastAPI's `APIRouter`. Its paths stand below `/plugins/<id>` and `prefix`, where the id has `-` for
    `_`; with `at_root` below `prefix` alone, which must not be among the gateway's own; one that
    `gives_way` stands below the plugin's own path where it would be. A request needs a key, unless
    all of it is `public`, for which the plugin needs the permission `routes:public`."""

    router: Any
    prefix: str = ""
    tags: tuple[str, ...] = ()
    public: bool = False
    at_root: bool = False
    gives_way: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str) or not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"a prefix is empty, or begins with / and does not end with it: not {self.prefix!r:.100}")
        if not hasattr(self.router, "routes"):
            raise TypeError(f"router must be an APIRouter, not {type(self.router).__name__}")


class MiddlewareLayer(IntEnum):
    """Where a middleware stands: the lowest is the outermost. Numbers in between are taken too."""

    SECURITY = 100
    OBSERVABILITY = 200
    TRANSFORMATION = 300
    ROUTING = 400
    APPLICATION = 500


class MiddlewareSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` is made as `kind(app, **options)` around the whole gateway, once for each world of plugins; it is an ASGI
    application, or a subclass of Starlette's `BaseHTTPMiddleware`. Of two in one layer that of the plugin that starts
    first is the outer one."""

    kind: Callable[..., Any]
    layer: int = MiddlewareLayer.APPLICATION
    options: Mapping[str, Any] = MappingProxyType({})

    def __post_init__(self) -> None:
        if not callable(self.kind):
            raise TypeError(f"middleware: kind must be a class, not {type(self.kind).__name__}")
        if not isinstance(self.layer, int) or not 0 <= self.layer <= 1000:
            raise ValueError(f"middleware {self.kind!r:.100}: the layer must be 0 to 1000, not {self.layer!r}")


class MarkedRoute(msgspec.Struct, frozen=True):
    path: str
    methods: tuple[str, ...]
    public: bool
    options: Mapping[str, Any]


F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__jackfield_route__"


def route(path: str, *, methods: Collection[str] = ("GET",), public: bool = False, **options: Any) -> Callable[[F], F]:
    """Marks an `async def` method as the handler of `/plugins/<id><path>`: parameters and what it returns are as
    FastAPI has them, `options` those of `APIRouter.add_api_route`."""
    if not path.startswith("/"):
        raise TypeError(f"@route: a path begins with /, not {path!r:.100}")
    unknown = set(methods) - METHODS
    if unknown or not methods:
        raise TypeError(f"@route {path}: methods are {', '.join(sorted(METHODS))}, not {', '.join(sorted(unknown))}")

    def mark(method: F) -> F:
        if not inspect.iscoroutinefunction(method):
            raise TypeError(f"@route {path}: {method.__qualname__} must be `async def`")
        setattr(method, _MARK, MarkedRoute(path, tuple(methods), public, options))
        return method

    return mark


def routers_of(plugin: object) -> tuple[RouterSpec, ...]:
    """Those that an instance lists, and its marked methods as routers. Raises `TypeError` for what is none."""
    listed = tuple(getattr(plugin, "routers", ()))
    for spec in listed:
        if not isinstance(spec, RouterSpec):
            raise TypeError(f"routers: {type(spec).__name__} is no RouterSpec")
    marked = marked_members(type(plugin), _MARK)
    found = [(getattr(method, _MARK), getattr(plugin, name)) for name, method in marked]
    made = [_router_of([pair for pair in found if pair[0].public is public], public) for public in (False, True)]
    return (*listed, *(spec for spec in made if spec is not None))


def _router_of(marked: list[tuple[MarkedRoute, Callable[..., Any]]], public: bool) -> RouterSpec | None:
    if not marked:
        return None
    # Imported here: only a plugin with paths of its own needs it.
    from fastapi import APIRouter

    router = APIRouter()
    for one, method in marked:
        router.add_api_route(one.path, method, methods=list(one.methods), **one.options)
    return RouterSpec(router=router, public=public)


def middleware_of(plugin: object) -> tuple[MiddlewareSpec, ...]:
    """Those that an instance lists. Raises `TypeError` for what is none."""
    listed = tuple(getattr(plugin, "middleware", ()))
    for spec in listed:
        if not isinstance(spec, MiddlewareSpec):
            raise TypeError(f"middleware: {type(spec).__name__} is no MiddlewareSpec")
    return listed
