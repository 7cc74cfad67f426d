"""The inference API: `/v1/…` in the formats of OpenAI and Anthropic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter_ns

import structlog

from jackfield.errors import ClientGone, JackfieldError, MethodNotAllowed, NotFound, Unavailable
from jackfield.host.host import Host
from jackfield.ids import new_id
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.run import Pipeline
from jackfield.sdk.context import InboundRequest
from jackfield.server.asgi import JSON, Receive, Scope, Send, fault, read_body, send_whole
from jackfield.server.in_flight import Call, InFlight
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
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/messages", "anthropic_messages"),
        ("/v1/messages/count_tokens", "anthropic_count_tokens"),
    )
}
MODELS = "/v1/models"
_MODELS_ROUTES = {name: Route(f"GET {MODELS}", format_named(name)) for name in ("openai_chat", "anthropic_messages")}
_MODEL_ENCODERS = {
    "openai_chat": (encode_model, encode_models),
    "anthropic_messages": (encode_anthropic_model, encode_anthropic_models),
}

log = structlog.get_logger("jackfield.server")


class Inference:
    """An ASGI application for everything below `/v1/`."""

    def __init__(self, pipeline: Pipeline, host: Host, in_flight: InFlight, max_body_bytes: int) -> None:
        self._pipeline, self._host, self._in_flight = pipeline, host, in_flight
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter_ns()
        route = ROUTES.get(scope["path"])
        if route is None or scope["method"] != "POST":
            await self._serve_other(scope, receive, send, began)
            return
        task = asyncio.current_task()
        assert task is not None
        call = Call(task, receive)
        self._in_flight.add(call)
        problem: JackfieldError | None = None
        body = b""
        try:
            body = await read_body(scope, receive, self._max_body_bytes, call.progress)
        except JackfieldError as error:
            problem = error
        except asyncio.CancelledError:
            problem = _interruption(call)
        state = call.state = self._state(scope, route, body, began)
        call.waits = False
        try:
            await self._answer(call, state, problem, send)
        finally:
            self._in_flight.remove(call)
            try:
                await self._pipeline.settle(state)
            finally:
                state.snapshot.unpin()

    def _state(self, scope: Scope, route: Route, body: bytes, began: int) -> State:
        client = scope.get("client")
        inbound = InboundRequest(
            scope["method"],
            scope["path"],
            tuple(scope["headers"]),
            body,
            scope.get("query_string", b""),
            client[0] if client else "",
        )
        snapshot = self._host.snapshot
        snapshot.pins += 1
        return State(new_id("req"), route, inbound, snapshot, began)

    async def _answer(self, call: Call, state: State, problem: JackfieldError | None, send: Send) -> None:
        """Runs one exchange to its end, whatever happens in it."""
        try:
            if isinstance(problem, ClientGone):
                state.fail(problem)
                state.client_gone = True
                return
            answer = await (self._pipeline.run(state) if problem is None else self._pipeline.refuse(state, problem))
            await _send_answer(call, state, answer, send)
        except asyncio.CancelledError as error:
            if call.task.cancelling():
                await _break_off(call, state, _interruption(call), send)
            else:
                await _apologize(call, state, error, send)
        except Exception as error:  # noqa: BLE001 - a boundary: reported whole to the log, and told to the client
            await _apologize(call, state, error, send)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send, began: int) -> None:
        """What is no inference: the list of models, unknown paths and wrong methods."""
        path: str = scope["path"]
        route = _MODELS_ROUTES[_format_of(scope)]
        state = self._state(scope, route, b"", began)
        body, status = await self._answer_other(state, scope["method"], path)
        state.snapshot.unpin()
        headers = (*JSON, (b"x-request-id", state.id.encode()))
        if status == 405:
            headers = (*headers, (b"allow", b"POST" if path in ROUTES else b"GET, HEAD"))
        await send_whole(send, status, headers, body)

    async def _answer_other(self, state: State, method: str, path: str) -> tuple[bytes, int]:
        encode_error = state.route.format.encode_error
        try:
            if path in ROUTES:
                raise MethodNotAllowed(f"{method} {path}: use POST")
            if path != MODELS and not path.startswith(MODELS + "/"):
                raise NotFound(f"There is nothing at {path[:200]}")
            if method not in ("GET", "HEAD"):
                raise MethodNotAllowed(f"{method} {path}: use GET")
            await self._pipeline.identify(state)
            return self._models(state, path), 200
        except JackfieldError as error:
            return encode_error(error, state.id), error.status
        except Exception:  # a boundary: reported whole to the log, and told to the client
            log.exception("internal_error", request=state.id)
            return encode_error(fault(), state.id), 500

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


async def _send_answer(call: Call, state: State, answer: Answer, send: Send) -> None:
    call.answering = call.waits = True
    head = answer.head
    if answer.pieces is None:
        state.mark_first_byte()
        state.response_bytes = len(answer.body)
        await send_whole(send, head.status, head.headers, answer.body)
        return
    try:
        await send({"type": "http.response.start", "status": head.status, "headers": head.headers})
        call.waits = False
        async for piece in answer.pieces:
            state.mark_first_byte()
            state.response_bytes += len(piece)
            call.turn += 1
            call.waits = True
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            call.waits = False
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.close()


def _interruption(call: Call) -> JackfieldError:
    """Why the task of a call was cancelled. The cancellation is done with: what is left to do is to settle."""
    call.task.uncancel()
    return ClientGone("the client was given up") if call.gone else Unavailable("the gateway is stopping")


async def _break_off(call: Call, state: State, reason: JackfieldError, send: Send) -> None:
    """The exchange was cut short. A client that is still there and has been sent nothing is told; one in the middle of
    an answer sees its connection end. On record is why, whatever the head had promised."""
    if isinstance(reason, ClientGone):
        return
    state.fail(reason)
    state.status = reason.status
    if not call.answering:
        await _tell(call, state, reason, send)


async def _apologize(call: Call, state: State, error: BaseException, send: Send) -> None:
    """A fault of the gateway itself. It is reported whole to the log, and to the client as that and no more; where the
    answer had begun the connection is cut, so that nobody takes it for whole."""
    log.error("internal_error", request=state.id, exc_info=error)
    told = fault()
    state.fail(told)
    state.status = told.status
    if not call.answering:
        await _tell(call, state, told, send)


async def _tell(call: Call, state: State, error: JackfieldError, send: Send) -> None:
    call.answering = True
    body = state.route.format.encode_error(error, state.id)
    state.response_bytes = len(body)
    await send_whole(send, error.status, (*JSON, (b"x-request-id", state.id.encode())), body)
