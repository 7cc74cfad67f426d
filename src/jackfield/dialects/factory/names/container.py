"""`core_services`: all that the gateway has for one plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jackfield.dialects.factory.names.context import PluginContext

__all__ = ["ServiceContainer"]

_current: ContextVar[ServiceContainer | None] = ContextVar("jackfield_factory_container", default=None)


class ServiceContainer:
    """One plugin's. Its attributes are those of the `PluginContext` that it makes."""

    def __init__(self, **given: Any) -> None:
        self._given = given

    def __getattr__(self, name: str) -> Any:
        given = self.__dict__.get("_given", {})
        if name in given:
            return given[name]
        raise AttributeError(f"the gateway has no service {name!r} for plugins; it has {', '.join(sorted(given))}")

    def make_context(self) -> PluginContext:
        return PluginContext(**self._given, service_container=self)

    def get_service(self, kind: type[Any]) -> Any:
        """By its type. Raises `ValueError` where there is none."""
        return self.make_context().get(kind)

    @classmethod
    def get_current(cls, strict: bool = True) -> ServiceContainer | None:
        """That of the plugin whose code the gateway is running. Raises `RuntimeError` where it runs none, unless not
        `strict`."""
        found = _current.get()
        if found is None and strict:
            raise RuntimeError("no plugin of the gateway is running here")
        return found

    @contextmanager
    def entered(self) -> Iterator[None]:
        before = _current.set(self)
        try:
            yield
        finally:
            _current.reset(before)

    def get_settings(self) -> Any:
        return self.settings

    def get_http_client(self) -> Any:
        return self.http_client

    def get_pool_manager(self) -> Any:
        return self.http_pool_manager

    def get_hook_registry(self) -> Any:
        return self.hook_registry

    def get_hook_manager(self) -> Any:
        return self.hook_manager

    def get_oauth_registry(self) -> Any:
        return self.oauth_registry

    def get_format_registry(self) -> Any:
        return self.format_registry

    def get_request_tracer(self) -> Any:
        return self.request_tracer

    def get_streaming_handler(self) -> Any:
        return self.streaming_handler
