"""One message over HTTP and its answer. The SDK knows what a message means in which version; how it is carried is
ours: each stands for itself, so that any worker can answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import anyio
import msgspec
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import modern_error_data, serve_one
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PROTOCOL_VERSION_HEADER,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
)
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import DEFAULT_NEGOTIATED_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from jackfield.mcp.messages import Message, MessageId, encode_error

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Head = Mapping[str, str]

_JSON = [(b"content-type", b"application/json")]
_EVENTS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class Reply:
    """The answer to one request: JSON, or from its first notification on a stream of events, where the client takes
    them."""

    def __init__(self, send: Send, *, takes_events: bool) -> None:
        self._send, self._takes_events = send, takes_events
        self._streams = False

    async def notify(self, method: str, params: Mapping[str, Any] | None) -> None:
        if not self._takes_events:
            return
        if not self._streams:
            self._streams = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        body = {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": dict(params)})
        await self._send({"type": "http.response.body", "body": _event(msgspec.json.encode(body)), "more_body": True})

    async def finish(self, body: bytes, status: int = 200) -> None:
        if self._streams:
            await self._send({"type": "http.response.body", "body": _event(body)})
            return
        headers = [*_JSON, (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _event(body: bytes) -> bytes:
    return b"event: message\ndata: " + body + b"\n\n"


class OneExchange:
    """What the SDK takes for the way back to the client while it handles one request."""

    can_send_request = False

    def __init__(self, reply: Reply, message: Message, visit: Any, headers: Head) -> None:
        """`visit` is what the handlers find as `ctx.request`."""
        self._reply = reply
        self._token = progress_token_from_params(message.params)
        self.request_id: MessageId | None = message.id
        self.transport = TransportContext(kind="streamable-http", can_send_request=False, headers=headers)
        self.message_metadata = ServerMessageMetadata(request_context=visit)
        self.cancel_requested = anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        await self._reply.notify(method, params)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self._token is None:
            return
        told = {"progressToken": self._token, "progress": progress, "total": total, "message": message}
        await self.notify("notifications/progress", {key: value for key, value in told.items() if value is not None})


async def answer(server: Server[Any], message: Message, visit: Any, headers: Head, reply: Reply) -> None:
    """Serves one request to its end. A fault in it becomes its answer."""
    version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    by_handshake = version is None or version in HANDSHAKE_PROTOCOL_VERSIONS
    found = Connection.from_envelope(version or DEFAULT_NEGOTIATED_VERSION, None, None) if by_handshake else None
    connection = found or _enveloped(message, headers)
    if isinstance(connection, InboundLadderRejection):
        await _refuse(connection, message.id, reply)
        return
    exchange = OneExchange(reply, message, visit, headers)
    assert message.method is not None
    try:
        result = await serve_one(
            server, exchange, message.method, message.params, connection=connection, lifespan_state={}
        )
    except Exception as raised:  # noqa: BLE001 - a boundary: what is no error of the protocol is logged there, and told as one
        error = modern_error_data(raised)
        # By the older versions an error that came out of the protocol is an answer like any other.
        status = 200 if by_handshake else ERROR_CODE_HTTP_STATUS.get(error.code, 200)
        await reply.finish(encode_error(error.code, error.message, error.data, message.id), status)
        return
    await reply.finish(msgspec.json.encode({"jsonrpc": "2.0", "id": message.id, "result": result}))


def check_notification(headers: Head) -> bytes | None:
    """The error that a message without an answer gets where its version is none that is spoken here."""
    version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
    if version is None or version in HANDSHAKE_PROTOCOL_VERSIONS:
        return None
    refused = unsupported_protocol_version_rejection(version)
    return None if refused is None else encode_error(refused.code, refused.message, refused.data)


def _enveloped(message: Message, headers: Head) -> Connection | InboundLadderRejection:
    """From 2026-07-28 on each request says itself what the handshake said before."""
    route = classify_inbound_request(message.body, headers=headers)
    if isinstance(route, InboundLadderRejection):
        return route
    return Connection.from_envelope(route.protocol_version, route.client_info, route.client_capabilities)


def find_repeated(headers: list[tuple[str, str]]) -> str | None:
    """A header that says where a request belongs, and is there twice."""
    return find_duplicated_routing_header(headers)


async def _refuse(rejection: InboundLadderRejection, message_id: MessageId | None, reply: Reply) -> None:
    body = encode_error(rejection.code, rejection.message, rejection.data, message_id)
    await reply.finish(body, ERROR_CODE_HTTP_STATUS.get(rejection.code, 400))
