"""The gateway's side of `Host`: answers what one process of a plugin asks for, on behalf of the call that it came out
of."""

from __future__ import annotations

import asyncio
from contextvars import Context
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc import aio

from jackfield.errors import JackfieldError
from jackfield.rpc.desk import LONGEST_ERROR, MOST_ANSWERS, Handler
from jackfield.rpc.pace import BURST, PER_S, SIZE
from jackfield.runtimes.grpc.errands import ERRANDS, SERVICE, Errand
from jackfield.runtimes.grpc.values import MOST

CALL_KEY, CODE_KEY = "jackfield-call", "jackfield-code"
# What comes beside a message's own JSON.
ROOM = 1024 * 1024
OPTIONS = (
    ("grpc.max_receive_message_length", MOST + ROOM),
    ("grpc.max_send_message_length", MOST + ROOM),
    # Of two channels to the same path each has a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)
_SERVER_OPTIONS = (*OPTIONS, ("grpc.max_concurrent_streams", MOST_ANSWERS), ("grpc.so_reuseport", 0))
_STATUS = {
    "not_granted": grpc.StatusCode.PERMISSION_DENIED,
    "quota_exceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "rate_limit_exceeded": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "too_many_memories": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "invalid_value": grpc.StatusCode.INVALID_ARGUMENT,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "deadline_exceeded": grpc.StatusCode.DEADLINE_EXCEEDED,
}


class Contexts(Protocol):
    """Knows the calls of the gateway that are under way."""

    def find_context(self, call: str | None) -> Context: ...

    def keep_child(self, call: str | None, task: asyncio.Task[Any]) -> None:
        """It ends with the call that it came out of."""


class Pace:
    """How much may be asked: who asks for more waits for its answer a little longer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left, self._since = BURST, loop.time()

    def take(self, size: int) -> float:
        """The seconds to wait."""
        now = self._loop.time()
        self._left = min(BURST, self._left + (now - self._since) * PER_S) - 1 - size / SIZE
        self._since = now
        return max(0.0, -self._left / PER_S)


class Desk:
    """One server for one process."""

    def __init__(self, handler: Handler, contexts: Contexts) -> None:
        self._handler, self._contexts = handler, contexts
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(self._loop)
        server = aio.server(options=_SERVER_OPTIONS)
        self._server: aio.Server | None = server
        handlers = {name: self._bind(errand) for name, errand in ERRANDS.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self._under_way = 0

    async def listen(self, path: Path) -> None:
        assert self._server is not None, "it is open"
        self._server.add_insecure_port(f"unix:{path}")
        await self._server.start()

    async def aclose(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            # It goes now, while there is a loop: as it goes it begins something.
            await server.stop(None)

    def _bind(self, errand: Errand) -> grpc.RpcMethodHandler[Any, Any]:
        async def run(data: bytes, context: aio.ServicerContext[Any, Any]) -> bytes:
            reply: bytes = await self._run(errand, data, context)
            return reply

        return grpc.unary_unary_rpc_method_handler(run)

    async def _run(self, errand: Errand, data: bytes, context: aio.ServicerContext[Any, Any]) -> Any:
        if self._under_way >= MOST_ANSWERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MOST_ANSWERS} calls are under way already")
        self._under_way += 1
        try:
            if wait := self._pace.take(len(data)):
                await asyncio.sleep(wait)
            return await self._answer(errand, data, find(context.invocation_metadata(), CALL_KEY))
        except Exception as error:  # noqa: BLE001 - a boundary: it is what the plugin is told
            await _abort(context, error)
        finally:
            self._under_way -= 1

    async def _answer(self, errand: Errand, data: bytes, call: str | None) -> bytes:
        params = errand.read(errand.request.FromString(data))
        found = self._contexts.find_context(call)
        if errand.kind == "tell":
            found.run(self._handler.hear, errand.method, params)
            told: bytes = errand.write(None).SerializeToString()
            return told
        task = self._loop.create_task(self._ask(errand.method, params), context=found)
        self._contexts.keep_child(call, task)
        try:
            answer = await task
        except asyncio.CancelledError:
            task.cancel()
            raise
        reply: bytes = errand.write(answer).SerializeToString()
        return reply

    async def _ask(self, method: str, params: Any) -> Any:
        return await self._handler.answer(method, params)


def find(metadata: Any, name: str) -> str | None:
    """The first text of this name."""
    for key, value in metadata or ():
        if key == name:
            return value if isinstance(value, str) else None
    return None


async def _abort(context: aio.ServicerContext[Any, Any], error: Exception) -> None:
    code = error.code if isinstance(error, JackfieldError) else type(error).__name__
    words = (str(error) or type(error).__name__)[:LONGEST_ERROR]
    status = _STATUS.get(code, grpc.StatusCode.UNKNOWN)
    await context.abort(status, words, ((CODE_KEY, code),))
