"""What a provider answers, as the rest of the gateway understands it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from jackfield.errors import ConnectFailed, UpstreamBroken, UpstreamError, UpstreamRejected, UpstreamTimeout
from jackfield.runtimes.http.errors import (
    INTERNAL_ERROR,
    PROVIDER_UNAVAILABLE,
    STATUSES,
    TIMEOUT,
    Fault,
    ServiceFault,
    not_understood,
    read_fault,
)
from jackfield.runtimes.http.frames import FrameReader, frames_for
from jackfield.sdk.providers import ReadAnswer
from jackfield.telemetry.masking import masked
from jackfield.wire.openai_errors import error_body

FORMAT = "openai_chat"
# Takes out what clients are not to see.
Clean = Callable[[Fault], Fault]

_encode = msgspec.json.Encoder().encode


class _Usage(msgspec.Struct):
    cost_usd: Any = None


class _Outline(msgspec.Struct):
    choices: Raw = Raw(b"")
    usage: _Usage | None = None


_read_outline = msgspec.json.Decoder(_Outline).decode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_read_anything = msgspec.json.Decoder(Any).decode


def reject(fault: Fault) -> UpstreamRejected:
    """The failure as clients see it, with what the provider said of it."""
    told = error_body(fault.status, fault.code, fault.message)
    told["error"]["transient"] = fault.transient
    if fault.details:
        told["error"]["details"] = dict(fault.details)
    return UpstreamRejected(
        fault.status,
        fault.message,
        code=fault.code,
        body=_encode(told),
        format=FORMAT,
        retry_after_s=fault.retry_after_s,
        again=fault.transient,
    )


def explain_loss(error: UpstreamError, plugin_id: str) -> UpstreamRejected:
    """An answer that did not come, or broke off; where the provider lives is the operator's business."""
    if isinstance(error, UpstreamTimeout):
        fault = _own_fault(TIMEOUT, f"provider {plugin_id} did not answer in time")
        rejected = reject(fault)
        # It had its time: once more would take as long again.
        rejected.again = False
        return rejected
    if isinstance(error, ConnectFailed) or not isinstance(error, UpstreamBroken):
        return reject(_own_fault(PROVIDER_UNAVAILABLE, f"provider {plugin_id} could not be reached"))
    if error.message.startswith("the upstream's answer is not understood"):
        return reject(_own_fault(INTERNAL_ERROR, f"provider {plugin_id}: {masked(error.message)}"[:500]))
    return reject(_own_fault(PROVIDER_UNAVAILABLE, f"provider {plugin_id} broke off its answer"))


def _own_fault(code: str, message: str) -> Fault:
    return Fault(code=code, message=message, transient=code != INTERNAL_ERROR, status=STATUSES[code])


def read_answer(body: bytes, clean: Clean) -> ReadAnswer:
    """A completion, with what it cost. One without choices gets an empty list of them, which clients expect. Raises
    `UpstreamRejected` for an error in the clothes of a success, after `clean` has had it."""
    try:
        outline = _read_outline(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ReadAnswer(_check_readable(body, clean))
    cost = None if outline.usage is None else outline.usage.cost_usd
    return ReadAnswer(body if bytes(outline.choices) else _complete(body, clean), cost)


def _check_readable(body: bytes, clean: Clean) -> bytes:
    try:
        if isinstance(_read_anything(body), dict):
            return body
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    raise reject(clean(not_understood(body, "it answered what is no completion")))


def _complete(body: bytes, clean: Clean) -> bytes:
    fields = _read_fields(body)
    if "error" in fields or {"code", "message"} <= fields.keys():
        raise reject(clean(read_fault(500, body)))
    if not {"id", "model", "usage"} & fields.keys():
        raise reject(clean(not_understood(body, "it answered what is no completion")))
    return _encode({**fields, "choices": []})


class Frames:
    """`StreamReader` of the SDK over what the runtime reads."""

    __slots__ = ("_clean", "_reader")

    def __init__(self, reader: FrameReader, clean: Clean) -> None:
        self._reader, self._clean = reader, clean

    @property
    def cost_usd(self) -> Any:
        return self._reader.cost_usd

    @property
    def ended(self) -> bool:
        return self._reader.ended

    def feed(self, data: bytes) -> bytes:
        try:
            return self._reader.feed(data)
        except ServiceFault as error:
            raise reject(self._clean(error.fault)) from error

    def finish(self) -> bytes:
        try:
            return self._reader.finish()
        except ServiceFault as error:
            raise reject(self._clean(error.fault)) from error


def read_stream(content_type: str, clean: Clean) -> Frames | None:
    reader = frames_for(content_type)
    return None if reader is None else Frames(reader, clean)
