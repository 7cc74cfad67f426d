"""What came of one exchange: the answer as the client has it, and everything that happened on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec

from jackfield.control.records import UsageRecord
from jackfield.errors import JackfieldError
from jackfield.hooks.trace import Trace
from jackfield.pipeline.exchange import State
from jackfield.sdk.outcomes import Outcome
from jackfield.testing.changes import Change, plain
from jackfield.testing.scripted import Sent
from jackfield.wire.chat import (
    ChatEvent,
    ErrorResponse,
    Request,
    Response,
    StreamFailure,
)
from jackfield.wire.collect import StreamCollector
from jackfield.wire.sse import EventReader


@dataclass(frozen=True, kw_only=True)
class Told:
    """An error as the client was told it. `plugin` is the one that decided, if one did."""

    status: int
    code: str
    message: str
    plugin: str | None = None


@dataclass(frozen=True)
class Phase:
    name: str
    at_ms: float
    ms: float


@dataclass(frozen=True, kw_only=True)
class HookCall:
    """One call of one hook; the calls of a chunk hook that ended alike are one, with `times`. `outcome` is `passed`,
    the name of what it answered, `failed`, `timeout`, `quarantined`, `cancelled` or `malformed`; `answer` what it
    answered; `error` what it raised."""

    point: str
    plugin: str
    hook: str
    outcome: str
    ms: float
    times: int = 1
    answer: Outcome | None = None
    changes: tuple[Change, ...] = ()
    error: BaseException | None = None

    @property
    def is_trouble(self) -> bool:
        return self.outcome in ("failed", "timeout", "quarantined")


@dataclass(frozen=True, eq=False)
class Seen:
    """One call of a hook as a watcher beside it saw it."""

    point: str
    plugin: str
    hook: str
    answer: Any = None
    change: Change | None = None
    error: BaseException | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.point, self.plugin, self.hook)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """`answer` is the canonical answer: a completion, embeddings, a count or an `ErrorResponse`; for a stream what its
    events add up to. `sent` is what upstreams were asked, `request` what the hooks have made of the request. `record`
    is the usage record, `None` where a hook has replaced it. `client_gone` is whether the client left before the
    end."""

    id: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    stream: bool
    events: tuple[ChatEvent, ...]
    answer: Response | None
    error: Told | None
    request: Request | None
    sent: tuple[Sent, ...]
    phases: tuple[Phase, ...]
    hooks: tuple[HookCall, ...]
    record: UsageRecord | None
    stats: Mapping[str, Any] = field(default_factory=dict)
    client_gone: bool = False

    @property
    def text(self) -> str:
        """The text of the answer; empty for an error."""
        return self.answer.text() if self.answer is not None else ""

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def outcomes(self) -> list[tuple[str, str, str]]:
        """Point, hook and outcome of each call, in order."""
        return [(call.point, call.hook, call.outcome) for call in self.hooks]

    @property
    def errors(self) -> tuple[HookCall, ...]:
        """The calls that went wrong."""
        return tuple(call for call in self.hooks if call.is_trouble)

    def call(self, hook: str) -> HookCall:
        """The only call of a hook. Raises `LookupError` where there is none, or more than one."""
        found = [call for call in self.hooks if call.hook == hook]
        if len(found) != 1:
            names = ", ".join(call.hook for call in self.hooks) or "none"
            raise LookupError(f"{len(found)} calls of {hook!r}; there were: {names}")
        return found[0]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "id": self.id,
            "status": self.status,
            "headers": dict(self.headers),
            "answer": plain(self.answer),
            "body": self.body.decode("utf-8", "replace"),
            "stream": self.stream,
            "error": None if self.error is None else vars(self.error),
            "phases": [vars(phase) for phase in self.phases],
            "hooks": [_call_as_json(call) for call in self.hooks],
            "sent": [
                {"upstream": one.upstream, "url": one.url, "headers": dict(one.headers), "body": plain(one.body)}
                for one in self.sent
            ],
            "record": None if self.record is None else plain(msgspec.structs.asdict(self.record)),
            "stats": dict(self.stats),
        }


def _call_as_json(call: HookCall) -> dict[str, Any]:
    return {
        "point": call.point,
        "plugin": call.plugin,
        "hook": call.hook,
        "outcome": call.outcome,
        "ms": call.ms,
        "times": call.times,
        "changes": [line for change in call.changes for line in change.lines()],
        "error": None if call.error is None else f"{type(call.error).__name__}: {call.error}",
    }


@dataclass
class Delivered:
    """What has reached the client."""

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    streamed: bool = False


def read_trial(
    state: State,
    delivered: Delivered,
    seen: Iterable[Seen],
    sent: Iterable[Sent],
    record: UsageRecord | None,
    stats: Mapping[str, Any],
) -> Trial:
    events = _read_events(state, delivered.body) if delivered.streamed else ()
    answer = _read_answer(state, delivered, events)
    return Trial(
        id=state.id,
        status=state.status,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in delivered.headers},
        body=delivered.body,
        stream=delivered.streamed,
        events=events,
        answer=answer,
        error=_read_error(state, answer, events),
        request=_read_request(state),
        sent=tuple(sent),
        phases=tuple(Phase(**_renamed(phase)) for phase in state.trace.phases()),
        hooks=tuple(read_calls(state.trace, seen)),
        record=record,
        stats=stats,
        client_gone=state.client_gone,
    )


def _read_request(state: State) -> Request | None:
    try:
        return state.canonical_request()
    except JackfieldError:
        return None


def _renamed(phase: dict[str, Any]) -> dict[str, Any]:
    return {"name": phase["phase"], "at_ms": phase["at_ms"], "ms": phase["ms"]}


def _read_events(state: State, body: bytes) -> tuple[ChatEvent, ...]:
    decoder = state.route.format.stream_decoder()
    return tuple(event for one in EventReader().feed(body) for event in decoder.decode(one.event, one.data))


def _read_answer(state: State, delivered: Delivered, events: tuple[ChatEvent, ...]) -> Response | None:
    if not delivered.status:
        return None
    if delivered.streamed:
        collector = StreamCollector()
        for event in events:
            collector.add(event)
        return collector.response()
    if delivered.status >= 400:
        code, message = state.route.format.decode_error(delivered.body)
        return ErrorResponse(status=delivered.status, code=code, message=message, plugin=_blamed(state))
    return state.route.format.decode_response(delivered.body)


def _blamed(state: State) -> str | None:
    return state.error.plugin if state.error is not None else state.decided_by


def _read_error(state: State, answer: Response | None, events: tuple[ChatEvent, ...]) -> Told | None:
    if isinstance(answer, ErrorResponse):
        code = answer.code
        if state.error is not None and state.error.message == answer.message:
            code = state.error.code
        return Told(status=answer.status, code=code, message=answer.message, plugin=answer.plugin)
    failure = next((event for event in events if isinstance(event, StreamFailure)), None)
    if failure is None:
        return None
    error = state.error
    code = failure.code if error is None else error.code
    status = 502 if error is None else error.status
    return Told(status=status, code=code, message=failure.message, plugin=_blamed(state))


def read_calls(trace: Trace, seen: Iterable[Seen]) -> Iterable[HookCall]:
    """The trace's calls by when they began, each with what the watcher beside it saw."""
    waiting = list(seen)
    for call in sorted(trace.calls(), key=itemgetter("at_ms")):
        key = (call["point"], call["plugin"], call["hook"])
        mine = [] if call["outcome"] == "quarantined" else _take(waiting, key, call["times"], call["outcome"])
        yield HookCall(
            point=key[0],
            plugin=key[1],
            hook=key[2],
            outcome=call["outcome"],
            ms=call["ms"],
            times=call["times"],
            answer=mine[0].answer if mine else None,
            changes=tuple(one.change for one in mine if one.change is not None),
            error=next((one.error for one in mine if one.error is not None), None),
        )


def _take(waiting: list[Seen], key: tuple[str, str, str], times: int, outcome: str) -> list[Seen]:
    """Removes and returns what was seen of a call. Of a chunk hook the calls are told by how they ended."""
    mine = [one for one in waiting if one.key == key]
    if key[0] == "response_chunk":
        mine = [one for one in mine if _ended(one) == outcome]
    mine = mine[:times]
    for one in mine:
        waiting.remove(one)
    return mine


def _ended(one: Seen) -> str:
    if one.error is not None:
        return "failed"
    if one.answer is None or type(one.answer).__name__ == "Continue":
        return "passed"
    return type(one.answer).__name__.lower()
