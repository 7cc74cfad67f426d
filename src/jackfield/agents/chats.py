"""Chat and messages requests whose tools the gateway runs: the answer has the client's own format."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

import msgspec

from jackfield.agents.bounds import Bounds
from jackfield.agents.events import RunEvent, ToolEnded, ToolStarted, describe
from jackfield.agents.heads import STOPPED, stream_head, whole_head
from jackfield.agents.loop import Follow, Run, Task, ToolLoop
from jackfield.agents.relay import GAP, Relay
from jackfield.agents.selection import EVERY, TOOLS_HEADER, Patterns, choose, wanted_tools
from jackfield.errors import JackfieldError, Malformed
from jackfield.hooks.caller import caller_of
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import State, dated
from jackfield.sdk.caller import Caller
from jackfield.wire.base import StreamEncoder, WireFormat
from jackfield.wire.chat import ChatEvent, ChatRequest, StreamStart

# Formats whose answer is one text.
_ONE_TEXT = frozenset({"openai_chat"})


class ToolChats:
    """`loops` says whether tools run for a caller that has not said so by header; it is asked with every request while
    there are tools, and so before the request is looked at: it knows the identity alone."""

    def __init__(self, loop: ToolLoop, loops: Callable[[Caller], bool] | None = None) -> None:
        self._loop, self._pipeline, self._loops = loop, loop.pipeline, loops

    def answer(self, state: State, follow: Follow) -> Awaitable[Answer]:
        """As the pipeline answers, in several turns where that is asked for."""
        wanted = wanted_tools(state.inbound.headers)
        if wanted == () or (wanted is None and self._loops is None):
            return self._pipeline.run(state)
        return self._answer(state, follow)

    async def _answer(self, state: State, follow: Follow) -> Answer:
        answer = await self._pipeline.receive(state)
        if answer is not None:
            return answer
        wanted = self._wanted(state)
        try:
            task = self._task(state, wanted) if wanted else None
        except JackfieldError as error:
            return await self._pipeline.refuse(state, error)
        if task is None:
            return await self._pipeline.run(state)
        client, told = state.route.format.answering(state.body), state.inbound.header("x-jackfield-tool-events") == "1"
        wants_usage, stream = state.peeked().stream_usage, state.stream
        run = self._loop.start(state, task, follow)
        await run.begin()
        if run.error is not None:
            return run.answer
        if not stream:
            return await _write_whole(run, client)
        encoder = client.stream_encoder(model=state.model, usage=wants_usage)
        relay = Relay(frozenset(tool.name for tool in task.request.tools), gaps=client.name in _ONE_TEXT)
        return Answer(stream_head(run), pieces=_write_stream(run, encoder, relay, told=told), release=run.aclose)

    def _wanted(self, state: State) -> Patterns:
        """The header as `ingress` has left it, else the setting."""
        wanted = wanted_tools(state.inbound.headers)
        if wanted is not None:
            return wanted
        identity = state.identity
        if self._loops is None or identity is None:
            return ()
        who = Caller(user=identity.user, app=identity.app, credential=identity.credential, models=identity.models)
        return EVERY if self._loops(who) else ()

    def _task(self, state: State, wanted: Patterns) -> Task | None:
        """Raises `Malformed`. `None` where there is nothing to run."""
        request = state.canonical_request()
        assert isinstance(request, ChatRequest)
        if request.tool_choice is not None and request.tool_choice.mode == "none":
            return None
        caller = caller_of(state)
        offered = dict(choose(self._loop.gate.offered(state.snapshot.tools, caller), wanted, TOOLS_HEADER.decode()))
        for tool in request.tools:
            offered.pop(tool.name, None)
        if offered and request.n not in (None, 1):
            raise Malformed("n: an answer that runs tools is one answer", param="n")
        bounds = Bounds(seconds=self._loop.timeout_s)
        return Task(request=request, offered=offered, caller=caller, bounds=bounds) if offered else None


async def _write_whole(run: Run, client: WireFormat) -> Answer:
    async with aclosing(run.events()) as events:
        async for _ in events:
            pass
    if run.error is not None:
        return run.answer
    response = run.tally.whole(GAP if client.name in _ONE_TEXT else "")
    encoded = client.encode_response(dated(run.first, response))
    return Answer(whole_head(run, encoded.dropped), encoded.body)


async def _write_stream(run: Run, encoder: StreamEncoder, relay: Relay, *, told: bool) -> AsyncGenerator[bytes, None]:
    """The turns' streams as one. Tool events, where asked for, and the reason of a stop are comments, which clients
    pass over."""
    turn = 0
    async with aclosing(run.events()) as heard:
        async for events in heard:
            if turn != run.tally.turns:
                turn = run.tally.turns
                relay.begin_turn()
            if written := _write(run, encoder, relay, events, told=told):
                yield written
    if run.error is not None:
        yield encoder.fail(run.error)
        return
    if run.tally.stopped is not None:
        yield b": %b: %b\n\n" % (STOPPED.encode(), run.tally.stopped.encode())
    choice = run.tally.choice
    ending = relay.end(run.tally.finish_reason, choice.stop_sequence, run.tally.usage)
    yield b"".join([_encode(run, encoder, event) for event in ending])


def _write(run: Run, encoder: StreamEncoder, relay: Relay, events: Sequence[RunEvent], *, told: bool) -> bytes:
    written: list[bytes] = []
    said: list[ChatEvent] = []
    for event in events:
        if not isinstance(event, ToolStarted | ToolEnded):
            said.append(event)
        elif told:
            name, data = describe(event)
            written.append(b": jackfield %b\n\n" % msgspec.json.encode({"event": name, **data}))
    return b"".join([*written, *(_encode(run, encoder, event) for event in relay.pass_on(said))])


def _encode(run: Run, encoder: StreamEncoder, event: ChatEvent) -> bytes:
    return encoder.encode(dated(run.first, event) if isinstance(event, StreamStart) else event)
