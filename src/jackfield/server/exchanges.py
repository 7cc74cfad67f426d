"""Exchanges over ASGI: from the body to the last byte, whatever happens, and to the record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter_ns

import structlog

from jackfield.errors import ClientGone, JackfieldError
from jackfield.host.host import Host
from jackfield.ids import new_id
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.run import Pipeline
from jackfield.sdk.context import InboundRequest
from jackfield.server.asgi import JSON, Receive, Scope, Send, fault, read_body, send_whole
from jackfield.server.in_flight import Call, InFlight

Write = Callable[[State], Awaitable[bytes]]

log = structlog.get_logger("jackfield.server")


class Exchanges:
    """What all that answers with exchanges has in common: the body is read, clients that leave are noticed, and every
    exchange is settled. `answer` is a child's."""

    def __init__(self, pipeline: Pipeline, host: Host, in_flight: InFlight, max_body_bytes: int) -> None:
        self._pipeline, self._host, self._in_flight = pipeline, host, in_flight
        self._max_body_bytes = max_body_bytes

    def answer(self, call: Call, state: State) -> Awaitable[Answer]:
        """An answer that takes several exchanges keeps the latest of them in `call.state`: that is the one to
        settle."""
        return self._pipeline.run(state)

    async def serve(self, scope: Scope, receive: Receive, send: Send, route: Route, began: int) -> None:
        call = self._in_flight.enter(receive)
        problem: JackfieldError | None = None
        body = b""
        try:
            body = await read_body(scope, receive, self._max_body_bytes, call.progress)
        except JackfieldError as error:
            problem = error
        except asyncio.CancelledError:
            problem = call.interruption()
        state = call.state = begin(self._host, scope, route, body, began)
        call.waits = False
        try:
            await self._answer(call, state, problem, send)
        finally:
            self._in_flight.remove(call)
            try:
                await self._pipeline.settle(call.state or state)
            finally:
                state.snapshot.unpin()

    async def _answer(self, call: Call, state: State, problem: JackfieldError | None, send: Send) -> None:
        """Runs one request to its end, whatever happens in it."""
        try:
            if isinstance(problem, ClientGone):
                state.fail(problem)
                state.client_gone = True
                return
            answer = await (self.answer(call, state) if problem is None else self._pipeline.refuse(state, problem))
            await _send_answer(call, answer, send)
        except asyncio.CancelledError as error:
            if call.task.cancelling():
                await _break_off(call, call.interruption(), send)
            else:
                await _apologize(call, error, send)
        except Exception as error:  # noqa: BLE001 - a boundary: reported whole to the log, and told to the client
            await _apologize(call, error, send)

    async def inform(self, scope: Scope, send: Send, route: Route, write: Write, allow: bytes) -> None:
        """What the gateway tells of itself; nothing of it is on record. `allow` are the methods that the path takes."""
        state = begin(self._host, scope, route, b"", perf_counter_ns())
        try:
            body, status = await _written(state, write)
        finally:
            state.snapshot.unpin()
        headers = (*JSON, (b"x-request-id", state.id.encode()))
        await send_whole(send, status, (*headers, (b"allow", allow)) if status == 405 else headers, body)


def begin(host: Host, scope: Scope, route: Route, body: bytes, began: int) -> State:
    """Whoever calls this unpins the snapshot."""
    client = scope.get("client")
    inbound = InboundRequest(
        scope["method"],
        scope["path"],
        tuple(scope["headers"]),
        body,
        scope.get("query_string", b""),
        client[0] if client else "",
    )
    snapshot = host.snapshot
    snapshot.pins += 1
    return State(new_id("req"), route, inbound, snapshot, began)


async def _written(state: State, write: Write) -> tuple[bytes, int]:
    encode_error = state.route.format.encode_error
    try:
        return await write(state), 200
    except JackfieldError as error:
        return encode_error(error, state.id), error.status
    except Exception:  # a boundary: reported whole to the log, and told to the client
        log.exception("internal_error", request=state.id)
        return encode_error(fault(), state.id), 500


async def _send_answer(call: Call, answer: Answer, send: Send) -> None:
    call.answering = call.waits = True
    head, state = answer.head, _state_of(call)
    if answer.pieces is None:
        state.mark_first_byte()
        state.response_bytes = len(answer.body)
        await send_whole(send, head.status, head.headers, answer.body)
        return
    try:
        await send({"type": "http.response.start", "status": head.status, "headers": head.headers})
        call.waits = False
        async for piece in answer.pieces:
            state = _state_of(call)
            state.mark_first_byte()
            state.response_bytes += len(piece)
            call.turn += 1
            call.waits = True
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            call.waits = False
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.close()


def _state_of(call: Call) -> State:
    """The exchange that is under way."""
    assert call.state is not None
    return call.state


async def _break_off(call: Call, reason: JackfieldError, send: Send) -> None:
    """The exchange was cut short. A client that is still there and has been sent nothing is told; one in the middle of
    an answer sees its connection end. On record is why, whatever the head had promised."""
    if isinstance(reason, ClientGone):
        return
    await _end_with(call, reason, send)


async def _apologize(call: Call, error: BaseException, send: Send) -> None:
    """A fault of the gateway itself. It is reported whole to the log, and to the client as that and no more; where the
    answer had begun the connection is cut, so that nobody takes it for whole."""
    log.error("internal_error", request=_state_of(call).id, exc_info=error)
    await _end_with(call, fault(), send)


async def _end_with(call: Call, error: JackfieldError, send: Send) -> None:
    state = _state_of(call)
    state.fail(error)
    state.status = error.status
    if call.answering:
        return
    call.answering = True
    body = state.route.format.encode_error(error, state.id)
    state.response_bytes = len(body)
    await send_whole(send, error.status, (*JSON, (b"x-request-id", state.id.encode())), body)
