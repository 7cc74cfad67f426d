"""One provider as an ASGI application: the endpoints that hosts of HTTP providers call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import aclosing
from typing import Any

import msgspec

from jackfield.clock import Clock, SystemClock
from jackfield.errors import JackfieldError, Malformed, MethodNotAllowed, NotFound, TooLarge
from jackfield.sdk.plugin import Plugin
from jackfield.sdk.serve.answers import Chunks, complete, embed, events_of, read_chat, read_embeddings
from jackfield.sdk.serve.faults import ProviderFault, fault_of
from jackfield.sdk.serve.lives import Lives
from jackfield.sdk.serve.metadata import Model, describe, read_models, show_models
from jackfield.wire.chat import ChatEvent, ChatRequest

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Endpoint = Callable[[bytes, Send], Awaitable[None]]

LONGEST_BODY = 16 * 1024 * 1024
BODY_S = 30.0
_JSON = (b"content-type", b"application/json")
_STREAM = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"))

_log = logging.getLogger("provider")


class Application:
    """Serves `kind`, a `Plugin` with `complete`, `stream` or `embed`. `models` are listed besides its own."""

    def __init__(
        self, kind: type[Plugin[Any]], *, models: Iterable[str | Model] = (), clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._lives = Lives(kind, read_models(models), self._clock)
        self._metadata = describe(kind)
        self._endpoints: Mapping[str, Mapping[str, Endpoint]] = {
            "/metadata": {"GET": self._tell_metadata},
            "/initialize": {"POST": self._initialize},
            "/health": {"GET": self._tell_health},
            "/models": {"GET": self._list_models},
            "/chat/completions": {"POST": self._complete},
            "/embeddings": {"POST": self._embed},
            "/cleanup": {"POST": self._clean_up},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, Answer(send))

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._lives.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _serve(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        """Whatever goes wrong is told in the words of hosts, also half way through a stream."""
        try:
            endpoint = self._find(scope)
            body = await _read_body(receive)
            await _while_connected(receive, endpoint(body, answer.send))
        except JackfieldError as error:
            await answer.fail(error)
        except TimeoutError:
            await answer.fail(ProviderFault("timeout", "it took too long"))
        except Exception as error:  # noqa: BLE001 - its host is told of what kind a failure is, its log the rest
            _log.error("%s failed", scope["path"], exc_info=error)
            await answer.fail(ProviderFault("internal_error", f"the provider failed: {type(error).__name__}"))

    def _find(self, scope: Scope) -> Endpoint:
        """Hosts and tools name no origin: what does is a page in somebody's browser, which has no business here."""
        if any(name == b"origin" for name, _ in scope["headers"]):
            raise ProviderFault("invalid_request", "pages of browsers are not served", status=403)
        path = "/" + scope["path"].strip("/")
        methods = self._endpoints.get(path)
        if methods is None or (path == "/embeddings" and not self._lives.capabilities()["embeddings"]):
            raise NotFound(f"there is no {path}")
        if scope["method"] not in methods:
            raise MethodNotAllowed(f"{path} takes {', '.join(methods)}")
        return methods[scope["method"]]

    async def _tell_metadata(self, body: bytes, send: Send) -> None:
        await _send_json(send, self._metadata)

    async def _initialize(self, body: bytes, send: Send) -> None:
        await self._lives.initialize(_read_object(body))
        await _send_json(send, {})

    async def _tell_health(self, body: bytes, send: Send) -> None:
        await _send_json(send, await self._lives.health())

    async def _list_models(self, body: bytes, send: Send) -> None:
        models = await self._lives.models()
        await _send_json(send, show_models(models, self._lives.capabilities()))

    async def _complete(self, body: bytes, send: Send) -> None:
        request = read_chat(body)
        price, now = self._lives.price(request.model), self._clock.wall()
        async with self._lives.plugin() as plugin:
            if not (hasattr(plugin, "complete") or hasattr(plugin, "stream")):
                raise NotFound("there are no completions: only embeddings")
            if request.stream:
                await _send_stream(send, events_of(plugin, request, now), request, price)
            else:
                await _send_body(send, await complete(plugin, request, price, now))

    async def _embed(self, body: bytes, send: Send) -> None:
        request = read_embeddings(body)
        async with self._lives.plugin() as plugin:
            await _send_body(send, await embed(plugin, request, self._lives.price(request.model)))

    async def _clean_up(self, body: bytes, send: Send) -> None:
        await self._lives.clean_up()
        await _send_json(send, {})


class Answer:
    """What has been sent of one answer, so that a failure is told in its place: as the answer, or in its stream."""

    def __init__(self, send: Send) -> None:
        self._send, self._begun, self._ended = send, False, False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self._begun = True
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def fail(self, error: JackfieldError) -> None:
        status, fault = fault_of(error)
        told = msgspec.json.encode(fault)
        if not self._begun:
            headers = [] if error.retry_after_s is None else [(b"retry-after", b"%d" % fault.details["retry_after"])]
            await _send_body(self.send, told, status, headers)
        elif not self._ended:
            await self.send({"type": "http.response.body", "body": b"data: " + told + b"\n\n"})


async def _read_body(receive: Receive) -> bytes:
    pieces, size, more = list[bytes](), 0, True
    while more:
        async with asyncio.timeout(BODY_S):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("the connection ended before the request did")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > LONGEST_BODY:
            raise TooLarge(f"the body is longer than {LONGEST_BODY} bytes")
        more = message.get("more_body", False)
    return b"".join(pieces)


async def _while_connected(receive: Receive, work: Awaitable[None]) -> None:
    """Ends the work when the host has left."""
    working, left = asyncio.ensure_future(work), asyncio.ensure_future(_wait_until_left(receive))
    try:
        await asyncio.wait((working, left), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        left.cancel()
        await asyncio.gather(working, left, return_exceptions=True)


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("the body must be a JSON object")
    return value


async def _send_stream(
    send: Send, events: AsyncGenerator[ChatEvent, None], request: ChatRequest, price: float | None
) -> None:
    """Nothing is sent before there is a first event: until then a failure has a status."""
    chunks = Chunks(request.model, price)
    begun = False
    async with aclosing(events):
        async for event in events:
            written = chunks.write(event)
            if not begun:
                begun = True
                await send({"type": "http.response.start", "status": 200, "headers": list(_STREAM)})
            if written:
                await send({"type": "http.response.body", "body": written, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send_json(send: Send, value: Any) -> None:
    await _send_body(send, msgspec.json.encode(value))


async def _send_body(send: Send, body: bytes, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body})
