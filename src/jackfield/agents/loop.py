"""The tool loop: a model is asked, the tools that it calls are run, and it is asked again with their results.

Each turn is an exchange of its own in the request's snapshot: it passes the hooks from `pre_flight` on, and has a
record with its own id and cost. The first turn is the request itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing

import msgspec

from jackfield.agents.bounds import Bounds
from jackfield.agents.calls import Batch, Toolbox
from jackfield.agents.events import RunEvent
from jackfield.agents.history import next_request, with_own_ids
from jackfield.agents.tally import Tally
from jackfield.agents.turn import KeptAnswer, Turn, keep_answer
from jackfield.errors import DeadlineExceeded, JackfieldError
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import State, next_turn
from jackfield.pipeline.run import Pipeline
from jackfield.sdk.caller import Caller
from jackfield.sdk.context import Head
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tool_table import OfferedTool
from jackfield.wire.chat import ChatRequest, ToolCall, ToolResult

# Told of each exchange that begins, before the one before it is settled: the last one is left to whoever was told.
Follow = Callable[[State], None]

NO_HEAD = Head(200, ())
# Ends after which a model's calls may be cut short, or are not meant to be run.
_NO_CALLS = frozenset({"length", "content_filter", "refusal", "pause"})


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`request` holds the client's own tools alone; `offered` are the gateway's, by full name."""

    request: ChatRequest
    offered: Mapping[str, OfferedTool]
    caller: Caller
    bounds: Bounds


class ToolLoop:
    """`timeout_s` is the time of a whole request."""

    def __init__(self, pipeline: Pipeline, gate: ToolGate, timeout_s: float) -> None:
        self.pipeline, self.gate, self.timeout_s = pipeline, gate, timeout_s

    def start(self, state: State, task: Task, follow: Follow, kept: KeptAnswer | None = None) -> Run:
        """`state` knows its caller. `kept` is where its answer is kept, where it is a turn already."""
        return Run(self.pipeline, self.gate, state, task, follow, kept or keep_answer(state))


class Run:
    """One request on its way through its turns: `begin`, then `events` to their end; then `error` or `tally` tell what
    became of it."""

    def __init__(
        self, pipeline: Pipeline, gate: ToolGate, state: State, task: Task, follow: Follow, kept: KeptAnswer
    ) -> None:
        self._pipeline, self._follow, self._task = pipeline, follow, task
        self._toolbox = Toolbox(gate, state.snapshot.tools, task.offered, task.caller)
        self._tools = (*task.request.tools, *(tool.as_tool() for tool in task.offered.values()))
        self._theirs = frozenset(tool.name for tool in task.request.tools)
        self._request = task.request
        self._until = asyncio.get_running_loop().time() + task.bounds.seconds
        self._turn = Turn(state, kept)
        self.first = state
        self.tally = Tally(task.bounds)
        self.error: JackfieldError | None = None
        self.head = NO_HEAD

    @property
    def answer(self) -> Answer:
        """Where there is an `error`: the client's."""
        assert self._turn.answer is not None
        return self._turn.answer

    async def begin(self, answer: Answer | None = None) -> None:
        """Asks the model for the first time. `answer` is what has been answered in its place, if so."""
        self._set_request(self._turn.state, self._request)
        await self._ask(answer)

    async def events(self) -> AsyncGenerator[Sequence[RunEvent], None]:
        """What the model says and what its tools do, as it comes; of whole turns only the latter."""
        while self.error is None:
            async with aclosing(self._hear()) as heard:
                async for events in heard:
                    yield events
            calls = self._end_turn()
            if not calls:
                return
            batch = Batch(calls, self._toolbox.run, parallel=self._request.parallel_tool_calls is not False)
            async with aclosing(batch.run(self._until)) as told:
                async for event in told:
                    yield (event,)
            self._turn.state.trace.phase("tools")
            self.tally.use(batch.used)
            if self._is_late():
                self.tally.stop("time")
            else:
                await self._go_on(batch.results)
            if self.tally.stopped is not None:
                return

    async def aclose(self) -> None:
        await self._turn.aclose()

    def _set_request(self, state: State, request: ChatRequest) -> None:
        state.replace_request(msgspec.structs.replace(request, tools=self._tools))

    async def _ask(self, answer: Answer | None = None) -> None:
        turn = self._turn
        try:
            async with asyncio.timeout_at(self._until):
                answer = answer or await self._pipeline.run(turn.state)
        except TimeoutError:
            answer = await self._run_out()
        if answer is not None:
            turn.take(answer)
            self.head, self.error = answer.head, turn.failure

    async def _run_out(self) -> Answer | None:
        """The time is over before the model has begun to answer; what it has said in earlier turns stands."""
        late = DeadlineExceeded(f"the model and its tools took longer than {self._task.bounds.seconds:g} s")
        answer = await self._pipeline.refuse(self._turn.state, late)
        if not self.tally.turns:
            return answer
        self.tally.stop("time")
        await answer.close()
        return None

    async def _hear(self) -> AsyncGenerator[Sequence[RunEvent], None]:
        """The turn's stream, until the time is over."""
        turn = self._turn
        async with aclosing(turn.read()) as stream:
            while True:
                try:
                    async with asyncio.timeout_at(self._until):
                        events = await anext(stream, None)
                except TimeoutError:
                    late = DeadlineExceeded("the time of the request was over in the middle of the answer")
                    turn.state.fail(late)
                    turn.state.status = late.status
                    self.tally.stop("time")
                    turn.end()
                    break
                if events is None:
                    break
                yield events
        await turn.aclose()
        self.error = turn.failure

    def _end_turn(self) -> tuple[ToolCall, ...]:
        """Counts the turn; the calls that are to be run."""
        turn, tally = self._turn, self.tally
        if self.error is not None:
            return ()
        self._pipeline.price(turn.state)
        turn.state.trace.phase("response")
        if turn.response is None:
            return ()
        turn.response = with_own_ids(turn.response, self._request)
        tally.add(turn.response, turn.state, self._theirs)
        choice = tally.choice
        calls = choice.message.tool_calls()
        if choice.finish_reason in _NO_CALLS or any(call.name in self._theirs for call in calls):
            return ()
        if calls and self._is_late():
            tally.stop("time")
        return calls if not calls or tally.may_call(calls) else ()

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() >= self._until

    async def _go_on(self, results: tuple[ToolResult, ...]) -> None:
        assert self._turn.response is not None
        self._request = next_request(self._request, self._turn.response, results)
        former = self._turn.state
        state = next_turn(self.first, self.tally.turns + 1)
        self._turn = Turn(state, keep_answer(state))
        self._set_request(state, self._request)
        self._follow(state)
        await self._pipeline.settle(former)
        await self._ask()
