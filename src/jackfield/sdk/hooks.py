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
from jackfield.sdk.shapes import is_sound
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


_BY_OPERATION = {"pre_flight": REQUESTS, "response_body": RESPONSES}


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
        if self.many and isinstance(value, tuple):
            items = (Candidate,) if self.name == "routing" else self.replaces
            return all(isinstance(item, items) and is_sound(item) for item in value)
        wanted = _BY_OPERATION.get(self.name)
        kinds = self.replaces if wanted is None else wanted[operation]
        if self.name == "routing" and not isinstance(value, Candidate):
            kinds = REQUESTS[operation]
        return isinstance(value, kinds) and is_sound(value)


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
            when="The candidates are known. Once a request. A request in their place is routed anew.",
            outcomes=(Continue, Replace, Reject, Answer),
            replaces=(Candidate, *Request.__args__),
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
OWNERS = {
    "edits": "response_body",
    "replaces_record": "background",
    "sees_answer": "background",
    "hold": "response_chunk",
    "look_behind": "response_chunk",
}


class HookSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What an author declared about one hook; `priority` and `timeout_ms` are `None` where they leave it to
    defaults. Some are for dialects: `own_policy` lets an author choose also where the point's policy is fixed;
    an `inner` one is the dialect's own, bound beside the author's: what an operator says of the plugin is not meant for
    it, what it does is not counted as the plugin's, and it goes on while the plugin is in quarantine; `forward` keeps
    hooks that say so in the order of their priorities among themselves where a point runs in reverse, and lets them run
    whether or not the plugin's own pre hooks did; and without `sees_errors` a hook at `response_body` is not called for
    an error in place of an answer."""

    point: PointName
    name: str
    on_failure: Policy
    own_policy: bool = False
    inner: bool = False
    forward: bool = False
    priority: int | None = None
    timeout_ms: int | None = None
    edits: bool = False
    sees_errors: bool = True
    replaces_record: bool = False
    sees_answer: bool = False
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
    replaces_record: bool = False,
    sees_answer: bool = False,
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
    events, and how much text already sent the hook can see. Text kept back is shown again with what follows, as the
    hook itself left it. `replaces_record` (background) leaves the record of the exchange to the hook; `sees_answer`
    (background) keeps the answer for it, also that of a stream. `before` and `after` name plugins. Raises `TypeError`
    where these do not fit the point.
    """
    known = POINTS.get(point)
    if known is None:
        raise TypeError(f"hook: unknown point {point!r}; one of {', '.join(POINTS)}")
    spec = HookSpec(
        point=point,
        name="",
        on_failure=_policy(known, on_failure),
        priority=priority,
        timeout_ms=timeout_ms,
        edits=edits,
        replaces_record=replaces_record,
        sees_answer=sees_answer,
        look_behind=look_behind,
        hold=hold,
        operations=operations,
        before=before,
        after=after,
    )
    _check_owner(known, spec)
    _check_values(known, spec)
    _check_names(known, spec)

    def mark(function: F) -> F:
        _check_function(known, function)
        named = msgspec.structs.replace(spec, name=function.__name__)
        setattr(function, MARK, (*getattr(function, MARK, ()), named))
        return function

    return mark


def _check_function(point: HookPoint, function: HookFunction) -> None:
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"hook {getattr(function, '__qualname__', function)}: must be `async def`")
    given = ("self", "exchange", "event") if point.name == "response_chunk" else ("self", "exchange")
    try:
        inspect.signature(function).bind(*given)
    except TypeError as error:
        raise TypeError(f"hook {function.__qualname__}: is called with ({', '.join(given)}): {error}") from error


def _policy(point: HookPoint, stated: Policy | None) -> Policy:
    if point.policy is None:
        if stated not in ("open", "closed"):
            raise TypeError(f"hook {point.name}: state on_failure='open' or 'closed'")
        return stated
    if stated not in (None, point.policy):
        raise TypeError(f"hook {point.name}: on_failure is always {point.policy!r} here")
    return point.policy


def _check_owner(point: HookPoint, spec: HookSpec) -> None:
    """Options that only one point has."""
    for name, owner in OWNERS.items():
        if getattr(spec, name) and point.name != owner:
            raise TypeError(f"hook {point.name}: `{name}` is for {owner}")


def _check_values(point: HookPoint, spec: HookSpec) -> None:
    for name, least in (("hold", 0), ("look_behind", 0), ("timeout_ms", 1)):
        value = getattr(spec, name)
        if value is not None and (type(value) is not int or value < least):
            raise TypeError(f"hook {point.name}: `{name}` must be a whole number from {least} on, not {value!r}")
    if spec.priority is not None and type(spec.priority) is not int:
        raise TypeError(f"hook {point.name}: `priority` must be a whole number, not {spec.priority!r}")


def _check_names(point: HookPoint, spec: HookSpec) -> None:
    for name in ("operations", "before", "after"):
        value = getattr(spec, name)
        if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
            raise TypeError(f"hook {point.name}: `{name}` must be a tuple of names, not {value!r}")
    for operation in spec.operations:
        if operation not in OPERATIONS:
            raise TypeError(f"hook {point.name}: unknown operation {operation!r}; one of {', '.join(OPERATIONS)}")


def hooks_of(kind: type[Any]) -> tuple[HookSpec, ...]:
    """The hooks that a plugin class declares, inherited ones included, in the order of their names. A hook has the name
    of the attribute that it is found under."""
    return tuple(
        msgspec.structs.replace(spec, name=name)
        for name in sorted(dir(kind))
        for spec in getattr(inspect.getattr_static(kind, name), MARK, ())
    )
