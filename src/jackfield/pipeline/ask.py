"""One question to one upstream, over HTTP or in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from time import time
from typing import TypeVar, get_args

import msgspec
import structlog

from jackfield.errors import JackfieldError, UpstreamBroken, UpstreamError, UpstreamRejected, UpstreamTimeout
from jackfield.hooks.dispatch import decide
from jackfield.hooks.steps import Steps
from jackfield.hooks.watchdog import BLOCKED_NS, report_blocked
from jackfield.host.routes import Destination, UpstreamLink
from jackfield.pipeline.answers import ByteFlow, EventFlow, Got, Whole
from jackfield.pipeline.exchange import State
from jackfield.pipeline.pieces import ReadPieces
from jackfield.sdk.context import Candidate
from jackfield.sdk.hooks import RESPONSES
from jackfield.sdk.outcomes import Headers
from jackfield.sdk.providers import ChatProvider, EmbeddingsProvider, PreparedRequest
from jackfield.sdk.shapes import is_sound
from jackfield.sdk.sign_in import CredentialHeader
from jackfield.telemetry.masking import masked
from jackfield.telemetry.text import describe_error
from jackfield.transport.dates import seconds_at
from jackfield.transport.messages import Deadlines, OutgoingRequest
from jackfield.transport.response import UpstreamResponse
from jackfield.wire.anthropic_count_tokens import estimate_tokens
from jackfield.wire.base import WireFormat
from jackfield.wire.chat import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    EmbeddingsRequest,
    Response,
    TokenCount,
    Usage,
)
from jackfield.wire.sealing import without_foreign
from jackfield.wire.sse import MAX_EVENT_BYTES, split_whole

T = TypeVar("T")
LEAVING_S = 0.1
# Accounts have limits by the week and by the month.
LONGEST_WAIT_S = 31 * 86_400
EVENTS = frozenset(get_args(ChatEvent))

log = structlog.get_logger("jackfield.upstreams")

_PASSED_ON = (b"x-ratelimit-", b"anthropic-ratelimit-", b"openai-")


class ProviderCall:
    """A method of a provider in process, as it is reported where it keeps the loop."""

    __slots__ = ("_state", "link", "name")

    def __init__(self, state: State, link: UpstreamLink, name: str) -> None:
        self._state, self.link, self.name = state, link, name

    @property
    def plugin(self) -> str:
        return self.link.provider_id

    def report(self, step_ns: int) -> None:
        plugin = self._state.snapshot.plugins.get(self.plugin)
        if plugin is None:
            report_blocked(self, step_ns)
        else:
            plugin.guard.blocked(self, step_ns)


def ask_upstream(
    state: State, link: UpstreamLink, candidate: Candidate, deadlines: Deadlines, used: CredentialHeader | None = None
) -> Awaitable[Got]:
    """With the credential of the account that is `used`, or the upstream's own. Raises `UpstreamError`; for HTTP, a
    status of 400 and above is `UpstreamRejected`."""
    state.outgoing = None
    format = link.format_for(state.operation, state.client_format)  # noqa: A001
    if format is not None:
        return _over_http(state, link, candidate, deadlines, format, used)
    if state.operation == "count_tokens":
        return _estimate(state)
    return _in_process(state, link, candidate, deadlines)


async def _estimate(state: State) -> Got:
    request = state.canonical_request()
    assert isinstance(request, ChatRequest)
    return Whole(response=TokenCount(input=estimate_tokens(request), estimated=True))


async def _over_http(
    state: State,
    link: UpstreamLink,
    candidate: Candidate,
    deadlines: Deadlines,
    format: WireFormat,  # noqa: A002
    used: CredentialHeader | None,
) -> Got:
    destination = _destination(state, link, candidate, format)
    if used is not None:
        destination = destination.signed_in(used)
    body = without_foreign(format.name, _body(state, candidate, format))
    if link.shapes is not None:
        body = link.shapes.shape(body, state.operation, candidate.model)
    if link.patient is None:
        outgoing = _outgoing(state, link, destination, body, format)
    else:
        destination, outgoing = await _have_prepared(state, link, destination, body, format)
    if state.row.attempt:
        outgoing = destination.seal(await _ask_attempt_hooks(state, outgoing))
    response = await link.client.send(outgoing, deadlines)
    if response.status != 200 and (link.answers is None or not 200 <= response.status < 300):
        await _reject(response, format, link)
    if state.stream and state.operation == "chat":
        return await _open_stream(state, link, response, format)
    return await _read_whole(state, link, response, format)


def _destination(
    state: State,
    link: UpstreamLink,
    candidate: Candidate,
    format: WireFormat,  # noqa: A002
) -> Destination:
    """A boundary: a provider's `target` that fails is as good as an upstream that does. It cannot wait, and so not be
    cancelled: only an interrupt is not its own."""
    try:
        return link.destination(state.operation, candidate.model, format.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UpstreamBroken(f"provider {link.provider_id}: {describe_error(error)}", sent=False) from error


def _outgoing(
    state: State,
    link: UpstreamLink,
    destination: Destination,
    body: bytes,
    format: WireFormat,  # noqa: A002
) -> OutgoingRequest:
    """The request, without secrets where hooks will see it and whole where none will."""
    target = destination.target
    passed = _passed_on_to(state, link) if format.name == state.client_format else ()
    if not passed and not state.row.attempt:
        return OutgoingRequest("POST", target.url, destination.headers, body)
    names = {name for name, _ in passed}
    headers = (*(pair for pair in target.headers if pair[0] not in names), *passed)
    outgoing = OutgoingRequest("POST", target.url, headers, body)
    return outgoing if state.row.attempt else destination.seal(outgoing)


async def _have_prepared(
    state: State,
    link: UpstreamLink,
    destination: Destination,
    body: bytes,
    format: WireFormat,  # noqa: A002
) -> tuple[Destination, OutgoingRequest]:
    """Its provider's own request: without secrets where hooks will see it, as above."""
    assert link.patient is not None
    target = destination.target
    headers = (*target.headers, *(_passed_on_to(state, link) if format.name == state.client_format else ()))
    prepare = partial(link.patient.prepare_request, target.url, headers, body, format.name)
    try:
        made = await stranger(ProviderCall(state, link, "prepare_request"), prepare, link.deadlines.first_byte_s)
    except UpstreamError as error:
        error.sent = False
        raise
    if not isinstance(made, PreparedRequest) or not is_sound(made):
        told = f"provider {link.provider_id} prepared {type(made).__name__}, and no sound request"
        raise UpstreamBroken(told, sent=False)
    destination = destination.prepared(made.url, made.credentials)
    outgoing = OutgoingRequest("POST", made.url, made.headers, made.body)
    return destination, outgoing if state.row.attempt else destination.seal(outgoing)


def _passed_on_to(state: State, link: UpstreamLink) -> Headers:
    """Those of the client's headers that the provider passes on."""
    forwards = link.forwards
    return tuple([pair for pair in state.inbound.headers if pair[0] in forwards])


def _body(state: State, candidate: Candidate, format: WireFormat) -> bytes:  # noqa: A002
    """The request in the upstream's format: the client's own bytes wherever nothing has to change."""
    peek = state.peeked()
    if format is not state.route.format or state.replaced:
        request = state.canonical_request()
        changed = msgspec.structs.replace(request, model=candidate.model)
        if isinstance(changed, ChatRequest) and changed.stream:
            changed = msgspec.structs.replace(changed, stream_usage=True)
        encoded = format.encode_request(changed)
        state.dropped = frozenset(encoded.dropped)
        return encoded.body
    body = state.body
    if candidate.model != peek.model:
        body = format.with_model(body, candidate.model)
    if peek.stream and not peek.stream_usage:
        body = format.with_stream_usage(body)
    return body


async def _ask_attempt_hooks(state: State, outgoing: OutgoingRequest) -> OutgoingRequest:
    state.outgoing = outgoing

    def replace(value: OutgoingRequest) -> None:
        state.outgoing = value

    await decide(state.row.attempt, state.view, state.trace, replace)
    return state.outgoing


async def _reject(response: UpstreamResponse, format: WireFormat, link: UpstreamLink) -> None:  # noqa: A002
    body = await response.read()
    status = response.status
    if (error := link.read_error(status, body)) is not None:
        if error.retry_after_s is None:
            error.retry_after_s = _retry_after(response, time())
        raise error
    text = body.decode("utf-8", "replace")
    if (clean := masked(text)) != text:
        body = clean.encode()
    if status < 400:
        raise UpstreamBroken(f"status {status} where an answer was due")
    code, message = format.decode_error(body)
    raise UpstreamRejected(
        status, message, code=code, body=body, format=format.name, retry_after_s=_retry_after(response, time())
    )


def _retry_after(response: UpstreamResponse, now: float) -> float | None:
    """Seconds, from the form in seconds or in a date; nonsense counts as not given."""
    value = (response.header(b"retry-after") or b"").decode("latin-1")
    try:
        seconds = float(value) if value[:1].isdigit() else seconds_at(value) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return max(seconds, 0.0) if seconds <= LONGEST_WAIT_S else None


async def _read_whole(
    state: State,
    link: UpstreamLink,
    response: UpstreamResponse,
    format: WireFormat,  # noqa: A002
) -> Whole:
    body = await response.read()
    if link.answers is not None:
        body, state.stated_cost_usd = link.answers.read_answer(body, state.operation)
    if link.patient is not None:
        read = partial(link.patient.read_whole, response.status, response.headers, body, format.name)
        body = await stranger(ProviderCall(state, link, "read_whole"), read, link.deadlines.idle_s)
        if not isinstance(body, bytes):
            raise UpstreamBroken(f"provider {link.provider_id} read {type(body).__name__}, and no bytes")
    headers = _passed_on(response.headers)
    if not state.row.collects:
        state.usage, state.finish_reason = format.usage_of(body)
        return Whole(body=body, format=format, headers=headers)
    # Here, where another upstream may do better, it shows whether hooks can be given it.
    answer = format.decode_response(body)
    _note_use(state, answer)
    return Whole(body=body, format=format, response=answer, headers=headers)


def _passed_on(headers: Headers) -> Headers:
    return tuple([pair for pair in headers if pair[0].startswith(_PASSED_ON)])


async def _open_stream(
    state: State,
    link: UpstreamLink,
    response: UpstreamResponse,
    format: WireFormat,  # noqa: A002
) -> Got:
    """Waits for the first whole event, so that a stream that breaks before it can still fail over."""
    kind = (response.header(b"content-type") or b"").split(b";")[0].strip().lower()
    if kind == b"application/json":
        return await _read_whole(state, link, response, format)
    reader = None if link.answers is None else link.answers.read_stream(kind.decode("latin-1"))
    if reader is None and kind != b"text/event-stream":
        await response.aclose()
        raise UpstreamBroken(f"a stream was due and {kind.decode('latin-1') or 'nothing named'} came")
    scanner = format.stream_scanner(strip_usage=not state.peeked().stream_usage)
    flow = ByteFlow(response, format, scanner)
    flow.headers = _passed_on(response.headers)
    if reader is not None:
        flow.pieces = ReadPieces(flow.pieces, reader, state)
    try:
        await _await_first(flow)
    except BaseException:
        await response.aclose()
        raise
    return flow


def check_rest(rest: bytes) -> None:
    """Raises `UpstreamBroken` where one event has grown beyond what is kept."""
    if len(rest) > MAX_EVENT_BYTES:
        raise UpstreamBroken(f"the stream has an event of more than {MAX_EVENT_BYTES} bytes")


async def _await_first(flow: ByteFlow) -> None:
    held = b""
    async for piece in flow.pieces:
        first, held = split_whole(held + piece)
        check_rest(held)
        if first:
            flow.first, flow.rest = first, held
            break
    else:
        raise UpstreamBroken("the stream ended before its first event")
    flow.passed = flow.scanner.feed(first)
    error = flow.scanner.scan.error
    if error is not None:
        raise UpstreamRejected(502, error)


async def _in_process(state: State, link: UpstreamLink, candidate: Candidate, deadlines: Deadlines) -> Got:
    provider = link.provider
    request = msgspec.structs.replace(state.canonical_request(), model=candidate.model)
    if isinstance(request, EmbeddingsRequest):
        assert isinstance(provider, EmbeddingsProvider)
        embedding = ProviderCall(state, link, "embed")
        response: Response = await stranger(
            embedding, partial(provider.embed, request, link.seen), deadlines.first_byte_s
        )
        return _whole(state, link, response)
    assert isinstance(provider, ChatProvider)
    if request.stream:
        streaming = ProviderCall(state, link, "stream")
        return await _open_events(streaming, partial(provider.stream, request, link.seen), deadlines)
    completing = ProviderCall(state, link, "complete")
    response = await stranger(completing, partial(provider.complete, request, link.seen), deadlines.first_byte_s)
    return _whole(state, link, response)


def _whole(state: State, link: UpstreamLink, response: Response) -> Whole:
    """A provider's answer, after a look at what it is."""
    if type(response) not in RESPONSES[state.operation] or not is_sound(response):
        raise UpstreamBroken(f"provider {link.provider_id} answered no sound {state.operation}")
    if not isinstance(response.usage, Usage | None):
        raise UpstreamBroken(f"provider {link.provider_id} answered no sound usage")
    _note_use(state, response)
    return Whole(response=response)


def _note_use(state: State, response: Response) -> None:
    state.usage = response.usage
    if isinstance(response, ChatResponse):
        state.finish_reason = response.choices[0].finish_reason if response.choices else None


async def _open_events(
    who: ProviderCall, stream: Callable[[], AsyncIterator[ChatEvent]], deadlines: Deadlines
) -> EventFlow:
    events: list[AsyncIterator[ChatEvent]] = []

    async def begin() -> ChatEvent | None:
        events.append(stream())
        return await anext(events[0], None)

    first = await stranger(who, begin, deadlines.first_byte_s)
    if first is None:
        raise UpstreamBroken("the stream ended before its first event")
    return EventFlow(_checked(first, who.link), watched(who, events[0]))


async def watched(who: ProviderCall, events: AsyncIterator[ChatEvent]) -> AsyncGenerator[ChatEvent, None]:
    """A provider's events, each within the idle deadline."""
    link = who.link
    while (event := await stranger(who, partial(anext, events, None), link.deadlines.idle_s)) is not None:
        yield _checked(event, link)


def _checked(event: ChatEvent, link: UpstreamLink) -> ChatEvent:
    if type(event) not in EVENTS or not is_sound(event):
        raise UpstreamBroken(f"provider {link.provider_id} streamed what is no event: {type(event).__name__}")
    return event


async def stranger(who: ProviderCall, call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Asks a provider in process. A boundary: whatever it raises becomes an `UpstreamError`, and one that does not end
    when it is told to is left behind."""
    name = who.link.name
    task = asyncio.ensure_future(_noted(who, call))
    try:
        await asyncio.wait((task,), timeout=seconds)
    except asyncio.CancelledError:
        await _leave(task, name)
        raise
    if not task.done():
        await _leave(task, name)
        raise UpstreamTimeout(f"{name}: nothing came within {seconds:g} s")
    try:
        return task.result()
    except _Broke as broke:
        raise UpstreamBroken(f"{name}: {broke}") from broke


async def _noted(who: ProviderCall, call: Callable[[], Awaitable[T]]) -> T:
    """The call, which the watchdog knows of while it has the loop."""
    steps = Steps(who, _awaited(call))
    try:
        result: T = await steps
        return result
    finally:
        if steps.longest_ns > BLOCKED_NS:
            who.report(steps.longest_ns)


class _Broke(Exception):
    """What a provider raised, in words."""


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except JackfieldError:
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        raise _Broke(describe_error(error)) from error


async def _leave(task: asyncio.Task[T], name: str) -> None:
    """Ends a call, or gives it up where it does not let itself be ended."""
    task.cancel()
    done, _ = await asyncio.wait((task,), timeout=LEAVING_S)
    if not done:
        log.error("provider_does_not_end", upstream=name)
    elif not task.cancelled():
        task.exception()
