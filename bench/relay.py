"""Bare relays: the least that a Python gateway on uvicorn can be. No keys, no records, no limits.

They decode `model` and `stream` as any relay must. `python -m bench.relay pyreqwest|aiohttp PORT URL`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import aiohttp
import msgspec
import uvicorn
from pyreqwest.client import Client, ClientBuilder

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONTENT_TYPE = (b"content-type", b"application/json")
SENT_HEADERS = {"content-type": "application/json"}


class Asked(msgspec.Struct):
    model: str
    stream: bool = False


DECODER = msgspec.json.Decoder(Asked)


class Relay(Protocol):
    """How one client library asks the upstream and passes the answer on."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def whole(self, body: bytes, send: Send) -> None: ...

    async def streamed(self, body: bytes, send: Send) -> None: ...


class PyreqwestRelay:
    """pyreqwest's default read buffer holds a stream's head back until 64 KB came, so it is turned off."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client

    async def open(self) -> None:
        self._client = ClientBuilder().http1_only().no_proxy().default_headers(SENT_HEADERS).build()

    async def close(self) -> None:
        await self._client.close()

    async def whole(self, body: bytes, send: Send) -> None:
        answer = await self._client.post(self._url).body_bytes(body).build().send()
        await send_whole(send, answer.status, bytes(await answer.bytes()))

    async def streamed(self, body: bytes, send: Send) -> None:
        request = self._client.post(self._url).body_bytes(body).streamed_read_buffer_limit(0)
        async with request.build_streamed() as answer:
            await send_stream_head(send, answer.status)
            while piece := await answer.body_reader.read_chunk():
                await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class AiohttpRelay:
    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600))

    async def close(self) -> None:
        await self._session.close()

    async def whole(self, body: bytes, send: Send) -> None:
        async with self._session.post(self._url, data=body, headers=SENT_HEADERS) as answer:
            await send_whole(send, answer.status, await answer.read())

    async def streamed(self, body: bytes, send: Send) -> None:
        async with self._session.post(self._url, data=body, headers=SENT_HEADERS) as answer:
            await send_stream_head(send, answer.status)
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


RELAYS: dict[str, Callable[[str], Relay]] = {"pyreqwest": PyreqwestRelay, "aiohttp": AiohttpRelay}


async def send_whole(send: Send, status: int, body: bytes) -> None:
    headers = [CONTENT_TYPE, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_stream_head(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    if not message.get("more_body"):
        return body
    pieces = [body]
    while message.get("more_body"):
        message = await receive()
        pieces.append(message["body"])
    return b"".join(pieces)


class RelayApp:
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = await read_body(receive)
        if DECODER.decode(body).stream:
            await self._relay.streamed(body, send)
        else:
            await self._relay.whole(body, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._relay.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._relay.close()
        await send({"type": "lifespan.shutdown.complete"})


def run(kind: str, port: int, upstream: str) -> None:
    app = RelayApp(RELAYS[kind](f"{upstream}/v1/chat/completions"))
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3])
