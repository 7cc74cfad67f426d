"""Errors in the form of the OpenAI API."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from jackfield.errors import JackfieldError, UpstreamBroken
from jackfield.wire.base import Encoded
from jackfield.wire.chat import ErrorResponse
from jackfield.wire.crossing import Body
from jackfield.wire.json import encode, reader

QUOTED_CHARACTERS = 300

_UNKNOWN = "upstream_error"
_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_decode = msgspec.json.Decoder().decode
_read_anything = reader(Any)


def encode_error(error: JackfieldError) -> bytes:
    return encode(error_body(error.status, error.code, error.message, param=error.param, plugin=error.plugin))


def error_body(status: int, code: str, message: str, *, param: str | None = None, plugin: str | None = None) -> Body:
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    fields: Body = {"message": message, "type": kind, "code": code, "param": param}
    if plugin is not None:
        fields["plugin"] = plugin
    return {"error": fields}


def encode_error_response(response: ErrorResponse) -> Encoded:
    body = error_body(response.status, response.code, response.message, plugin=response.plugin)
    return Encoded(encode(body))


def decode_error(body: bytes) -> tuple[str, str]:
    """The code and message, whichever of the usual forms compatible servers chose."""
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _UNKNOWN, _quoted(body)
    found = explain_error(value)
    return found if found is not None else (_UNKNOWN, _quoted(body))


def explain_error(value: Any) -> tuple[str, str] | None:
    """The code and message of a decoded error: an object, its text alone, or either in `error` or a list."""
    if isinstance(value, list) and value:
        return explain_error(value[0])
    if isinstance(value, str) and value:
        return _UNKNOWN, value
    if not isinstance(value, dict):
        return None
    inner = value.get("error")
    if isinstance(inner, dict | list) and inner:
        return explain_error(inner)
    message = next((m for m in (value.get(key) for key in ("message", "detail")) if isinstance(m, str)), inner)
    if not isinstance(message, str) or not message:
        return None
    code = next((c for c in (value.get(key) for key in ("code", "type", "status")) if c), _UNKNOWN)
    return str(code), message


def is_error(raw: Raw) -> bool:
    """Whether the value of a field `error` says that there was one."""
    return bytes(raw) not in (b"null", b"{}", b"false", b'""')


def is_error_object(kind: Raw) -> bool:
    """Whether the value of a field `object` says that the whole body is an error, as vLLM writes it."""
    return bytes(kind) == b'"error"'


def refuse_error(raw: Raw) -> NoReturn:
    """Refuses an error in the clothes of a success."""
    code, message = explain_error(_read_anything(raw, "error")) or (_UNKNOWN, "no reason given")
    raise UpstreamBroken(f"the upstream answered with an error in a success: {code}: {message}")


def _quoted(body: bytes) -> str:
    text = " ".join(body[: QUOTED_CHARACTERS * 4].decode("utf-8", "replace").split())
    if not text:
        return "the upstream gave no reason"
    return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…"
