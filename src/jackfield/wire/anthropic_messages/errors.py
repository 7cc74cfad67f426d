"""Error bodies, both ways."""

from __future__ import annotations

from typing import Any

import msgspec

from jackfield.errors import JackfieldError, UpstreamBroken

QUOTED = 300

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_KNOWN_TYPES = frozenset(_TYPES.values()) | {"api_error"}


class ErrorObject(msgspec.Struct, frozen=True):
    type: str | None = None
    message: str | None = None
    code: str | int | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    error: ErrorObject | str | None = None
    message: str | None = None


_read_body = msgspec.json.Decoder(_ErrorBody).decode


def error_type(status: int) -> str:
    """This format's name for a status: a 4xx without one is the request's fault, all else the server's."""
    return _TYPES.get(status) or ("invalid_request_error" if 400 <= status < 499 else "api_error")


def stream_error_type(code: str) -> str:
    """This format's name for what an upstream reported in its stream."""
    return code if code in _KNOWN_TYPES else "api_error"


def error_body(
    kind: str, message: str, *, code: str | None = None, plugin: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """`code`, `plugin` and `param` are Jackfield's own, and clients of this format pass over them."""
    named = {"code": code, "plugin": plugin, "param": param}
    known = {name: value for name, value in named.items() if value is not None}
    return {"type": "error", "error": {"type": kind, "message": message} | known}


def body_of(error: JackfieldError) -> dict[str, Any]:
    return error_body(error_type(error.status), error.message, code=error.code, plugin=error.plugin, param=error.param)


def read_error(body: bytes) -> tuple[str, str]:
    """The code and message of an error body, whatever the body is."""
    try:
        found = _read_body(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "upstream_error", quoted(body)
    if isinstance(found.error, ErrorObject):
        code = found.error.type or found.error.code or "upstream_error"
        return str(code), found.error.message or quoted(body)
    return "upstream_error", found.error or found.message or quoted(body)


def quoted(body: bytes) -> str:
    text = " ".join(body[: QUOTED * 4].decode(errors="replace").split())
    return (text[:QUOTED] + "…" if len(text) > QUOTED else text) or "the upstream gave no reason"


def disguised(body: bytes) -> UpstreamBroken:
    """An error that came with the status of a success."""
    code, message = read_error(body)
    return UpstreamBroken(f"the upstream answered with an error: {message} ({code})")
