"""One request: the phases in their order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from jackfield.control.directory import Directory
from jackfield.errors import JackfieldError, Unavailable
from jackfield.hooks.dispatch import Decision, Undecided
from jackfield.pipeline.admit import admit, check_model
from jackfield.pipeline.answers import Answer, Whole
from jackfield.pipeline.call import call
from jackfield.pipeline.exchange import State
from jackfield.pipeline.identify import ask_authenticators, enter, identify
from jackfield.pipeline.respond import plain_answer, respond, respond_error
from jackfield.pipeline.select import route, select
from jackfield.pipeline.settle import Settler
from jackfield.pipeline.stream import replay_answer, stream, stream_whole
from jackfield.sdk.outcomes import Answer as Answered
from jackfield.wire.chat import ChatResponse, ErrorResponse


class Pipeline:
    """The way of every inference request. `run`, then send the answer, then `settle`, whatever happened."""

    def __init__(
        self,
        directory: Directory,
        settler: Settler,
        timeout_s: float,
        received: Callable[[State], None] | None = None,
    ) -> None:
        """`received` is told of every exchange that is admitted."""
        self._directory, self._settler, self._timeout_s = directory, settler, timeout_s
        self._received = received

    async def run(self, state: State) -> Answer:
        """The answer, errors included. Only the cancellation of the exchange passes through."""
        try:
            answer = await self._run(state)
        except JackfieldError as error:
            return await self.refuse(state, error)
        state.status = answer.head.status
        return answer

    async def receive(self, state: State) -> Answer | None:
        """Only `ingress` and `auth`, for who then runs the rest: the answer, where it ends there. `run` goes on from
        what was received, and so does who receives it again."""
        if state.identity is not None:
            return None
        try:
            decision = await self._receive(state)
            if decision is None:
                return None
            answer = await _answer_for(state, decision)
        except JackfieldError as error:
            return await self.refuse(state, error)
        state.status = answer.head.status
        return answer

    async def refuse(self, state: State, error: JackfieldError) -> Answer:
        """The answer to a request that failed, or that is not even to be run."""
        _note_skipped(state)
        answer = await respond_error(state, error)
        if state.peek is not None and state.peek.stream and isinstance(state.response, ChatResponse):
            answer = replay_answer(state, answer.head, state.response)
        state.status = answer.head.status
        return answer

    async def _run(self, state: State) -> Answer:
        """Each phase with hooks is a call of its own; one without costs nothing."""
        row = state.row
        decision = await self._receive(state) if state.identity is None and not self._knows(state) else None
        if decision is None:
            state.peeked()
            if row.pre_flight:
                admitted = admit(state)
                decision = await admitted.finish() if isinstance(admitted, Undecided) else admitted
                state.trace.phase("pre_flight")
            if self._received is not None:
                self._received(state)
        if decision is not None:
            return await _answer_for(state, decision)
        check_model(state)
        select(state)
        if row.routing:
            decision = await route(state)
        state.trace.phase("routing")
        if decision is not None:
            return await _answer_for(state, decision)
        got = await call(state, self._timeout_s)
        state.trace.phase("attempt")
        if not isinstance(got, Whole):
            return await stream(state, got)
        state.whole = got
        self._settler.price(state)
        if got.format is state.route.format and not (row.response_head or row.collects or state.stream):
            return plain_answer(state, got)
        return await _finish(state, got)

    def _knows(self, state: State) -> bool:
        """Who calls, where no plugin has a part in it: then there is nothing to wait for."""
        if state.row.receives:
            return False
        identify(state, None, self._directory)
        return True

    async def _receive(self, state: State) -> Decision | None:
        row = state.row
        if row.barred is not None:
            plugin, reason = row.barred
            raise Unavailable(reason, plugin=plugin)
        decision = await enter(state) if row.ingress else None
        if decision is None:
            identify(state, await ask_authenticators(state) if row.auth else None, self._directory)
        return decision

    async def identify(self, state: State) -> None:
        """Only finds out who calls; for what is asked of the gateway itself. Raises `Unauthenticated` or `Refused`, and
        `Unavailable` where a plugin that may have a part in it is not there."""
        if (absent := state.snapshot.table.absent) is not None:
            raise Unavailable(absent[1], plugin=absent[0])
        state.stand_in()
        if state.row.ingress and await enter(state) is not None:
            raise Unavailable("a plugin answered where only the gateway can")
        identify(state, await ask_authenticators(state) if state.row.auth else None, self._directory)

    def price(self, state: State) -> None:
        """Sets the cost of what was used, before the exchange is settled."""
        self._settler.price(state)

    async def settle(self, state: State) -> None:
        if (hooks := self._settler.settle(state)) is not None:
            await hooks


def _finish(state: State, whole: Whole) -> Awaitable[Answer]:
    """A whole answer, as a stream where the client wants one and the upstream had none."""
    return _stream_whole(state, whole) if state.stream and state.operation == "chat" else respond(state, whole)


async def _stream_whole(state: State, whole: Whole) -> Answer:
    response = whole.response
    if response is None and whole.format is not None:
        response = whole.format.decode_response(whole.body)
    if isinstance(response, ErrorResponse):
        return await respond(state, Whole(response=response))
    assert isinstance(response, ChatResponse)
    return await stream_whole(state, response)


async def _answer_for(state: State, decision: Decision) -> Answer:
    """A plugin has answered in the upstream's place."""
    _note_skipped(state)
    state.decided_by = decision.hook.plugin
    state.answer_cached = True
    outcome = decision.outcome
    if not isinstance(outcome, Answered):
        raise Unavailable(f"plugin {decision.hook.plugin} decided nothing that can be answered")
    response = outcome.response
    state.usage = None
    state.whole = Whole(response=response)
    return await _finish(state, state.whole)


def _note_skipped(state: State) -> None:
    """Finds the plugins whose pre hooks were not reached: their post hooks do not run either."""
    pre = state.row.ingress + state.row.pre_flight
    if pre:
        ran = {
            call[1] for call in state.trace.hooks if call[0] in ("ingress", "pre_flight") and call[3] != "quarantined"
        }
        state.skipped = frozenset(hook.plugin for hook in pre if hook.plugin not in ran)
