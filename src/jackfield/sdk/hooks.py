"""All hook points, in the order of an exchange, and the decorator that marks a method as a hook.

The reference page of the hooks is made from `POINTS`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from jackfield.sdk.context import Candidate, Head, InboundRequest
from jackfield.sdk.outcomes import Answer, Continue, Drop, Identity, Outcome, Reject, Replace
from jackfield.transport.messages import OutgoingRequest
from jackfield.wire.base import OPERATIONS, Operation
from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    EmbeddingsRequest,
    EmbeddingsResponse,
    ErrorResponse,
    Request,
    Response,
    TokenCount,
)

Policy = Literal["open", "closed"]
PointName = Literal[
    "ingress",
    "auth",
    "pre_flight",
    "routing",
    "attempt",
    "response_head",
    "response_chunk",
    "response_body",
    "background",
]


REQUESTS: Mapping[Operation, tuple[type, ...]] = {
    "chat": (ChatRequest,),
    "count_tokens": (ChatRequest,),
    "embeddings": (EmbeddingsRequest,),
}
RESPONSES: Mapping[Operation, tuple[type, ...]] = {
    "chat": (ChatResponse, ErrorResponse),
    "count_tokens": (TokenCount, ErrorResponse),
    "embeddings": (EmbeddingsResponse, ErrorResponse),
}


class HookPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of an exchange. `policy` is `None` where the author must state one; `replaces` is what `Replace`
    takes."""

    name: PointName
    when: str
    outcomes: tuple[type[Outcome], ...]
    replaces: tuple[type, ...] = ()
    many: bool = False
    policy: Policy | None = None
    post: bool = False
    default_timeout_ms: int = 500

    def accepts(self, value: object, operation: Operation) -> bool:
        """Whether `value` may stand in a `Replace` here, in an exchange of this operation."""
        if self.name == "pre_flight":
            return isinstance(value, REQUESTS[operation])
        if self.name == "response_body":
            return isinstance(value, RESPONSES[operation])
        if self.many and isinstance(value, tuple):
            return all(isinstance(item, self.replaces) for item in value)
        return isinstance(value, self.replaces)


POINTS: dict[PointName, HookPoint] = {
    point.name: point
    for point in (
        HookPoint(
            name="ingress",
            when="Headers and body are read; the caller is not known yet.",
            outcomes=(Continue, Replace, Reject, Answer),
            replaces=(InboundRequest,),
            policy="closed",
        ),
        HookPoint(
            name="auth",
            when="The credential is extracted. Answer an Identity, None for `not mine`, or Reject.",
            outcomes=(Continue, Identity, Reject),
            policy="closed",
        ),
        HookPoint(
            name="pre_flight",
            when="The caller is known; no model is chosen yet.",
            outcomes=(Continue, Replace, Reject, Answer),
            replaces=Request.__args__,
        ),
        HookPoint(
            name="routing",
            when="The candidates are known. Once a request.",
            outcomes=(Continue, Replace, Reject),
            replaces=(Candidate,),
            many=True,
            policy="closed",
        ),
        HookPoint(
            name="attempt",
            when="Before each try of an upstream. The credential is added after this point.",
            outcomes=(Continue, Replace, Reject),
            replaces=(OutgoingRequest,),
            policy="closed",
        ),
        HookPoint(
            name="response_head",
            when="Status and headers for the client are known.",
            outcomes=(Continue, Replace, Reject),
            replaces=(Head,),
            post=True,
        ),
        HookPoint(
            name="response_chunk",
            when="Each event of a stream, decoded. Text can be held back and looked back at.",
            outcomes=(Continue, Replace, Drop, Reject),
            replaces=ChatEvent.__args__,
            many=True,
            post=True,
        ),
        HookPoint(
            name="response_body",
            when="The whole answer is known. On a stream: before it is sent if the hook edits, else at its end.",
            outcomes=(Continue, Replace, Reject),
            replaces=Response.__args__,
            post=True,
        ),
        HookPoint(
            name="background",
            when="After the last byte: usage, cost and timings are final.",
            outcomes=(Continue,),
            policy="open",
            post=True,
            default_timeout_ms=10_000,
        ),
    )
}

HookFunction = Callable[..., Awaitable[Outcome | None]]
F = TypeVar("F", bound=HookFunction)
MARK = "__jackfield_hooks__"


class HookSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What an author declared about one hook; `priority` and `timeout_ms` are `None` where they leave it to
    defaults."""

    point: PointName
    name: str
    on_failure: Policy
    priority: int | None = None
    timeout_ms: int | None = None
    edits: bool = False
    look_behind: int = 0
    hold: int = 0
    operations: tuple[Operation, ...] = OPERATIONS
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def hook(
    point: PointName,
    *,
    on_failure: Policy | None = None,
    priority: int | None = None,
    timeout_ms: int | None = None,
    edits: bool = False,
    look_behind: int = 0,
    hold: int = 0,
    operations: tuple[Operation, ...] = OPERATIONS,
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Marks an `async def` method as a hook.

    `on_failure` says what happens to the exchange when the hook raises, times out or answers nonsense: `closed`
    refuses it, `open` goes on. It must be stated at points without a fixed policy. `priority` is ascending, 100 by
    default. `edits` (response_body) holds streams back until the hook has seen the whole. `hold` and `look_behind`
    (response_chunk) are in characters: how much text is kept back so that a match cannot slip through between two
    events, and how much text already sent the hook can see. `before` and `after` name plugins. Raises `TypeError`
    where these do not fit the point.
    """
    known = POINTS.get(point)
    if known is None:
        raise TypeError(f"hook: unknown point {point!r}; one of {', '.join(POINTS)}")
    policy = _policy(known, on_failure)
    _check_options(known, edits=edits, hold=hold, look_behind=look_behind, timeout_ms=timeout_ms)

    def mark(function: F) -> F:
        _check_async(function)
        spec = HookSpec(
            point=point,
            name=function.__name__,
            on_failure=policy,
            priority=priority,
            timeout_ms=timeout_ms,
            edits=edits,
            look_behind=look_behind,
            hold=hold,
            operations=operations,
            before=before,
            after=after,
        )
        setattr(function, MARK, (*getattr(function, MARK, ()), spec))
        return function

    return mark


def _check_async(function: HookFunction) -> None:
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"hook {function.__qualname__}: must be `async def`")


def _policy(point: HookPoint, stated: Policy | None) -> Policy:
    if point.policy is None:
        if stated not in ("open", "closed"):
            raise TypeError(f"hook {point.name}: state on_failure='open' or 'closed'")
        return stated
    if stated not in (None, point.policy):
        raise TypeError(f"hook {point.name}: on_failure is always {point.policy!r} here")
    return point.policy


def _check_options(point: HookPoint, *, edits: bool, hold: int, look_behind: int, timeout_ms: int | None) -> None:
    if edits and point.name != "response_body":
        raise TypeError(f"hook {point.name}: `edits` is for response_body")
    if (hold or look_behind) and point.name != "response_chunk":
        raise TypeError(f"hook {point.name}: `hold` and `look_behind` are for response_chunk")
    if hold < 0 or look_behind < 0:
        raise TypeError(f"hook {point.name}: `hold` and `look_behind` cannot be negative")
    if timeout_ms is not None and timeout_ms <= 0:
        raise TypeError(f"hook {point.name}: `timeout_ms` must be above 0")


def hooks_of(kind: type[Any]) -> tuple[HookSpec, ...]:
    """The hooks that a plugin class declares, inherited ones included, in the order of their names."""
    return tuple(spec for name in sorted(dir(kind)) for spec in getattr(inspect.getattr_static(kind, name), MARK, ()))
