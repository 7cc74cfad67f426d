"""What a hook answered, as JSON, and back. What does not fit is refused here; whether it fits the point is for the
dispatcher, as for any other hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jackfield.guests.exchanges import (
    TextHead,
    TextInbound,
    TextOutgoing,
    read_head,
    read_inbound,
    read_outgoing,
    write_head,
    write_inbound,
    write_outgoing,
)
from jackfield.guests.values import encode, reader
from jackfield.sdk.context import Candidate, Head, InboundRequest
from jackfield.sdk.outcomes import Answer, Continue, Drop, Identity, Outcome, Reject, Replace
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.chat import ChatEvent, Request, Response


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="is"):
    """The parent of outcomes as they are sent."""


class ToldReject(Told, frozen=True, kw_only=True, tag="reject"):
    status: int
    code: str
    message: str
    retry_after_s: float | None = None


class ToldReplace(Told, frozen=True, kw_only=True, tag="replace"):
    """One of these, by the point."""

    inbound: TextInbound | None = None
    request: Request | None = None
    candidates: tuple[Candidate, ...] | None = None
    outgoing: TextOutgoing | None = None
    head: TextHead | None = None
    events: tuple[ChatEvent, ...] | None = None
    response: Response | None = None


class ToldAnswer(Told, frozen=True, kw_only=True, tag="answer"):
    response: Response


class ToldDrop(Told, frozen=True, kw_only=True, tag="drop"):
    pass


class ToldIdentity(Told, frozen=True, kw_only=True, tag="identity"):
    user: str | None = None
    app: str | None = None
    credential: str | None = None
    namespace: str = "default"
    role: str = "inference"
    models: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = {}


_read = reader(ToldReject | ToldReplace | ToldAnswer | ToldDrop | ToldIdentity)


def write_outcome(outcome: object) -> bytes | None:
    """`None` where there is nothing to say. Raises `TypeError` and `ValueError` for what is no outcome."""
    if outcome is None or type(outcome) is Continue:
        return None
    write = _WRITERS.get(type(outcome))
    if write is None:
        raise TypeError(f"answered {type(outcome).__name__}, which is no outcome")
    return encode(write(outcome))


def read_outcome(told: object) -> Outcome | None:
    """Raises `ValueError`."""
    if told is None:
        return None
    if not isinstance(told, bytes):
        raise ValueError(f"its answer is {type(told).__name__}, and no outcome")
    try:
        return _revive(_read(told))
    except (ValueError, TypeError) as error:
        raise ValueError(f"its answer {error}") from error


def _revive(told: Any) -> Outcome:
    if isinstance(told, ToldReplace):
        return Replace(_replacement(told))
    if isinstance(told, ToldReject):
        return Reject(told.status, told.code, told.message, told.retry_after_s)
    if isinstance(told, ToldAnswer):
        return Answer(told.response)
    if isinstance(told, ToldIdentity):
        return Identity(**msgspec.structs.asdict(told))
    return Drop()


def _replacement(told: ToldReplace) -> Any:
    found = [(name, value) for name in told.__struct_fields__ if (value := getattr(told, name)) is not None]
    if len(found) != 1:
        raise ValueError(f"replaces {len(found)} things at once")
    name, value = found[0]
    read = _READERS.get(name)
    return value if read is None else read(value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "inbound": read_inbound,
    "outgoing": read_outgoing,
    "head": read_head,
}


def _write_replace(outcome: Replace) -> ToldReplace:
    value = outcome.value
    if isinstance(value, InboundRequest):
        return ToldReplace(inbound=write_inbound(value))
    if isinstance(value, OutgoingRequest):
        return ToldReplace(outgoing=write_outgoing(value))
    if isinstance(value, Head):
        return ToldReplace(head=write_head(value))
    if isinstance(value, Candidate):
        return ToldReplace(candidates=(value,))
    if isinstance(value, Request):
        return ToldReplace(request=value)
    if isinstance(value, Response):
        return ToldReplace(response=value)
    return _write_many(value if isinstance(value, tuple) else (value,))


def _write_many(values: tuple[Any, ...]) -> ToldReplace:
    if values and all(isinstance(value, Candidate) for value in values):
        return ToldReplace(candidates=values)
    if all(isinstance(value, ChatEvent) for value in values):
        return ToldReplace(events=values)
    kinds = ", ".join(type(value).__name__ for value in values)
    raise TypeError(f"replaced with {kinds}, which nothing can be replaced with")


_WRITERS: Mapping[type, Callable[[Any], Told]] = {
    Replace: _write_replace,
    Reject: lambda outcome: ToldReject(**msgspec.structs.asdict(outcome)),
    Answer: lambda outcome: ToldAnswer(response=outcome.response),
    Drop: lambda outcome: ToldDrop(),
    Identity: lambda outcome: ToldIdentity(**msgspec.structs.asdict(outcome)),
}
