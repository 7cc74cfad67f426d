"""What routes of factory plugins depend on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from types import SimpleNamespace
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection, Request

__all__ = [
    "ConditionalAuthDep",
    "HTTPClientDep",
    "HookManagerDep",
    "SettingsDep",
    "get_plugin_adapter",
    "with_format_chain",
]

P = ParamSpec("P")
R = TypeVar("R")


def _container(connection: HTTPConnection) -> Any:
    return connection.app.state.service_container


def _nobody() -> None:
    """The gateway has asked for a key already."""


def _settings(connection: HTTPConnection) -> Any:
    return _container(connection).settings


def _client(connection: HTTPConnection) -> Any:
    return _container(connection).http_client


def _hooks(connection: HTTPConnection) -> Any:
    return _container(connection).hook_manager


ConditionalAuthDep = Annotated[None, Depends(_nobody)]
SettingsDep = Annotated[Any, Depends(_settings)]
HTTPClientDep = Annotated[Any, Depends(_client)]
HookManagerDep = Annotated[Any, Depends(_hooks)]


def get_plugin_adapter(plugin_name: str) -> Callable[..., Any]:
    """A dependency that finds another plugin's adapter: 503 where it does not run, or has none."""

    def find(connection: HTTPConnection) -> Any:
        runtime = _container(connection).plugin_registry.get_runtime(plugin_name)
        adapter = getattr(runtime, "adapter", None)
        if adapter is None:
            raise HTTPException(503, f"the plugin {plugin_name!r} has no adapter that runs")
        return adapter

    return find


def with_format_chain(
    formats: Sequence[str], *, endpoint: str | None = None
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Says of a route which formats lie between its callers and the provider, whose own is the last. `endpoint` is the
    provider's."""

    def mark(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @wraps(function)
        async def run(*args: P.args, **given: P.kwargs) -> R:
            for one in (*args, *given.values()):
                if isinstance(one, Request):
                    told = {} if endpoint is None else {"endpoint": endpoint}
                    one.state.context = SimpleNamespace(format_chain=list(formats), metadata=told)
            return await function(*args, **given)

        told: Any = run
        told.__format_chain__, told.__endpoint__ = tuple(formats), endpoint
        return run

    return mark
