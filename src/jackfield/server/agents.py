"""Agents over HTTP: `POST /v1/agents/{id}` and `GET /v1/agents`."""

from __future__ import annotations

from collections.abc import Awaitable
from time import perf_counter_ns

import msgspec

from jackfield.agents.agents import Agents
from jackfield.errors import MethodNotAllowed
from jackfield.host.host import Host
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.run import Pipeline
from jackfield.server.asgi import Receive, Scope, Send
from jackfield.server.exchanges import Exchanges
from jackfield.server.in_flight import Call, InFlight
from jackfield.wire import format_named

AGENTS = "/v1/agents"
# Errors, and what hooks see of a request, are in the form of this API.
_FORMAT = format_named("openai_chat")
_ASK = Route(f"POST {AGENTS}/{{id}}", _FORMAT)
_LIST = Route(f"GET {AGENTS}", _FORMAT)


def is_agents(path: str) -> bool:
    return path == AGENTS or path.startswith(AGENTS + "/")


class AgentServer(Exchanges):
    def __init__(
        self, pipeline: Pipeline, host: Host, in_flight: InFlight, max_body_bytes: int, agents: Agents
    ) -> None:
        super().__init__(pipeline, host, in_flight, max_body_bytes)
        self._agents = agents

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["path"] != AGENTS and scope["method"] == "POST":
            return self.serve(scope, receive, send, _ASK, perf_counter_ns())
        allow = b"GET, HEAD" if scope["path"] == AGENTS else b"POST"
        return self.inform(scope, send, _LIST, self._list, allow)

    def answer(self, call: Call, state: State) -> Awaitable[Answer]:
        agent_id = state.inbound.path.removeprefix(AGENTS + "/")
        return self._agents.answer(state, agent_id, call.follow)

    async def _list(self, state: State) -> bytes:
        method, path = state.inbound.method, state.inbound.path
        if path != AGENTS or method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{method} {path[:200]}: use {'GET' if path == AGENTS else 'POST'}")
        await self._pipeline.identify(state)
        return msgspec.json.encode({"object": "list", "data": self._agents.describe(state)})
