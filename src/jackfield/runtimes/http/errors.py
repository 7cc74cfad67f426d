"""What a service says when it fails, however it says it: codes, whether trying again may help, and details."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from jackfield.errors import ConnectFailed, UpstreamError, UpstreamTimeout
from jackfield.telemetry.masking import masked
from jackfield.telemetry.text import escape_all_halves

AUTHENTICATION_FAILED, RATE_LIMIT_EXCEEDED = "authentication_failed", "rate_limit_exceeded"
INVALID_REQUEST, MODEL_NOT_FOUND = "invalid_request", "model_not_found"
PROVIDER_UNAVAILABLE, TIMEOUT, INTERNAL_ERROR = "provider_unavailable", "timeout", "internal_error"
QUOTA_EXCEEDED, CONTENT_FILTER = "quota_exceeded", "content_filter"

# What clients are answered with. A provider's credential is not the client's: its failure is no 401.
STATUSES: Mapping[str, int] = {
    AUTHENTICATION_FAILED: 502,
    RATE_LIMIT_EXCEEDED: 429,
    QUOTA_EXCEEDED: 429,
    INVALID_REQUEST: 400,
    CONTENT_FILTER: 400,
    MODEL_NOT_FOUND: 404,
    PROVIDER_UNAVAILABLE: 503,
    TIMEOUT: 504,
    INTERNAL_ERROR: 502,
}
TRANSIENT = frozenset({RATE_LIMIT_EXCEEDED, PROVIDER_UNAVAILABLE, TIMEOUT})
LONGEST_MESSAGE, LONGEST_CODE, LONGEST_DETAILS = 2_000, 100, 16_000
LONGEST_RETRY_S = 86_400.0
QUOTED = 300
DEEPEST = 100

_BY_STATUS = {
    400: INVALID_REQUEST,
    401: AUTHENTICATION_FAILED,
    402: QUOTA_EXCEEDED,
    403: AUTHENTICATION_FAILED,
    408: TIMEOUT,
    422: INVALID_REQUEST,
    429: RATE_LIMIT_EXCEEDED,
    502: PROVIDER_UNAVAILABLE,
    503: PROVIDER_UNAVAILABLE,
    504: TIMEOUT,
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One failure. `status` is what clients are answered with; `stated` whether the service gave the code itself;
    `reached` whether there was anybody."""

    code: str
    message: str
    transient: bool = False
    details: Mapping[str, Any] = {}
    status: int = 502
    stated: bool = False
    reached: bool = True

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else self.message

    @property
    def retry_after_s(self) -> float | None:
        """What `details.retry_after` asks for; nonsense counts as not given."""
        value = self.details.get("retry_after")
        try:
            seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
        except ValueError:
            return None
        return seconds if 0 <= seconds <= LONGEST_RETRY_S else None


class ServiceFault(Exception):
    """Raised where a service was asked and failed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def read_fault(status: int, body: bytes, *, about_model: bool = False) -> Fault:
    """What an answer with an error status says. `about_model` is whether a 404 can mean the model."""
    code, message, told = "", "", _decode(body)
    transient: bool | None = None
    details: Any = None
    if isinstance(told, dict):
        code = _code_in(told)
        message = _message_in(told)
        transient, details = told.get("transient"), told.get("details")
    stated = bool(code)
    code = code or _code_for(status, about_model=about_model)
    if not isinstance(transient, bool):
        transient = not stated and code in TRANSIENT
    return Fault(
        code=code,
        message=message or f"status {status}: {quote(body)}",
        transient=transient,
        details=_clean_details(details),
        status=STATUSES.get(code) or (status if 400 <= status <= 599 and status not in (401, 499) else 502),
        stated=stated,
    )


def is_fault(told: Any) -> bool:
    """Whether a decoded object is an error in the place of an answer."""
    return (
        isinstance(told, dict)
        and "choices" not in told
        and isinstance(told.get("code"), str)
        and isinstance(told.get("message"), str)
    )


def fault_of_transport(error: UpstreamError) -> Fault:
    """What the way to the service came to."""
    if isinstance(error, UpstreamTimeout):
        return _own(TIMEOUT, f"it did not answer in time: {error.message}")
    if isinstance(error, ConnectFailed):
        absent = _own(PROVIDER_UNAVAILABLE, f"it cannot be reached: {error.message}")
        return msgspec.structs.replace(absent, reached=False)
    return _own(PROVIDER_UNAVAILABLE, f"it broke off: {error.message}")


def not_understood(body: bytes, why: str) -> Fault:
    """For a success that holds no answer."""
    return Fault(code=INTERNAL_ERROR, message=f"{why}: {quote(body)}", status=STATUSES[INTERNAL_ERROR])


def _own(code: str, message: str) -> Fault:
    told = masked(message)[:LONGEST_MESSAGE]
    return Fault(code=code, message=told, transient=code in TRANSIENT, status=STATUSES[code])


def _code_for(status: int, *, about_model: bool) -> str:
    if status == 404:
        return MODEL_NOT_FOUND if about_model else INTERNAL_ERROR
    return _BY_STATUS.get(status, INVALID_REQUEST if 400 <= status < 500 else INTERNAL_ERROR)


def _decode(body: bytes) -> Any:
    try:
        return read_json(body)
    except ValueError:
        return None


def read_json(body: bytes) -> Any:
    """Raises `ValueError`, for what is nested so deeply that whoever walks through it falls, too."""
    try:
        value = msgspec.json.decode(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return value
    raise ValueError(f"nested more than {DEEPEST} deep")


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _code_in(told: dict[str, Any]) -> str:
    """Only the plugin's own: what an upstream of its calls an error is in other words than ours."""
    code = told.get("code")
    return _clean(code, LONGEST_CODE) if isinstance(code, str) else ""


def _message_in(told: dict[str, Any]) -> str:
    for key in ("message", "error", "detail"):
        found = told.get(key)
        if isinstance(found, dict):
            found = found.get("message")
        if isinstance(found, str) and found.strip():
            return _clean(found, LONGEST_MESSAGE)
    return ""


def _clean(text: str, longest: int) -> str:
    return masked(str(escape_all_halves(text[:longest])))


def _clean_details(details: Any) -> dict[str, Any]:
    """They go to clients: no secret in them, and no more than an answer can bear."""
    if not isinstance(details, dict):
        return {}
    text = masked(msgspec.json.encode(escape_all_halves(details)).decode())
    if len(text) > LONGEST_DETAILS:
        return {}
    cleaned = _decode(text.encode())
    return cleaned if isinstance(cleaned, dict) else {}


def quote(body: bytes) -> str:
    """The beginning of what came, on one line."""
    text = masked(" ".join(body[: QUOTED * 4].decode("utf-8", "replace").replace("\0", "").split()))
    return (text if len(text) <= QUOTED else text[:QUOTED] + "…") or "nothing"
