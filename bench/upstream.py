"""The mock upstream: OpenAI chat completions, made beforehand and written as they are.

It parses by hand what a request needs and no more, so that it is never what is measured.
`python -m bench.upstream PORT`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from bench import bodies

PACE_S = 0.01
_WHOLE_SEARCH = 16_384
_EDGE = 512


def whole_answer() -> bytes:
    body = bodies.answer()
    head = (
        b"HTTP/1.1 200 OK\r\nserver: mock\r\ncontent-type: application/json\r\n"
        b"x-request-id: req_bench\r\ncontent-length: %d\r\n\r\n"
    )
    return head % len(body) + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: mock\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
STREAM_TAIL = b"0\r\n\r\n"


def chunks(*, usage: bool) -> list[bytes]:
    return [b"%x\r\n%b\r\n" % (len(event), event) for event in bodies.events(usage=usage)]


WHOLE = whole_answer()
CHUNKS = {usage: chunks(usage=usage) for usage in (False, True)}
STREAMS = {usage: STREAM_HEAD + b"".join(made) + STREAM_TAIL for usage, made in CHUNKS.items()}


def says(body: bytes, name: bytes, value: bytes) -> bool:
    """Whether a JSON body has this field. Of a large body only the edges are looked at."""
    seen = body if len(body) <= _WHOLE_SEARCH else body[:_EDGE] + body[-_EDGE:]
    return b'"%b":%b' % (name, value) in seen or b'"%b": %b' % (name, value) in seen


def content_length(head: bytes) -> int:
    """The length a request head promises; 0 where it promises none."""
    lowered = head.lower()
    start = lowered.find(b"\r\ncontent-length:")
    if start < 0:
        return 0
    end = lowered.find(b"\r\n", start + 2)
    return int(lowered[start + 17 : end if end > 0 else None])


class Upstream(asyncio.Protocol):
    """One connection. Requests are answered in turn; a paced stream ends the moment its client goes."""

    def __init__(self) -> None:
        self._held = b""
        self._wanted = 0
        self._pieces: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._wanted, self._held = 0, b""

    def data_received(self, data: bytes) -> None:
        """Pieces of a large body are joined only once all of them are there."""
        if self._pieces or self._held:
            self._pieces.append(data)
            self._wanted -= len(data)
            if self._wanted > 0:
                return
            data = self._held + b"".join(self._pieces)
            self._pieces.clear()
            self._held = b""
        self._take(data)

    def _take(self, data: bytes) -> None:
        while data:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3:
                self._held, self._wanted = data, 1
                return
            total = end + content_length(data[: end - 2])
            if len(data) < total:
                self._held, self._wanted = data, total - len(data)
                return
            self._reply(data[end:total])
            data = data[total:]

    def _reply(self, body: bytes) -> None:
        if not says(body, b"stream", b"true"):
            self._transport.write(WHOLE)
            return
        usage = says(body, b"include_usage", b"true")
        if says(body, b"model", b'"%b"' % bodies.PACED_MODEL.encode()):
            self._transport.write(STREAM_HEAD)
            self._pace([*CHUNKS[usage], STREAM_TAIL], 0)
        else:
            self._transport.write(STREAMS[usage])

    def _pace(self, made: list[bytes], index: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(made[index])
        if index + 1 < len(made):
            asyncio.get_running_loop().call_later(PACE_S, self._pace, made, index + 1)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
