"""Phase `response_chunk`: a stream on its way to the client.

There are three ways: bytes are forwarded whole event by whole event; or events are decoded, shown to hooks and encoded
for the client; or, where a hook edits the whole answer, everything is held until it is known and then sent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial

import structlog

from jackfield.errors import JackfieldError, UpstreamBroken, UpstreamError
from jackfield.pipeline.answers import Answer, ByteFlow, EventFlow
from jackfield.pipeline.ask import check_rest
from jackfield.pipeline.call import for_client
from jackfield.pipeline.chunks import Chain
from jackfield.pipeline.echoes import told_to_operators
from jackfield.pipeline.exchange import State, answer_headers, dated, error_response
from jackfield.pipeline.kept import HELD_BYTES, KeptBytes, KeptEvents, weigh
from jackfield.pipeline.respond import due, error_answer, respond_error, run_body_hooks, run_head_hooks
from jackfield.sdk.context import Head
from jackfield.sdk.outcomes import Headers
from jackfield.wire.chat import (
    ChatEvent,
    ChatResponse,
    ErrorResponse,
    Finish,
    StreamEnd,
    StreamFailure,
    StreamStart,
    TextDelta,
    UsageReport,
)
from jackfield.wire.collect import StreamCollector, replay
from jackfield.wire.sse import EventReader, parse_event, split_whole

EVENT_STREAM: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
)

log = structlog.get_logger("jackfield.upstreams")

_ENDS = frozenset({Finish, StreamEnd, StreamFailure})
_NOTED = frozenset({UsageReport, Finish, StreamFailure, StreamEnd})

Flow = ByteFlow | EventFlow
Batch = tuple[bytes | None, tuple[ChatEvent, ...]]


async def stream(state: State, flow: Flow) -> Answer:
    """The client's answer to a stream that has begun. Raises nothing that a hook does."""
    if state.row.holds:
        return await _hold(state, flow)
    await _open_head(state, flow.headers if isinstance(flow, ByteFlow) else ())
    if state.error is not None:
        await close(flow)
        await run_body_hooks(state)
        return error_answer(state)
    assert state.head is not None
    return Answer(state.head, pieces=_choose_way(state, flow), release=partial(close, flow))


def _choose_way(state: State, flow: Flow) -> AsyncGenerator[bytes, None]:
    if isinstance(flow, ByteFlow) and flow.format is state.route.format and not state.row.response_chunk:
        return _forward(state, flow)
    return _translate(state, flow)


async def _open_head(state: State, headers: Headers) -> None:
    state.head = Head(200, EVENT_STREAM + answer_headers(state) + headers)
    if state.row.response_head:
        await run_head_hooks(state)


async def close(flow: Flow) -> None:
    if isinstance(flow, ByteFlow):
        await flow.response.aclose()
    else:
        await flow.events.aclose()


async def _forward(state: State, flow: ByteFlow) -> AsyncGenerator[bytes, None]:
    """Whole events as they came. Half an event is never sent on."""
    scanner = flow.scanner
    scan = scanner.scan
    kept = KeptBytes(flow.format) if state.row.collects or state.told is not None else None
    rest = flow.rest
    if kept is not None:
        kept.add(flow.first)
    try:
        if flow.passed:
            yield flow.passed
        async for piece in flow.pieces:
            whole, rest = split_whole(rest + piece if rest else piece)
            check_rest(rest)
            if kept is not None:
                kept.add(whole)
            if whole and (passed := scanner.feed(whole)):
                yield passed
        if not scan.finished and scan.error is None:
            raise UpstreamBroken(_cut_short(rest))
    except JackfieldError as error:
        told = _told(state, error)
        state.fail(told)
        yield scanner.fail(told)
    finally:
        state.usage, state.finish_reason = scan.usage, scan.finish_reason
        if scan.error is not None:
            state.fail(UpstreamBroken(scan.error))
        await flow.response.aclose()
    if kept is not None:
        await _observe(state, kept)


def _cut_short(rest: bytes) -> str:
    return "the stream ended in the middle of an event" if rest.strip() else "the stream ended without its end mark"


def _told(state: State, error: JackfieldError) -> JackfieldError:
    """A break in the stream as the client may see it; the upstream's breaker and the log hear of it whole."""
    served = state.served_by
    if not isinstance(error, UpstreamError) or served is None:
        return error
    told = told_to_operators(error.message, state.inbound.body, (state.model, served.model))
    log.warning("upstream_broke_stream", upstream=served.upstream, request=state.id, error=told)
    state.snapshot.routes.links[served.upstream].breaker.failure()
    return for_client(error, served.upstream)


async def _observe(state: State, kept: KeptBytes | KeptEvents) -> None:
    """The `response_body` hooks at a stream's end: all has been sent, so what they answer changes nothing."""
    try:
        state.response = error_response(state.error) if state.error is not None else kept.response()
    except JackfieldError as error:
        state.response = error_response(error)
    await run_body_hooks(state, sent=True)


async def batches(state: State, flow: Flow) -> AsyncIterator[list[Batch]]:
    """What each read from the upstream brought: canonical events with the bytes they came in, where the client could be
    sent these same bytes. Who takes them `note`s each. Raises `UpstreamBroken` where the stream is not whole."""
    if isinstance(flow, EventFlow):
        async for batch in _event_batches(state, flow):
            yield batch
        return
    same = flow.format is state.route.format
    reader, decoder = EventReader(), flow.format.stream_decoder()
    decode = decoder.decode
    data: bytes | None = flow.first + flow.rest
    while data is not None:
        read: list[Batch] = []
        for raw, told in reader.split(data):
            if told is None:
                sent = parse_event(raw)
                events = decode(sent.event, sent.data)
            else:
                events = decode("", told)
            read.append((raw if same and decoder.faithful else None, events))
        yield read
        data = await anext(flow.pieces, None)
    if not state.stream_ended:
        raise UpstreamBroken(_cut_short(reader.finish()))


async def _event_batches(state: State, flow: EventFlow) -> AsyncIterator[list[Batch]]:
    if flow.first is not None:
        yield [(None, (flow.first,))]
    async for event in flow.events:
        yield [(None, (event,))]
    if not state.stream_ended:
        raise UpstreamBroken(_cut_short(b""))


async def _translate(state: State, flow: Flow) -> AsyncGenerator[bytes, None]:
    outlet = Outlet(state, collect=state.row.collects or state.told is not None)
    try:
        async for read in batches(state, flow):
            out: list[bytes] = []
            try:
                await outlet.take_all(read, out)
            finally:
                if passed := b"".join(out):
                    yield passed
        if passed := await outlet.end():
            yield passed
    except JackfieldError as error:
        told = _told(state, error)
        state.fail(told)
        held = await _release(outlet) if isinstance(error, UpstreamError) else b""
        yield held + outlet.encoder.fail(told)
    finally:
        await close(flow)
    if outlet.kept is not None:
        await _observe(state, outlet.kept)


async def _release(outlet: Outlet) -> bytes:
    try:
        return await outlet.release()
    except JackfieldError:
        return b""  # a hook refused what was held back: the stream ends in an error anyway


class Outlet:
    """Where the events of one stream go to the client: past the hooks, and as the bytes they came in where no hook
    changed them. Once a hook has changed the sequence, and not just a text in its place, the bytes' own numbering of
    blocks no longer holds, and all that follows is encoded; so it is after any change where later events repeat what
    earlier ones said."""

    __slots__ = ("_chain", "_own_usage", "_reordered", "_restates", "_state", "encoder", "ended", "kept")

    def __init__(self, state: State, *, collect: bool) -> None:
        wants_usage = state.peeked().stream_usage
        self._state, self._own_usage = state, not wants_usage
        client = state.route.format
        self.encoder = client.answering(state.body).stream_encoder(model=state.model, usage=wants_usage)
        self._restates = client.restates
        hooks = due(state, state.row.response_chunk)
        self._chain = Chain(hooks, state) if hooks else None
        self.kept = KeptEvents() if collect else None
        self.ended = self._reordered = False

    async def take_all(self, read: list[Batch], out: list[bytes]) -> None:
        """Adds to `out` what goes to the client, as far as it comes."""
        chain = self._chain
        try:
            for raw, events in read:
                for event in events:
                    if type(event) in _NOTED:
                        self._note(event)
                passed = events if chain is None else chain.pass_on(events)
                if type(passed) is not tuple:
                    passed = await passed  # type: ignore[misc]
                out.append(self._render(raw, events, passed))
        finally:
            if chain is not None:
                chain.count()

    async def take(self, raw: bytes | None, events: tuple[ChatEvent, ...]) -> bytes:
        out: list[bytes] = []
        await self.take_all([(raw, events)], out)
        return out[0]

    def _note(self, event: ChatEvent) -> None:
        note(self._state, event)
        self.ended = self.ended or type(event) is StreamEnd

    def _render(self, raw: bytes | None, events: tuple[ChatEvent, ...], passed: tuple[ChatEvent, ...]) -> bytes:
        if self.kept is not None:
            for event in passed:
                self.kept.add(event)
        if passed is not events:
            self._reordered = self._reordered or self._restates or not _in_place(passed, events)
        elif raw is not None and not (
            self._reordered or (self._own_usage and len(events) == 1 and type(events[0]) is UsageReport)
        ):
            for event in passed:
                self.encoder.observe(event)
            return raw
        return b"".join([self._encode(event) for event in passed])

    async def release(self) -> bytes:
        """What hooks hold back, for a stream that breaks off: they have seen it, and nothing will follow it."""
        return b"" if self._chain is None else b"".join([self._encode(event) for event in await self._chain.end()])

    async def end(self) -> bytes:
        """The end that the upstream left out, if it did."""
        return b"" if self.ended else await self.take(None, (StreamEnd(),))

    def _encode(self, event: ChatEvent) -> bytes:
        return self.encoder.encode(dated(self._state, event) if type(event) is StreamStart else event)


def _in_place(passed: tuple[ChatEvent, ...], events: tuple[ChatEvent, ...]) -> bool:
    """Whether only texts were changed or left out."""
    if not passed:
        return all(type(event) is TextDelta for event in events)
    kinds = [(type(event), getattr(event, "index", None)) for event in passed]
    return kinds == [(type(event), getattr(event, "index", None)) for event in events]


def note(state: State, event: ChatEvent) -> None:
    """Keeps what the record needs of a stream, and whether it came to its end."""
    if type(event) in _ENDS:
        state.stream_ended = True
    if isinstance(event, UsageReport):
        state.usage = event.usage
    elif isinstance(event, Finish):
        state.finish_reason = event.reason
    elif isinstance(event, StreamFailure):
        state.fail(UpstreamBroken(event.message))


async def _hold(state: State, flow: Flow) -> Answer:
    """Waits for the whole answer, lets the hooks edit it, then streams what they left."""
    collector = StreamCollector()
    size = 0
    try:
        async for read in batches(state, flow):
            for raw, events in read:
                size += len(raw) if raw else sum(map(weigh, events))
                for event in events:
                    note(state, event)
                    collector.add(event)
            if size > HELD_BYTES:
                raise UpstreamBroken("the stream is longer than what can be held for a plugin")
    except JackfieldError as error:
        return await respond_error(state, _told(state, error))
    finally:
        await close(flow)
    return await stream_whole(state, collector.response())


async def stream_whole(state: State, response: ChatResponse) -> Answer:
    """A whole completion, after the hooks have seen it, as a stream."""
    state.response = response
    await _open_head(state, ())
    if state.row.response_body:
        await run_body_hooks(state)
    if isinstance(state.response, ErrorResponse):
        return error_answer(state)
    assert isinstance(state.response, ChatResponse)
    assert state.head is not None
    return Answer(state.head, pieces=_replayed(state, state.response))


def replay_answer(state: State, head: Head, response: ChatResponse) -> Answer:
    """A completion that a hook gave in place of an error, for a client that wants a stream."""
    others = tuple(pair for pair in head.headers if pair[0] != b"content-type")
    return Answer(Head(200, EVENT_STREAM + others), pieces=_replayed(state, response))


async def _replayed(state: State, response: ChatResponse) -> AsyncGenerator[bytes, None]:
    outlet = Outlet(state, collect=False)
    try:
        for event in replay(response):
            if out := await outlet.take(None, (event,)):
                yield out
    except JackfieldError as error:
        state.fail(error)
        yield outlet.encoder.fail(error)
