"""The HTTP paths of a plugin at its own end: what it answers at, and requests that its host passes on to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from jackfield.errors import ConfigError
from jackfield.guests.faults import own
from jackfield.guests.protocol import Endpoint
from jackfield.host.paths import BELOW, NO_PATHS, Mounted, Paths, collect_paths, slug_of
from jackfield.sdk.plugin import Plugin

# How much of an answer may wait until its host takes it, and how large each part is.
MOST_WAITING = 4
LARGEST_PART = 256 * 1024
_FOUND = 2
_END = None


class GuestPaths:
    def __init__(self, paths: Paths = NO_PATHS) -> None:
        self._paths = paths
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Raises `ConfigError` for what is no path with methods."""
        base = f"{BELOW}{slug_of(self._paths.plugin)}"
        return tuple(_endpoint(route, mounted, base) for mounted in self._paths for route in _routes(mounted))

    async def serve(self, params: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Parts of the answer. What the handler does after it goes on; with whoever wants the answer it ends."""
        scope = _scope(params)
        found = next((mounted for mounted in self._paths if mounted.match(scope) == _FOUND), None)
        if found is None:
            raise LookupError(f"there is nothing at {params['path']}")
        answer = Answer(found, scope, params["body"])
        self._tasks.add(answer.task)
        answer.task.add_done_callback(self._tasks.discard)
        try:
            async for part in answer.parts():
                yield part
        finally:
            if not answer.whole:
                answer.task.cancel()


class Answer:
    """One handler at work on one request."""

    def __init__(self, mounted: Mounted, scope: dict[str, Any], body: bytes) -> None:
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(MOST_WAITING)
        self._request: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        self.whole = False
        self.task = asyncio.get_running_loop().create_task(self._run(mounted, scope))
        self.task.add_done_callback(lambda _: self._messages.put_nowait(_END))

    async def _run(self, mounted: Mounted, scope: dict[str, Any]) -> None:
        await mounted.serve(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self._request:
            # When its client has gone it is cancelled.
            await asyncio.get_running_loop().create_future()
        return self._request.pop()

    async def _send(self, message: dict[str, Any]) -> None:
        await self._room.acquire()
        self._messages.put_nowait(message)

    async def parts(self) -> AsyncIterator[dict[str, Any]]:
        """Raises what the handler raised."""
        while (message := await self._messages.get()) is not _END:
            self._room.release()
            if message["type"] == "http.response.start":
                yield {"status": message["status"], "headers": _readable(message.get("headers", ()))}
                continue
            body = message.get("body", b"")
            for at in range(0, len(body), LARGEST_PART):
                yield {"body": bytes(body[at : at + LARGEST_PART])}
            if not message.get("more_body", False):
                self.whole = True
                return
        self.task.result()


def open_paths(plugin: Plugin[Any], granted: Iterable[str]) -> GuestPaths:
    """Raises `ConfigError` for one that is open without leave, and what its routers raise."""
    try:
        return GuestPaths(collect_paths(plugin, plugin.id, granted))
    except ConfigError:
        raise
    except BaseException as error:  # noqa: BLE001 - the boundary: raised again as what can be told
        raise own(error) from None


def _routes(mounted: Mounted) -> Iterator[Any]:
    from fastapi.routing import iter_route_contexts

    return iter(iter_route_contexts(mounted.app.router.routes))


def _endpoint(route: Any, mounted: Mounted, base: str) -> Endpoint:
    path = route.path or ""
    if not route.methods:
        raise ConfigError(f"{path} is an application or a socket of its own, which are there only in process")
    below = path == base or path.startswith(f"{base}/")
    return Endpoint(
        path=path.removeprefix(base) or "/" if below else path,
        methods=tuple(sorted(route.methods)),
        public=mounted.public,
        description=getattr(route, "description", "") or "",
        at_root=not below,
    )


def _scope(params: Mapping[str, Any]) -> dict[str, Any]:
    path = params["path"]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": params["method"],
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": params["query"],
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in params["headers"]],
        "client": None,
        "server": None,
    }


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]
