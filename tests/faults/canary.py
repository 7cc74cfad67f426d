"""A secret that is sent wherever a client can send something, and the search for it in all that a gateway leaves."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jackfield.testing import Called, Caller

# The key that the gateway knows, and a secret that it has never heard of; neither looks like one.
KNOWN = "canary/known+5f0c9d2e7b3a"
STRANGE = "canary/strange+8d1f0a3c6e4b"
OTLP_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"

PATHS = {
    "/v1/chat/completions": {},
    "/v1/messages": {"max_tokens": 100},
    "/v1/messages/count_tokens": {},
    "/v1/responses": {},
    "/v1/embeddings": {},
}
ASKED = ("/v1/models", "/v1/chat/completions", "/v1/nothing", "/nothing", "/api/v1/plugins", "/plugins/nothing")
STREAMED = ("/v1/chat/completions", "/v1/messages", "/v1/responses")


def spellings(secret: str) -> tuple[bytes, ...]:
    """As it is, as in a URL, as in JSON, and as in a `Basic` credential."""
    encoded = base64.b64encode(secret.encode())
    return secret.encode(), quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), encoded


def find(text: bytes) -> list[bytes]:
    """Where either of them stands in `text`, with what is around it."""
    found = []
    for one in (*spellings(KNOWN), *spellings(STRANGE)):
        place = text.find(one)
        if place >= 0:
            found.append(text[max(0, place - 120) : place + 120])
    return found


def find_in_files(folder: Path) -> dict[str, list[bytes]]:
    """All that was written, whatever it is: logs, stores, traces."""
    found = {}
    for file in folder.rglob("*"):
        if file.is_file() and (places := find(file.read_bytes())):
            found[str(file.relative_to(folder))] = places
    return found


def body_of(path: str, secret: str, **fields: Any) -> dict[str, Any]:
    """It stands in the text, under names that sound of secrets and under others, and is a name itself."""
    said = f"my password is {secret}, do not tell"
    told: dict[str, Any] = {"messages": [{"role": "user", "content": said}]}
    if path in ("/v1/responses", "/v1/embeddings"):
        told = {"input": said}
    extra = {"user": secret, "metadata": {"user_id": secret, "api_key": secret}, "x_field": {secret: secret}}
    return {"model": "scripted"} | told | PATHS[path] | extra | fields


def headers_of(key: str, secret: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {key}",
        "cookie": f"session={secret}; other=1",
        "x-goog-api-key": secret,
        "x-canary": secret,
        "user-agent": f"agent/{secret}",
        "referer": f"https://there.example/?key={quote(secret, safe='')}",
        "x-forwarded-for": secret,
        "x-session-id": secret,
    }


def wrong_bodies(path: str, secret: str) -> Iterator[bytes]:
    """What is refused, each time at another place."""
    right = body_of(path, secret)
    said = "input" if "input" in right else "messages"
    yield f'{{"model": "scripted", "{secret}'.encode()
    yield json.dumps(right).encode()[:-3] + b"\xff\xfe"
    nested: list[dict[str, Any]] = [{said: {secret: secret}}, {"model": [secret]}]
    for field in (*nested, {said: [{"role": secret, "content": secret}]}):
        yield json.dumps(right | field).encode()
    for field in ({"temperature": secret}, {"max_tokens": secret}, {"stream": secret}, {"tools": secret}):
        yield json.dumps(right | field).encode()


async def send_everywhere(caller: Caller, key: str, secret: str) -> list[Called]:
    """To every path of the inference API, right and wrong, whole and streamed. The answers."""
    answers = []
    headers = headers_of(key, secret)
    query = f"?key={quote(secret, safe='')}&{quote(secret, safe='')}"
    for path in PATHS:
        for fields in ({}, {"stream": True}) if path in STREAMED else ({},):
            body = json.dumps(body_of(path, secret, **fields)).encode()
            answers.append(await caller.call("POST", path + query, body=body, headers=headers))
    for path in ASKED:
        answers.append(await caller.call("GET", path + query, headers=headers))  # noqa: PERF401 - it awaits
    return answers


async def send_wrongly(caller: Caller, key: str, secret: str) -> list[Called]:
    headers = headers_of(key, secret)
    return [
        await caller.call("POST", path, body=body, headers=headers)
        for path in PATHS
        for body in wrong_bodies(path, secret)
    ]


@asynccontextmanager
async def collect_spans() -> AsyncIterator[tuple[str, bytearray]]:
    """A collector of OpenTelemetry: its address, and all that it was sent."""
    collected = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                collected.extend(head + await reader.readexactly(int(length.partition(b":")[2])))
                writer.write(OTLP_ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", collected
