"""`POST /mcp`: who calls, within which limits, and what is kept of it."""

from __future__ import annotations

import asyncio
import importlib
import secrets
from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING

import structlog

from jackfield import __version__
from jackfield.errors import ClientGone, Forbidden, JackfieldError, Malformed, Unauthenticated, Unavailable
from jackfield.hooks.caller import caller_of
from jackfield.host.host import Host
from jackfield.ids import new_id
from jackfield.mcp.door import EVENTS_TYPE, LEAVE, Door, accepts
from jackfield.mcp.messages import Message, Rejection, encode_fault, encode_rejection, read_message
from jackfield.mcp.records import CallRecords
from jackfield.mcp.visit import Visit
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.run import Pipeline
from jackfield.sdk.outcomes import Headers
from jackfield.server.asgi import JSON, Receive, Scope, Send, fault, read_body, send_whole
from jackfield.server.asgi import Message as AsgiMessage
from jackfield.server.exchanges import begin
from jackfield.server.in_flight import Call, InFlight
from jackfield.services.tool_gate import ToolGate
from jackfield.wire import format_named

if TYPE_CHECKING:
    from jackfield.mcp.server import McpServer

MCP_PATH = "/mcp"
ROUTE = Route(f"POST {MCP_PATH}", format_named("openai_chat"))
SESSION_HEADER = "mcp-session-id"

log = structlog.get_logger("jackfield.server")


class McpEndpoint:
    """An ASGI application. Errors are JSON-RPC's. Only its first request loads what speaks the protocol."""

    def __init__(
        self,
        pipeline: Pipeline,
        host: Host,
        in_flight: InFlight,
        gate: ToolGate,
        records: CallRecords,
        door: Door,
        max_body_bytes: int,
    ) -> None:
        self._pipeline, self._host, self._in_flight = pipeline, host, in_flight
        self._gate, self._records, self._door = gate, records, door
        self._max_body_bytes = max_body_bytes
        self._server: McpServer | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter_ns()
        words = self._door.words_for(scope["headers"])
        if words and self._door.asks_leave(scope["method"], scope["headers"]):
            await send_whole(send, 204, (*words, *LEAVE), b"")
            return
        rejection = self._door.check(scope["method"], scope["headers"])
        if rejection is not None:
            await _reject(rejection, words, send)
            return
        call = self._in_flight.enter(receive)
        try:
            await self._take(call, scope, words, send, began)
        finally:
            self._in_flight.remove(call)

    async def _take(self, call: Call, scope: Scope, words: Headers, send: Send, began: int) -> None:
        body, problem = b"", None
        try:
            body = await read_body(scope, call.receive, self._max_body_bytes, call.progress)
        except JackfieldError as error:
            problem = error
        except asyncio.CancelledError:
            problem = call.interruption()
        state = call.state = begin(self._host, scope, ROUTE, body, began)
        call.waits = False
        answer = _Answer(call, state, words, send)
        try:
            if problem is not None:
                raise problem
            await self._serve(state, scope, answer)
        except asyncio.CancelledError as error:
            if not call.task.cancelling():
                await self._apologize(state, error, answer)
            else:
                await answer.break_off(call.interruption())
        except JackfieldError as error:
            await answer.refuse(error)
        except Exception as error:  # noqa: BLE001 - a boundary: reported whole to the log, and told to the client
            await self._apologize(state, error, answer)
        finally:
            self._keep(answer)
            state.snapshot.unpin()

    async def _serve(self, state: State, scope: Scope, answer: _Answer) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        await self._pipeline.identify(state)
        if state.identity is not None and state.identity.role == "admin":
            raise Forbidden("This is an admin key: tools are called with an inference key")
        if state.row.barred is not None:
            plugin, reason = state.row.barred
            raise Unavailable(reason, plugin=plugin)
        message = answer.message = read_message(state.inbound.body)
        visit = answer.visit = _visit(state, dict(headers))
        if message.method == "initialize":
            answer.session = secrets.token_urlsafe(16)
        server = self._server or await self._load()
        await server.serve(message, visit, headers, answer.send)

    def _keep(self, answer: _Answer) -> None:
        """A record of each call that was let in, whatever became of it."""
        state, visit = answer.state, answer.visit
        asked = answer.message.tool if answer.message is not None else None
        if visit is None or asked is None:
            return
        tool = visit.found
        state.client_gone = state.client_gone or visit.taken_back
        if tool is not None:
            state.decided_by = tool.plugin
        elif state.error is None:
            state.error = Malformed("there is no such tool, or the call was none")
        self._records.add(state, asked, tool.name if tool is not None else None, failed=visit.failed)

    async def _load(self) -> McpServer:
        """In a thread: it takes a while, in which others are served."""
        async with self._loading:
            if self._server is None:
                module = await asyncio.to_thread(importlib.import_module, "jackfield.mcp.server")
                self._server = module.McpServer(self._gate, __version__)
        assert self._server is not None
        return self._server

    async def _apologize(self, state: State, error: BaseException, answer: _Answer) -> None:
        log.error("internal_error", request=state.id, exc_info=error)
        await answer.refuse(fault())


class _Answer:
    """What is sent for one message, with `words` for a browser. `session` is the name that a new client gets, to tell
    its calls from those of others by."""

    def __init__(self, call: Call, state: State, words: Headers, send: Send) -> None:
        self._call, self.state, self._words, self._send = call, state, words, send
        self.message: Message | None = None
        self.visit: Visit | None = None
        self.session: str | None = None

    async def send(self, message: AsgiMessage) -> None:
        call, state = self._call, self.state
        if message["type"] == "http.response.start":
            call.answering = True
            state.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._own_headers()]}
        else:
            state.mark_first_byte()
            state.response_bytes += len(message.get("body", b""))
        call.turn += 1
        call.waits = True
        await self._send(message)
        call.waits = False

    def _own_headers(self) -> Headers:
        own = [(b"x-request-id", self.state.id.encode()), *self._words]
        if self.session is not None:
            own.append((SESSION_HEADER.encode(), self.session.encode()))
        return tuple(own)

    async def refuse(self, error: JackfieldError) -> None:
        """Where the answer has begun nothing more can be said."""
        self.state.fail(error)
        if isinstance(error, ClientGone) or self._call.answering:
            return
        headers = [*JSON, *_challenge(error)]
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after_s))))
        message_id = self.message.id if self.message is not None else None
        await send_whole(self.send, error.status, tuple(headers), encode_fault(error, self.state.id, message_id))

    async def break_off(self, reason: JackfieldError) -> None:
        await self.refuse(reason)
        self.state.status = reason.status


def _visit(state: State, headers: Mapping[str, str]) -> Visit:
    identity = state.identity
    return Visit(
        caller=caller_of(state),
        tools=state.snapshot.tools,
        credential=identity.credential if identity is not None else None,
        session=headers.get(SESSION_HEADER, ""),
        takes_events=accepts(headers.get("accept"), EVENTS_TYPE),
        headers=headers,
        enveloped="mcp-method" in headers,
    )


def _challenge(error: JackfieldError) -> Headers:
    return ((b"www-authenticate", b'Bearer realm="jackfield"'),) if isinstance(error, Unauthenticated) else ()


async def _reject(rejection: Rejection, words: Headers, send: Send) -> None:
    request_id = new_id("req")
    headers = [*JSON, (b"x-request-id", request_id.encode()), *words]
    if rejection.status == 405:
        headers.append((b"allow", b"POST"))
    await send_whole(send, rejection.status, tuple(headers), encode_rejection(rejection, request_id))
