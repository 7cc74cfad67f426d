"""JSON-RPC messages as they come in, and the errors that they are answered with."""

from __future__ import annotations

from typing import Any

import msgspec

from jackfield.errors import JackfieldError, Malformed

PARSE_ERROR, INVALID_REQUEST, INTERNAL_ERROR = -32700, -32600, -32603
# What language servers have for it; the protocol itself has no word for a call that its caller took back.
REQUEST_CANCELLED = -32800
CANCELLED = "notifications/cancelled"
MessageId = int | str


class Rejection(msgspec.Struct, frozen=True):
    """Why a request is turned away before anything of it is read."""

    status: int
    message: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message. A notification has a method and no id, an answer an id and no method."""

    body: dict[str, Any]
    method: str | None
    id: MessageId | None

    @property
    def is_request(self) -> bool:
        return self.method is not None and self.id is not None

    @property
    def params(self) -> dict[str, Any] | None:
        params: dict[str, Any] | None = self.body.get("params")
        return params

    @property
    def tool(self) -> str | None:
        """The tool that it calls."""
        name = (self.params or {}).get("name") if self.method == "tools/call" else None
        return name if isinstance(name, str) else None

    @property
    def cancels(self) -> MessageId | None:
        """The id of the request that it takes back."""
        named = (self.params or {}).get("requestId") if self.method == CANCELLED else None
        return named if is_id(named) else None


def is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def read_message(body: bytes) -> Message:
    """Raises `Malformed`, with the field as `param` where it is JSON but no message."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"The body is not JSON: {error}") from error
    if isinstance(found, list):
        raise Malformed("Batches are not taken: send one message a request", param="body")
    if not isinstance(found, dict) or found.get("jsonrpc") != "2.0":
        raise Malformed('The body is not a JSON-RPC message: it is no object with "jsonrpc": "2.0"', param="jsonrpc")
    return _check(found)


def _check(found: dict[str, Any]) -> Message:
    method, message_id = found.get("method"), found.get("id")
    if "id" in found and not is_id(message_id):
        raise Malformed("The id of a message is a string or an integer", param="id")
    if method is None and not ("id" in found and ("result" in found or "error" in found)):
        raise Malformed("The message has no method", param="method")
    if method is not None and not isinstance(method, str):
        raise Malformed("The method of a message is a string", param="method")
    if not isinstance(found.get("params", {}), dict):
        raise Malformed("The params of a message are an object", param="params")
    return Message(body=found, method=method, id=message_id)


def encode_rejection(rejection: Rejection, request_id: str) -> bytes:
    return encode_error(INVALID_REQUEST, rejection.message, {"request_id": request_id})


def encode_fault(error: JackfieldError, request_id: str, message_id: MessageId | None = None) -> bytes:
    """An error of the gateway as JSON-RPC has it; its own code is in the data."""
    data: dict[str, Any] = {"code": error.code, "request_id": request_id}
    if error.plugin is not None:
        data["plugin"] = error.plugin
    return encode_error(_code(error), error.message, data, message_id)


def encode_error(code: int, message: str, data: Any = None, message_id: MessageId | None = None) -> bytes:
    told = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return msgspec.json.encode({"jsonrpc": "2.0", "id": message_id, "error": told})


def _code(error: JackfieldError) -> int:
    if isinstance(error, Malformed) and error.param is None:
        return PARSE_ERROR
    return INTERNAL_ERROR if error.status >= 500 else INVALID_REQUEST
