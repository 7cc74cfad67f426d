"""Every error of the admin API in one form: that of the OpenAI API, and for a refused change that nothing has
changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from jackfield.errors import JackfieldError, Malformed, MethodNotAllowed, NotFound, Unprocessable
from jackfield.server.asgi import fault
from jackfield.settings import conceal
from jackfield.telemetry.text import escape_all_halves
from jackfield.wire.openai_errors import error_body

READING = ("GET", "HEAD")


class ErrorDetail(BaseModel):
    """`param` names the parameter or field that is wrong, `plugin` the plugin that decided, if one did."""

    message: str
    type: str
    code: str
    param: str | None
    plugin: str | None = None


class ErrorAnswer(BaseModel):
    """`changed` stands only in the answer to a change that was refused, `status` in that to a hot swap."""

    error: ErrorDetail
    changed: bool | None = None
    status: Literal["rolled_back"] | None = None


Documented = dict[int | str, dict[str, Any]]
ERRORS: Documented = {
    401: {"model": ErrorAnswer, "description": "No key, or one that is not known"},
    403: {"model": ErrorAnswer, "description": "Not an admin key"},
}
WRONG_PARAMETER: Documented = {422: {"model": ErrorAnswer, "description": "A parameter is wrong"}}
MISSING: Documented = {404: {"model": ErrorAnswer, "description": "There is no such thing"}}
REFUSED: Documented = {409: {"model": ErrorAnswer, "description": "Refused as things are; nothing has changed"}}
CHANGE_ERRORS: Documented = (
    ERRORS
    | {400: {"model": ErrorAnswer, "description": "Not JSON"}}
    | REFUSED
    | {422: {"model": ErrorAnswer, "description": "A field is wrong; nothing has changed"}}
)
QUERY_ERRORS: Documented = (
    ERRORS | {400: {"model": ErrorAnswer, "description": "A parameter is wrong"}} | WRONG_PARAMETER
)
NAME_ERRORS: Documented = ERRORS | MISSING | WRONG_PARAMETER
FIND_ERRORS: Documented = QUERY_ERRORS | MISSING


def handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(JackfieldError, _tell)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(Exception, _tell_fault)


def answer_error(
    method: str,
    error: JackfieldError,
    headers: Mapping[str, str] | None = None,
    *,
    status: int | None = None,
    told: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """`status` in place of the error's own; `told` stands beside the error."""
    status = status or error.status
    message = conceal(error.message)
    body = escape_all_halves(error_body(status, error.code, message, param=error.param, plugin=error.plugin))
    body |= told or {}
    if method not in READING:
        body["changed"] = False
    return JSONResponse(body, status, headers)


async def _tell(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, JackfieldError)
    return answer_error(request.method, error)


async def _tell_invalid(request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong; where it is JSON itself, that is all there is to say."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", first["msg"])
        return answer_error(request.method, Malformed(f"The body is not JSON: {reason}"))
    field = ".".join(str(part) for part in first["loc"][1:])
    told = f"{field}: {first['msg']}" if field else f"The body: {first['msg']}"
    return answer_error(request.method, Unprocessable(told, param=field or None))


async def _tell_http(request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    told: JackfieldError
    if error.status_code == 404:
        told = NotFound(f"There is nothing at {path}")
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        told = MethodNotAllowed(f"{request.method} {path}: use {allowed}")
    else:
        told = Malformed("The body is not JSON")
    return answer_error(request.method, told, error.headers)


async def _tell_fault(request: Request, error: Exception) -> JSONResponse:
    """The exception goes on to the log; the client is told no more than that there was one."""
    return answer_error(request.method, fault())
