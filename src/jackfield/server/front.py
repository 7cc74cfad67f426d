"""Plugins' middleware around the gateway."""

from __future__ import annotations

import structlog

from jackfield.errors import PluginFailed
from jackfield.host.snapshot import Snapshot
from jackfield.sdk.routes import MiddlewareSpec
from jackfield.server.asgi import Asgi, Message, Receive, Scope, Send, send_error
from jackfield.telemetry.text import describe_error

log = structlog.get_logger("jackfield.server")


class Front:
    """The gateway as it is asked in one snapshot, whose plugins stay loaded meanwhile. An ASGI application."""

    def __init__(self, snapshot: Snapshot, inner: Asgi) -> None:
        self._snapshot = snapshot
        app = _changeable(inner)
        for plugin, spec in reversed(snapshot.middleware):
            app = _wrap(plugin, spec, app)
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._snapshot.pins += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._snapshot.unpin()


def _changeable(inner: Asgi) -> Asgi:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, _with_lists(send))

    return call


def _with_lists(send: Send) -> Send:
    """For heads whose headers are a list of their own: Starlette's middleware changes them in place."""

    async def reply(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(message.get("headers", ()))}
        await send(message)

    return reply


class _Guarded:
    """One plugin's middleware. A boundary: what it raises is told to the client as that plugin's failure, where nothing
    was told yet."""

    def __init__(self, plugin: str, app: Asgi) -> None:
        self._plugin, self._app = plugin, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def reply(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, reply)
        except Exception as error:
            log.warning("plugin_middleware_failed", plugin=self._plugin, error=describe_error(error))
            if started:
                raise
            await send_error(_with_lists(send), PluginFailed(f"plugin {self._plugin} failed", plugin=self._plugin))


def _wrap(plugin: str, spec: MiddlewareSpec, inner: Asgi) -> Asgi:
    """One that cannot be made, although it could when its plugin was loaded, lets nothing through: it may be there to
    keep something out."""
    try:
        return _Guarded(plugin, spec.kind(inner, **spec.options))
    except Exception as error:  # noqa: BLE001 - a boundary: a stranger's constructor
        log.error("plugin_middleware_not_made", plugin=plugin, error=describe_error(error))
        return _Absent(plugin)


class _Absent:
    def __init__(self, plugin: str) -> None:
        self._plugin = plugin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_error(_with_lists(send), PluginFailed(f"plugin {self._plugin} failed", plugin=self._plugin))
