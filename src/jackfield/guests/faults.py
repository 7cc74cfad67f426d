"""What goes wrong on one side, as the other side raises it again.

Over a session an error is a text and a code. A guest's own exceptions keep the name of their class, so that operators
read of an isolated plugin what they would read of it in process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from jackfield.errors import (
    ConfigError,
    ConnectFailed,
    DeadlineExceeded,
    EgressRefused,
    JackfieldError,
    Malformed,
    ManifestError,
    RateLimited,
    SessionDenied,
    Unavailable,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from jackfield.sdk.memory import TooManyMemories
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.sdk.services import NotGranted, QuotaExceeded

UNKNOWN_EXCHANGE = "unknown_exchange"
INVALID_VALUE = "invalid_value"

_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,63}")
_FIELD = re.compile(r"(plugins\.config\.\S+?): (.*)", re.DOTALL)
_PERMISSION = re.compile("'([a-z]+:[a-z]+)'")
_WAIT = re.compile(r"in ([0-9]+(?:\.[0-9]+)?) s")


class Denied(JackfieldError):
    """What one side tells the other, with a code of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownExchange(Denied):
    """The guest does not know it: it is new, or has been lost and started since."""

    def __init__(self) -> None:
        super().__init__(UNKNOWN_EXCHANGE, "the exchange is not known: send its opening")


class GuestRaised(Exception):
    """The plugin's own exception, under its own name."""


# The host tells its guest


_CODES: Mapping[type[Exception], str] = {
    NotGranted: "not_granted",
    QuotaExceeded: "quota_exceeded",
    TooManyMemories: "too_many_memories",
}


def deny(error: Exception) -> Exception:
    """What a service raised, as the guest is told. Of what nobody promised to raise it learns the text alone."""
    if isinstance(error, JackfieldError):
        return error
    code = _CODES.get(type(error))
    if code is None:
        code = INVALID_VALUE if isinstance(error, ValueError) else type(error).__name__
    return Denied(code, str(error))


def revive(denied: SessionDenied, plugin: str) -> Exception:
    """What a service raised, as the guest raises it again."""
    maker = _MAKERS.get(denied.told)
    return denied if maker is None else maker(denied.message, plugin)


def _not_granted(message: str, plugin: str) -> Exception:
    found = _PERMISSION.search(message)
    if found is None or found[1] not in PERMISSIONS:
        return PermissionError(message)
    return NotGranted(plugin, found[1])


def _as_told(kind: type[Exception]) -> Callable[[str, str], Exception]:
    """For classes that make their text themselves, from what only the host knows."""

    def make(message: str, plugin: str) -> Exception:
        error = kind.__new__(kind)
        error.args = (message,)
        return error

    return make


def _rate_limited(message: str, plugin: str) -> Exception:
    found = _WAIT.search(message)
    return RateLimited(message, plugin=plugin, retry_after_s=float(found[1]) if found else None)


_MAKERS: Mapping[str, Callable[[str, str], Exception]] = {
    "not_granted": _not_granted,
    "quota_exceeded": _as_told(QuotaExceeded),
    "too_many_memories": _as_told(TooManyMemories),
    INVALID_VALUE: lambda message, plugin: ValueError(message),
    RateLimited.code: _rate_limited,
    DeadlineExceeded.code: lambda message, plugin: DeadlineExceeded(message, plugin=plugin),
    Unavailable.code: lambda message, plugin: Unavailable(message, plugin=plugin),
    EgressRefused.code: lambda message, plugin: EgressRefused(message, sent=False),
    ConnectFailed.code: lambda message, plugin: ConnectFailed(message),
    UpstreamTimeout.code: lambda message, plugin: UpstreamTimeout(message),
    UpstreamBroken.code: lambda message, plugin: UpstreamBroken(message),
    UpstreamError.code: lambda message, plugin: UpstreamError(message),
}

# What a service raised and the plugin let pass keeps its name.
_PASSED_ON = _MAKERS.keys() - {"not_granted", "quota_exceeded", "too_many_memories", INVALID_VALUE}


# The guest tells its host


def as_raised(denied: SessionDenied) -> Exception:
    """What the plugin's code raised, as the host raises it again."""
    if denied.told == ConfigError.code:
        found = _FIELD.fullmatch(denied.message)
        field, message = (found[1], found[2]) if found else (None, denied.message)
        return ConfigError(message, field=field, plugin=denied.plugin)
    if denied.told == ManifestError.code:
        return ManifestError(denied.message, plugin=denied.plugin)
    if denied.told == Malformed.code:
        return Malformed(denied.message)
    if denied.told in _PASSED_ON:
        return _MAKERS[denied.told](denied.message, denied.plugin or "")
    if _CLASS_NAME.fullmatch(denied.told):
        return _class_named(denied.told)(denied.message)
    return denied


@lru_cache(256)
def _class_named(name: str) -> type[GuestRaised]:
    return type(name, (GuestRaised,), {})


def own(error: BaseException) -> Exception:
    """What plugin code raised, such that it can be told: an interrupt or an exit is its call's error and no more."""
    if isinstance(error, Exception):
        return error
    return _class_named(type(error).__name__)(str(error))


# Failures of upstreams are data: the pipeline acts on what they say.


Kind = Literal["error", "refused", "unreachable", "timeout", "broken", "rejected"]

_KINDS: Mapping[type[UpstreamError], Kind] = {
    EgressRefused: "refused",
    ConnectFailed: "unreachable",
    UpstreamTimeout: "timeout",
    UpstreamBroken: "broken",
    UpstreamRejected: "rejected",
}
_CLASSES: Mapping[str, type[UpstreamError]] = {"error": UpstreamError, **{kind: of for of, kind in _KINDS.items()}}


class UpstreamFailure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An `UpstreamError` of a guest that is a provider, in the place of its answer. `status`, `code`, `body` and
    `format` are those of one that is `rejected`."""

    kind: Kind
    message: str
    sent: bool = True
    retry_after_s: float | None = None
    status: int = 502
    code: str | None = None
    body: bytes = b""
    format: str | None = None


def write_failure(error: UpstreamError) -> dict[str, Any]:
    rejected: dict[str, Any] = {}
    if isinstance(error, UpstreamRejected):
        rejected = {"status": error.status, "code": error.code, "body": error.body, "format": error.format}
    kind = next((kind for of, kind in _KINDS.items() if isinstance(error, of)), "error")
    told = {"kind": kind, "message": error.message, "sent": error.sent, "retry_after_s": error.retry_after_s}
    return {"failure": told | rejected}


def read_failure(told: Mapping[str, Any]) -> UpstreamError:
    """Raises `ValueError` where it is none."""
    try:
        failure = msgspec.convert(told.get("failure"), UpstreamFailure)
    except msgspec.ValidationError as error:
        raise ValueError(f"its failure is not understood: {error}") from error
    kind = _CLASSES[failure.kind]
    if kind is UpstreamRejected:
        return UpstreamRejected(
            failure.status,
            failure.message,
            code=failure.code,
            body=failure.body,
            format=failure.format,
            retry_after_s=failure.retry_after_s,
        )
    made = kind(failure.message)
    made.sent, made.retry_after_s = failure.sent, failure.retry_after_s
    return made
