"""Agents: one request to a model with its instructions and tools, until it is done."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from jackfield.agents.answers import write_stream, write_whole
from jackfield.agents.asking import Asked, read_asked
from jackfield.agents.catalogue import Catalogue, Listed
from jackfield.agents.heads import stream_head
from jackfield.agents.loop import Follow, Task, ToolLoop
from jackfield.agents.selection import choose, matches
from jackfield.agents.turn import keep_answer
from jackfield.errors import JackfieldError
from jackfield.hooks.caller import caller_of
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import State
from jackfield.sdk.agents import AgentSpec
from jackfield.sdk.caller import Caller
from jackfield.services.tool_table import OfferedTool
from jackfield.wire.chat import ChatRequest


class Agents:
    def __init__(self, loop: ToolLoop) -> None:
        self._loop, self._pipeline = loop, loop.pipeline
        self._catalogue = Catalogue()

    async def answer(self, state: State, agent_id: str, follow: Follow) -> Answer:
        """Who calls is found out first, and only then told what is wrong with the request."""
        problem: JackfieldError | None = None
        try:
            spec = self._catalogue.find(state.snapshot, agent_id).spec
            asked = read_asked(state.inbound.body)
            state.replace_inbound(asked.as_chat(state.inbound, spec))
        except JackfieldError as error:
            problem = error
            state.stand_in()
        kept = keep_answer(state)
        answer = await self._pipeline.receive(state)
        if answer is not None and answer.head.status >= 400:
            return answer
        if problem is not None:
            return await self._pipeline.refuse(state, problem)
        try:
            task = self._task(state, spec, asked)
        except JackfieldError as error:
            return await self._pipeline.refuse(state, error)
        run = self._loop.start(state, task, follow, kept)
        await run.begin(answer)
        if run.error is not None:
            return run.answer
        if not asked.stream:
            return await write_whole(run, agent_id)
        return Answer(stream_head(run), pieces=write_stream(run, agent_id), release=run.aclose)

    def _task(self, state: State, spec: AgentSpec, asked: Asked) -> Task:
        """Raises `Malformed`."""
        request = state.canonical_request()
        assert isinstance(request, ChatRequest)
        caller, bounds = caller_of(state), asked.bounds(spec, self._loop.timeout_s)
        if state.identity is None:
            # A plugin has answered before anybody knew who calls: nothing is run for nobody.
            return Task(request=request, offered={}, caller=caller, bounds=replace(bounds, turns=1))
        offered = choose(self._allowed(state, spec, caller), asked.wanted, "tools")
        return Task(request=request, offered=offered, caller=caller, bounds=bounds)

    def _allowed(self, state: State, spec: AgentSpec, caller: Caller) -> list[OfferedTool]:
        offered = self._loop.gate.offered(state.snapshot.tools, caller)
        return [tool for tool in offered if matches(tool.name, spec.tools)]

    def describe(self, state: State) -> list[dict[str, Any]]:
        """All agents, with the tools that this caller would have there."""
        caller = caller_of(state)
        return [self._describe(state, listed, caller) for listed in self._catalogue.of(state.snapshot).values()]

    def _describe(self, state: State, listed: Listed, caller: Caller) -> dict[str, Any]:
        spec = listed.spec
        return {
            "id": spec.id,
            "object": "agent",
            "description": spec.description,
            "model": spec.model,
            "max_turns": spec.max_turns,
            "tools": [tool.name for tool in self._allowed(state, spec, caller)],
            "plugin": listed.plugin,
        }
