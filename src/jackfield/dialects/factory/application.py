"""`context.app`: a FastAPI application of the plugin's own. What is put in it stands among the gateway's paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.datastructures import State
from starlette.requests import HTTPConnection

from jackfield.dialects.factory.names.declarations import RouteSpec
from jackfield.sdk.routes import RouterSpec


class ServiceState(State):
    """`app.state`: what was put in it, else the service of that name."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        super().__init__()
        object.__setattr__(self, "_find", find)

    def __getattr__(self, name: str) -> Any:
        if name in self._state:
            return self._state[name]
        found = None if name.startswith("_") else object.__getattribute__(self, "_find")(name)
        if found is None:
            raise AttributeError(f"app.state has no {name!r}, and no plugin gives a service of that name")
        return found


class PluginApplication(FastAPI):
    """Its paths are taken over after the plugin was initialised; what is added later is not. Middleware belongs in the
    manifest."""

    def __init__(self, find: Callable[[str], Any] = lambda name: None) -> None:
        super().__init__(openapi_url=None, docs_url=None, redoc_url=None)
        self.state = ServiceState(find)

    def add_middleware(self, *args: Any, **kwargs: Any) -> None:
        """Raises `RuntimeError`."""
        raise RuntimeError("declare middleware in the manifest: PluginManifest(middleware=[MiddlewareSpec(...)])")


def list_routers(app: PluginApplication, specs: Iterable[RouteSpec], default_tag: str) -> tuple[RouterSpec, ...]:
    """`specs`, and what the plugin put into `app`. In all of them `request.app` is `app`."""
    listed = [
        _router(app, spec.router, spec.prefix.rstrip("/"), list(spec.tags) or [default_tag], spec.dependencies)
        for spec in specs
    ]
    if app.router.routes:
        listed.append(_router(app, app.router, "", [default_tag], ()))
    return tuple(listed)


def list_own(app: PluginApplication, router: Any, tag: str) -> RouterSpec:
    """What `context["router"]` is: it stands below the plugin's own path."""
    return RouterSpec(router=_enclosed(app, router, ()), tags=(tag,))


def _router(app: PluginApplication, router: Any, prefix: str, tags: list[str], dependencies: Iterable[Any]) -> Any:
    router = router if hasattr(router, "routes") else router()
    inner = _enclosed(app, router, dependencies)
    return RouterSpec(router=inner, prefix=prefix, tags=tuple(tags), at_root=True, gives_way=True)


def _enclosed(app: PluginApplication, router: Any, dependencies: Iterable[Any]) -> APIRouter:
    def enter(connection: HTTPConnection) -> None:
        connection.scope["app"] = app

    outer = APIRouter()
    outer.include_router(router, dependencies=[Depends(enter), *dependencies])
    return outer
