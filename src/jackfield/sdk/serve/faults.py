"""Failures as hosts of HTTP providers read them: a code, a message, and whether trying again may help."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from pydantic import ValidationError

from jackfield.errors import (
    BudgetExceeded,
    ConnectFailed,
    DeadlineExceeded,
    EgressRefused,
    JackfieldError,
    ModelNotFound,
    RateLimited,
    RequestError,
    Unauthenticated,
    Unavailable,
    UpstreamBroken,
    UpstreamRejected,
    UpstreamTimeout,
)

# Each code with the status it goes with.
CODES: Mapping[str, int] = MappingProxyType(
    {
        "invalid_request": 400,
        "content_filter": 400,
        "authentication_failed": 401,
        "model_not_found": 404,
        "rate_limit_exceeded": 429,
        "quota_exceeded": 429,
        "internal_error": 500,
        "provider_unavailable": 503,
        "timeout": 504,
    }
)
TRANSIENT = frozenset({"rate_limit_exceeded", "provider_unavailable", "timeout"})

_CODE_OF_STATUS = {
    400: "invalid_request",
    401: "authentication_failed",
    402: "quota_exceeded",
    403: "authentication_failed",
    404: "model_not_found",
    408: "timeout",
    413: "invalid_request",
    422: "invalid_request",
    429: "rate_limit_exceeded",
    502: "provider_unavailable",
    503: "provider_unavailable",
    504: "timeout",
}
# The first that fits counts.
_CODE_OF_KIND: tuple[tuple[type[JackfieldError], str], ...] = (
    (RateLimited, "rate_limit_exceeded"),
    (ModelNotFound, "model_not_found"),
    (Unauthenticated, "authentication_failed"),
    (BudgetExceeded, "quota_exceeded"),
    (RequestError, "invalid_request"),
    (UpstreamTimeout, "timeout"),
    (DeadlineExceeded, "timeout"),
    (ConnectFailed, "provider_unavailable"),
    (EgressRefused, "internal_error"),
    (UpstreamBroken, "provider_unavailable"),
    (Unavailable, "provider_unavailable"),
)


class ProviderFault(UpstreamRejected):
    """A refusal in the words of hosts: one of their codes, or one of your own with its `status`. `transient` follows
    from the code where it is not given."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        transient: bool | None = None,
        retry_after_s: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status or CODES.get(code, 500), message, code=code, retry_after_s=retry_after_s)
        self.lasting = code not in TRANSIENT if transient is None else not transient
        self.details = dict(details or {})


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent. `transient` is always told: hosts take silence for no."""

    code: str
    message: str
    transient: bool
    details: Mapping[str, Any] = {}


def fault_of(error: JackfieldError) -> tuple[int, Fault]:
    """The status and body that tell of it."""
    code = _code_of(error)
    known = isinstance(error, ProviderFault)
    details = dict(error.details) if isinstance(error, ProviderFault) else {}
    if error.retry_after_s is not None:
        details.setdefault("retry_after", math.ceil(error.retry_after_s))
    transient = not error.lasting if isinstance(error, ProviderFault) else code in TRANSIENT
    status = error.status if known or isinstance(error, UpstreamRejected | RequestError) else CODES[code]
    return status, Fault(code=code, message=error.message, transient=transient, details=details)


def _code_of(error: JackfieldError) -> str:
    if isinstance(error, ProviderFault) or error.code in CODES:
        return error.code
    if isinstance(error, UpstreamRejected):
        return _CODE_OF_STATUS.get(error.status, "invalid_request" if error.status < 500 else "internal_error")
    return next((code for kind, code in _CODE_OF_KIND if isinstance(error, kind)), "internal_error")


def refuse_config(error: ValidationError) -> ProviderFault:
    """All that is wrong with a config, by field. What was given is not repeated: it may be a secret."""
    problems = [{"field": _path(each["loc"]), "message": each["msg"]} for each in error.errors(include_input=False)]
    said = "; ".join(f"{each['field']}: {each['message']}" if each["field"] else each["message"] for each in problems)
    return ProviderFault("invalid_request", said, details={"problems": problems})


def _path(steps: Iterable[int | str]) -> str:
    return ".".join(map(str, steps))
