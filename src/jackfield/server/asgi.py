"""The few pieces of ASGI that the gateway speaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jackfield.errors import ClientGone, JackfieldError, TooLarge
from jackfield.sdk.outcomes import Headers
from jackfield.wire.openai_errors import encode_error

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON: Headers = ((b"content-type", b"application/json"),)


async def read_body(scope: Scope, receive: Receive, limit: int, progress: Callable[[], None]) -> bytes:
    """The whole body; `progress` is called for each piece of one that comes in several. Raises `TooLarge`, at once
    where the length is announced, and `ClientGone`."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    return await _read_rest(message, receive, limit, progress)


async def _read_rest(message: Message, receive: Receive, limit: int, progress: Callable[[], None]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone("the client closed the connection before its request was whole")
        piece = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(pieces)
        progress()
        message = await receive()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request is larger than {limit / 1024 / 1024:g} MB")


def replaying(body: bytes, receive: Receive) -> Receive:
    """What was read already, for who reads it again."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": (*headers, length)})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: JackfieldError, headers: Headers = ()) -> None:
    """An answer outside the inference API, which is where nothing tells of a format: in OpenAI's."""
    await send_whole(send, error.status, (*JSON, *headers), encode_error(error))


def encode_fault() -> tuple[int, Headers, bytes]:
    """Status, headers and body of what a client is told of a fault of the gateway itself."""
    error = fault()
    body = encode_error(error)
    return error.status, (*JSON, (b"content-length", b"%d" % len(body))), body


def fault() -> JackfieldError:
    """What a client is told of a fault of the gateway itself: that there was one, and no more."""
    return JackfieldError("The gateway failed; the request id leads its operator to the reason")
