"""The HTTP paths of a plugin whose code runs elsewhere: routes as any other plugin's, whose requests it is sent.

Imported only for plugins that have some. What they answer is a stranger's: it does not frame the connection, sets no
cookies, and what a browser is shown runs as nobody (`sandbox`), not as the console that has the same address.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from jackfield.errors import TooLarge
from jackfield.guests.protocol import Endpoint, EndpointCall, EndpointReply
from jackfield.host.paths import BELOW, slug_of
from jackfield.sdk.caller import current_caller
from jackfield.sdk.context import CREDENTIAL_HEADERS
from jackfield.sdk.outcomes import Headers
from jackfield.sdk.routes import METHODS, RouterSpec

MOST_ENDPOINTS = 100
LONGEST_PATH, LONGEST_TEXT = 500, 2000
# Beside it stand the headers, and all of it is one message.
LARGEST_BODY = 12 * 1024 * 1024
MOST_HEADERS, LARGEST_HEADERS = 100, 32 * 1024

_LITERAL = r"[A-Za-z0-9._~:@!$&'()*+,;=-]*"
# More than one in a segment, or one for several segments that is not the last, takes long to look for.
_PARAMETER = r"\{[A-Za-z_][A-Za-z0-9_]*(:(str|int|float|uuid))?\}"
_PATH = re.compile(rf"(/{_LITERAL}({_PARAMETER}{_LITERAL})?)*(/\{{[A-Za-z_][A-Za-z0-9_]*:path\}})?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NOT_PASSED_ON = frozenset(
    {
        "clear-site-data", "connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-connection",
        "service-worker-allowed", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_GUARDED = (
    (b"content-security-policy", b"sandbox allow-scripts allow-forms"),
    (b"x-content-type-options", b"nosniff"),
)


Ask = Callable[[EndpointCall], AsyncGenerator[Any, None]]


def make_routers(plugin_id: str, serve: Ask, endpoints: tuple[Endpoint, ...]) -> tuple[RouterSpec, ...]:
    """`serve` gives the parts of an answer as they come. Raises `ValueError` for an endpoint that may not be so."""
    if len(endpoints) > MOST_ENDPOINTS:
        raise ValueError(f"it has {len(endpoints):,} endpoints; a plugin has at most {MOST_ENDPOINTS}")
    routers: dict[tuple[bool, bool], APIRouter] = defaultdict(APIRouter)
    for endpoint in endpoints:
        check_endpoint(endpoint)
        base = "" if endpoint.at_root else f"{BELOW}{slug_of(plugin_id)}"
        _add(routers[endpoint.public, endpoint.at_root], endpoint, serve, base)
    return tuple(
        RouterSpec(router=router, public=public, at_root=at_root) for (public, at_root), router in routers.items()
    )


def check_endpoint(endpoint: Endpoint) -> None:
    """Raises `ValueError`."""
    shown = f"its endpoint {endpoint.path!r:.100}"
    if len(endpoint.path) > LONGEST_PATH or not endpoint.path or not _PATH.fullmatch(endpoint.path):
        raise ValueError(
            f"{shown} is no path: it begins with /, a segment has one {{parameter}} at most, and only the last may be"
            " {parameter:path}"
        )
    unknown = sorted(set(endpoint.methods) - METHODS)
    if unknown or not endpoint.methods:
        raise ValueError(f"{shown}: methods are {', '.join(sorted(METHODS))}, not {', '.join(unknown)[:100]}")
    if len(endpoint.description) > LONGEST_TEXT:
        raise ValueError(f"{shown}: its description has more than {LONGEST_TEXT:,} characters")


def _add(router: APIRouter, endpoint: Endpoint, serve: Ask, base: str) -> None:
    async def ask(request: Request) -> Response:
        return Relayed(serve, await _call_of(request, endpoint, base))

    router.add_api_route(
        endpoint.path,
        ask,
        methods=list(endpoint.methods),
        description=endpoint.description or None,
        name=endpoint.path,
        response_class=Response,
    )


async def _call_of(request: Request, endpoint: Endpoint, base: str) -> EndpointCall:
    """Raises `TooLarge`."""
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"The request is larger than {LARGEST_BODY // 1024**2} MB, which is as much as plugins are sent")
    caller = current_caller()
    return EndpointCall(
        endpoint=endpoint.path,
        method=request.method,
        path=request.scope["path"],
        base=base,
        query=request.scope.get("query_string", b""),
        headers=_readable(request.scope["headers"]),
        body=body,
        caller=None if caller is None else msgspec.to_builtins(caller),
        parameters={name: str(value) for name, value in request.path_params.items()},
    )


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Without what a stranger could act with in the client's place."""
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers if name not in CREDENTIAL_HEADERS
    )


class Relayed(Response):
    """An answer, part by part as it comes. It ends when the client has gone."""

    def __init__(self, serve: Ask, call: EndpointCall) -> None:
        super().__init__()
        self._serve, self._call = serve, call

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Raises what its code raises, `SessionLost`, and `ValueError` for what is no answer."""
        loop = asyncio.get_running_loop()
        tasks = {loop.create_task(self._relay(send)), loop.create_task(_wait_until_gone(receive))}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, send: Any) -> None:
        begun, empty = False, False
        async with aclosing(self._serve(self._call)) as parts:
            async for told in parts:
                part = msgspec.convert(told, EndpointReply)
                if not begun:
                    begun, empty = True, part.status in (204, 304)
                    await send({"type": "http.response.start", "status": _status(part), "headers": read_head(part)})
                if part.body and not empty:
                    await send({"type": "http.response.body", "body": part.body, "more_body": True})
        if not begun:
            raise ValueError("it answered nothing")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _status(part: EndpointReply) -> int:
    if not 200 <= part.status <= 599:
        raise ValueError(f"its answer has the status {part.status}")
    return part.status


def read_head(part: EndpointReply) -> Headers:
    """Raises `ValueError`."""
    if (
        len(part.headers) > MOST_HEADERS
        or sum(len(name) + len(value) for name, value in part.headers) > LARGEST_HEADERS
    ):
        raise ValueError(f"its answer has more than {MOST_HEADERS} headers, or {LARGEST_HEADERS:,} characters of them")
    kept: list[tuple[bytes, bytes]] = []
    for name, value in part.headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"its answer has a header that is none: {name!r:.100}")
        if name.lower() not in _NOT_PASSED_ON:
            kept.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return (*kept, *_GUARDED)


async def _wait_until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
