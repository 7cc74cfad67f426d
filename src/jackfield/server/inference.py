"""The inference API: `/v1/…` in the formats of OpenAI and Anthropic."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial
from time import perf_counter_ns

from jackfield.agents.chats import ToolChats
from jackfield.errors import MethodNotAllowed, NotFound
from jackfield.host.host import Host
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.run import Pipeline
from jackfield.server.agents import AgentServer, is_agents
from jackfield.server.asgi import Receive, Scope, Send
from jackfield.server.exchanges import Exchanges
from jackfield.server.in_flight import Call, InFlight
from jackfield.server.responses import RESPONSES, ResponseDesk, is_kept_path, methods_of
from jackfield.wire import format_named
from jackfield.wire.openai_models import (
    ListedModel,
    encode_anthropic_model,
    encode_anthropic_models,
    encode_model,
    encode_models,
)

ROUTES: Mapping[str, Route] = {
    path: Route(f"POST {path}", format_named(name))
    for path, name in (
        ("/v1/chat/completions", "openai_chat"),
        ("/v1/responses", "openai_responses"),
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/messages", "anthropic_messages"),
        ("/v1/messages/count_tokens", "anthropic_count_tokens"),
    )
}
_KEPT = ROUTES[RESPONSES]
MODELS = "/v1/models"
_MODELS_ROUTES = {name: Route(f"GET {MODELS}", format_named(name)) for name in ("openai_chat", "anthropic_messages")}
_MODEL_ENCODERS = {
    "openai_chat": (encode_model, encode_models),
    "anthropic_messages": (encode_anthropic_model, encode_anthropic_models),
}


class Inference(Exchanges):
    """An ASGI application for everything below `/v1/`. `chats` runs tools where requests ask for that, `agents` has
    what is below `/v1/agents`, `desk` keeps answers of the Responses API."""

    def __init__(
        self,
        pipeline: Pipeline,
        host: Host,
        in_flight: InFlight,
        max_body_bytes: int,
        chats: ToolChats | None = None,
        agents: AgentServer | None = None,
        desk: ResponseDesk | None = None,
    ) -> None:
        super().__init__(pipeline, host, in_flight, max_body_bytes)
        self._chats, self._agents, self._desk = chats, agents, desk

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        route = ROUTES.get(scope["path"]) or self._added_route(scope["path"])
        if route is None or scope["method"] != "POST":
            if self._agents is not None and is_agents(scope["path"]):
                return self._agents(scope, receive, send)
            return self._serve_other(scope, send)
        return self.serve(scope, receive, send, route, perf_counter_ns())

    def _added_route(self, path: str) -> Route | None:
        """That of a wire format that a plugin adds."""
        format_ = self._host.snapshot.formats.by_path.get(path)
        return None if format_ is None else Route(f"POST {path}", format_)

    def answer(self, call: Call, state: State) -> Awaitable[Answer]:
        if state.route is _KEPT and self._desk is not None:
            return self._desk.answer(state, partial(self._run, call))
        return self._run(call, state)

    def _run(self, call: Call, state: State) -> Awaitable[Answer]:
        """Where no plugin has a tool, which is quickly seen, nothing else is looked at."""
        if self._chats is None or not state.snapshot.tools or state.operation != "chat":
            return self._pipeline.run(state)
        return self._chats.answer(state, call.follow)

    def _serve_other(self, scope: Scope, send: Send) -> Awaitable[None]:
        """What is no inference: the list of models, unknown paths and wrong methods."""
        route, path = _MODELS_ROUTES[_format_of(scope)], scope["path"]
        if self._desk is not None and is_kept_path(path):
            allow = ", ".join(methods_of(path)).encode()
            return self.inform(scope, send, route, partial(self._write_kept, self._desk), allow)
        write = partial(self._write_other, scope["method"], path)
        return self.inform(scope, send, route, write, b"POST" if path in ROUTES else b"GET, HEAD")

    async def _write_kept(self, desk: ResponseDesk, state: State) -> bytes:
        return await desk.serve(state, state.inbound.method, state.inbound.path)

    async def _write_other(self, method: str, path: str, state: State) -> bytes:
        if path in ROUTES:
            raise MethodNotAllowed(f"{method} {path}: use POST")
        if path != MODELS and not path.startswith(MODELS + "/"):
            raise NotFound(f"There is nothing at {path[:200]}")
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{method} {path}: use GET")
        await self._pipeline.identify(state)
        return self._models(state, path)

    def _models(self, state: State, path: str) -> bytes:
        """All models the caller may use, or the one that the path names."""
        identity = state.identity
        models = [
            model
            for model in state.snapshot.routes.models
            if identity is None or not identity.models or model in identity.models
        ]
        encode_one, encode_all = _MODEL_ENCODERS[state.client_format]
        if path == MODELS:
            return encode_all([ListedModel(id=model) for model in models])
        wanted = path.removeprefix(MODELS + "/")
        if wanted not in models:
            state.snapshot.routes.check(wanted)
            raise NotFound(f"The model {wanted[:100]!r} does not exist")
        return encode_one(ListedModel(id=wanted))


def _format_of(scope: Scope) -> str:
    """The format for answers that no format was asked for by path."""
    if scope["path"].startswith("/v1/messages") or any(name == b"anthropic-version" for name, _ in scope["headers"]):
        return "anthropic_messages"
    return "openai_chat"
