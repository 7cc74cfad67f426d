"""Requests for the paths that plugins offer."""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from jackfield.control.directory import Directory
from jackfield.errors import ClientGone, JackfieldError, MethodNotAllowed, NotFound, PluginFailed, Unauthenticated
from jackfield.host.host import Host
from jackfield.host.paths import BELOW, Mounted
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.identify import identity_of_key
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.context import CREDENTIAL_HEADERS
from jackfield.sdk.outcomes import Headers
from jackfield.server.asgi import Message, Receive, Scope, Send, read_body, replaying, send_error
from jackfield.telemetry.text import describe_error

NO_MATCH, OTHER_METHOD = 0, 1

log = structlog.get_logger("jackfield.server")


class PluginPaths:
    """An ASGI application over the snapshot of the moment; what is asked of one runs in it to its end.

    A key is demanded before a plugin hears of the request, below `/plugins/` also where there is no such path: what is
    there is nobody else's business.
    """

    def __init__(self, host: Host, directory: Directory, max_body_bytes: int) -> None:
        self._host, self._directory, self._max_body_bytes = host, directory, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `JackfieldError`."""
        snapshot = self._host.snapshot
        snapshot.pins += 1
        try:
            plugin, mounted = self._find(snapshot, scope)
            caller = self._identify(scope["headers"], public=mounted.public)
            body = await read_body(scope, receive, self._max_body_bytes, lambda: None)
            told = dict(scope) if caller is None else {**scope, "headers": _without_credentials(scope["headers"])}
            with acting_for(caller):
                await _ask(plugin, mounted, told, replaying(body, receive), send)
        except ClientGone:
            return
        finally:
            snapshot.unpin()

    def _find(self, snapshot: Snapshot, scope: Scope) -> tuple[str, Mounted]:
        wrong_method = False
        for plugin, mounted in _mounts(snapshot):
            match = mounted.match(scope)
            if match > OTHER_METHOD:
                return plugin, mounted
            wrong_method = wrong_method or match == OTHER_METHOD
        if wrong_method or scope["path"].startswith(BELOW):
            self._identify(scope["headers"])
        if wrong_method:
            raise MethodNotAllowed(f"{scope['method']} {scope['path'][:200]}: there is another method")
        raise NotFound(f"There is nothing at {scope['path'][:200]}")

    def _identify(self, headers: Headers, *, public: bool = False) -> Caller | None:
        """Where it is public a key that is not ours is the plugin's business. Raises `Unauthenticated`."""
        try:
            identity = identity_of_key(headers, self._directory)
        except Unauthenticated:
            if public:
                return None
            raise
        return Caller(
            user=identity.user or identity.credential,
            app=identity.app,
            credential=identity.credential,
            models=identity.models,
            admin=identity.role == "admin",
        )


def _without_credentials(headers: Headers) -> Headers:
    """Who asks was told: how they proved it is nobody else's business."""
    return [pair for pair in headers if pair[0] not in CREDENTIAL_HEADERS]  # type: ignore[return-value]


def _mounts(snapshot: Snapshot) -> Iterator[tuple[str, Mounted]]:
    return ((plugin.id, mounted) for plugin in snapshot.plugins.values() for mounted in plugin.paths)


async def _ask(plugin: str, mounted: Mounted, scope: Scope, receive: Receive, send: Send) -> None:
    """A boundary: what a plugin's handler raises is told to the client as that plugin's failure, where nothing was told
    yet."""
    started = False

    async def reply(message: Message) -> None:
        nonlocal started
        started = started or message["type"] == "http.response.start"
        await send(message)

    try:
        await mounted.serve(scope, receive, reply)
    except JackfieldError as error:
        if started:
            raise
        error.plugin = error.plugin or plugin
        await send_error(send, error)
    except Exception as error:
        log.warning("plugin_path_failed", plugin=plugin, path=scope["path"], error=describe_error(error))
        if started:
            raise
        await send_error(send, PluginFailed(f"plugin {plugin} failed", plugin=plugin))
