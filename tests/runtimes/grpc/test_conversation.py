"""The hooks of a plugin over one stream: each is answered by itself, and what fails is that one's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from jackfield.errors import Forbidden, SessionDenied
from jackfield.runtimes.grpc import conversation as conversations
from jackfield.runtimes.grpc.conversation import MOST_ENDS, Conversation
from jackfield.runtimes.grpc.desk import OPTIONS
from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.guest import LISTEN, GrpcRpc, Guest
from jackfield.testing.waiting import until

Serve = Callable[[Any, Any], Any]
HOOK = pb.HookCall(name="check", exchange="e1")


def reply(call: str, code: str = "fine") -> pb.HookReply:
    return pb.HookReply(call=call, outcome=pb.Outcome(reject=pb.Reject(status=400, code=code)))


def encode(told: pb.HookReply | bytes) -> bytes:
    """Bytes are what a plugin sends that does not keep to the protocol."""
    return told if isinstance(told, bytes) else told.SerializeToString()


@asynccontextmanager
async def talking(folder: Path, serve: Serve) -> AsyncIterator[Conversation]:
    """With a plugin of which `serve` is one stream of hooks."""
    server = aio.server(options=OPTIONS)
    handler = grpc.stream_stream_rpc_method_handler(serve, pb.HookRequest.FromString, encode)
    handlers = {"Converse": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("jackfield.plugin.v1.Hooks", handlers),))
    server.add_insecure_port(f"unix:{folder}/plugin")
    await server.start()
    try:
        async with connected(folder) as conversation:
            yield conversation
    finally:
        await server.stop(0)
        del server
        gc.collect()


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[Conversation]:
    async with aio.insecure_channel(f"unix:{folder}/plugin", options=OPTIONS) as channel:
        conversation = Conversation("weather", channel)
        try:
            yield conversation
        finally:
            await conversation.aclose()


async def answer_of(asked: asyncio.Future[pb.Outcome]) -> str:
    async with asyncio.timeout(10):
        outcome = await asked
    code: str = outcome.reject.code
    return code


async def test_answers_come_in_any_order(tmp_path: Path) -> None:
    async def serve(requests: Any, context: Any) -> None:
        first, second = await context.read(), await context.read()
        await context.write(reply(second.call, "second"))
        await context.write(reply(first.call, "first"))
        await context.read()

    async with talking(tmp_path, serve) as conversation:
        first, second = conversation.ask("1", HOOK), conversation.ask("2", HOOK)
        assert (await answer_of(second), await answer_of(first)) == ("second", "first")


async def test_an_answer_that_nobody_asked_for_is_no_answer(tmp_path: Path) -> None:
    async def serve(requests: Any, context: Any) -> None:
        async for request in requests:
            for call in ("", "99", request.call, request.call):
                await context.write(reply(call, f"{call} once"))

    async with talking(tmp_path, serve) as conversation:
        assert await answer_of(conversation.ask("1", HOOK)) == "1 once"
        assert await answer_of(conversation.ask("2", HOOK)) == "2 once"


async def test_a_reply_that_says_nothing_lets_nothing_pass(tmp_path: Path) -> None:
    async def serve(requests: Any, context: Any) -> None:
        async for request in requests:
            await context.write(pb.HookReply(call=request.call))

    async with talking(tmp_path, serve) as conversation:
        with pytest.raises(SessionDenied, match="neither an outcome nor a failure"):
            await answer_of(conversation.ask("1", HOOK))


async def test_what_is_no_reply_ends_the_stream_on_both_sides(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def serve(requests: Any, context: Any) -> None:
        context.add_done_callback(lambda _: ended.set())
        request = await context.read()
        await context.write(reply(request.call) if request.call == "2" else b"\xff\xff")
        await context.read()

    async with talking(tmp_path, serve) as conversation:
        with pytest.raises(SessionDenied, match="its reply is not understood"):
            await answer_of(conversation.ask("1", HOOK))
        async with asyncio.timeout(10):
            await ended.wait()
        assert await answer_of(conversation.ask("2", HOOK)) == "fine"


async def test_a_flood_of_them_ends_the_stream_and_what_waits(tmp_path: Path) -> None:
    async def serve(requests: Any, context: Any) -> None:
        await context.read()
        while True:
            await context.write(reply("99"))

    async with talking(tmp_path, serve) as conversation:
        with pytest.raises(SessionDenied, match="it floods the stream of its hooks"):
            await answer_of(conversation.ask("1", HOOK))


async def test_late_answers_to_what_was_cancelled_are_no_flood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_STRAYS", 3)

    async def serve(requests: Any, context: Any) -> None:
        while request := await context.read():
            if request.WhichOneof("kind") == "cancelled" or request.call == "last":
                await context.write(reply(request.call))

    async with talking(tmp_path, serve) as conversation:
        for number in range(10):
            asked = conversation.ask(f"{number}", HOOK)
            await until(lambda: asyncio.sleep(0, conversation._unsent), lambda unsent: not unsent, within=10)
            asked.cancel()
        assert await answer_of(conversation.ask("last", HOOK)) == "fine"


async def test_what_is_no_longer_waited_for_is_told_to_the_plugin_where_it_heard_of_it(tmp_path: Path) -> None:
    told: list[tuple[str, str | None]] = []

    async def serve(requests: Any, context: Any) -> None:
        while request := await context.read():
            told.append((request.call, request.WhichOneof("kind")))

    async with talking(tmp_path, serve) as conversation:
        # It is on its way as soon as there is a connection, and what comes after it waits.
        sent, never_sent = conversation.ask("1", HOOK), conversation.ask("2", HOOK)
        never_sent.cancel()
        await until(lambda: asyncio.sleep(0, told), bool, within=10)
        sent.cancel()
        await until(lambda: asyncio.sleep(0, told), lambda found: len(found) == 2, within=10)
    assert told == [("1", "hook"), ("1", "cancelled")]


async def test_a_failure_is_the_plugins_own_words_and_code(tmp_path: Path) -> None:
    async def serve(requests: Any, context: Any) -> None:
        async for request in requests:
            failure = pb.Failure(code="unknown_exchange" * 100, message="what? " * 10_000)
            await context.write(pb.HookReply(call=request.call, failure=failure))

    async with talking(tmp_path, serve) as conversation:
        with pytest.raises(SessionDenied, match=r"^what\?") as denied:
            await answer_of(conversation.ask("1", HOOK))
    assert denied.value.told is not None
    assert (denied.value.told.startswith("unknown_exchange"), len(denied.value.told)) == (True, 100)
    assert len(str(denied.value)) < 10_000


async def test_a_stream_that_the_plugin_ends_fails_what_waits_and_the_next_hook_opens_another(tmp_path: Path) -> None:
    streams: list[int] = []

    async def serve(requests: Any, context: Any) -> None:
        streams.append(1)
        request = await context.read()
        if len(streams) == 1:
            return
        if len(streams) == 2:
            await context.abort(grpc.StatusCode.INTERNAL, "no more")
        await context.write(reply(request.call))
        await context.read()

    async with talking(tmp_path, serve) as conversation:
        with pytest.raises(SessionDenied, match="it ended the stream of its hooks"):
            await answer_of(conversation.ask("1", HOOK))
        with pytest.raises(aio.AioRpcError, match="no more"):
            await answer_of(conversation.ask("2", HOOK))
        assert await answer_of(conversation.ask("3", HOOK)) == "fine"


async def test_a_plugin_that_reads_nothing_is_not_told_of_ends_without_number(tmp_path: Path) -> None:
    async def serve(requests: Any, context: Any) -> None:
        await asyncio.Event().wait()

    async with talking(tmp_path, serve) as conversation:
        ends = [conversation.end(pb.ExchangeEnd(exchange=f"e{number}")) for number in range(MOST_ENDS + 10)]
    assert ends.count(True) == MOST_ENDS


class Program:
    """What is asked of it by hooks that are called so."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.ended: list[str] = []

    async def hook(self, params: Any, rpc: GrpcRpc) -> bytes:
        if params["name"] == "refuse":
            raise Forbidden("no permission")
        if params["name"] == "break":
            raise KeyError
        if params["name"] == "wait":
            self.waiting.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled.set()
        return b'{"is": "reject", "status": 400, "code": "fine", "message": "x"}'

    def over(self, params: Any, rpc: GrpcRpc) -> None:
        self.ended.append(params["exchange"])


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    """One that is served as any plugin in Python."""
    program = Program()
    guest = Guest(program)
    serving = asyncio.create_task(guest.serve({LISTEN: f"unix:{tmp_path}/plugin"}))
    await until(lambda: asyncio.to_thread((tmp_path / "plugin").is_socket), bool, within=10)
    yield program
    await guest.shut_down(None, None)
    await serving
    del guest
    gc.collect()


async def test_a_plugin_in_python_answers_one_while_another_waits(tmp_path: Path, program: Program) -> None:
    async with connected(tmp_path) as conversation:
        waiting = conversation.ask("1", pb.HookCall(name="wait"))
        assert await answer_of(conversation.ask("2", HOOK)) == "fine"
        waiting.cancel()
        async with asyncio.timeout(10):
            await program.cancelled.wait()
        conversation.end(pb.ExchangeEnd(exchange="e1"))
        await until(lambda: asyncio.sleep(0, program.ended), bool, within=10)
    assert program.ended == ["e1"]


async def test_of_a_plugin_in_python_only_the_hook_fails_that_raises(tmp_path: Path, program: Program) -> None:
    async with connected(tmp_path) as conversation:
        refused = conversation.ask("1", pb.HookCall(name="refuse"))
        broken = conversation.ask("2", pb.HookCall(name="break"))
        fine = conversation.ask("3", HOOK)
        with pytest.raises(SessionDenied, match="no permission") as denied:
            await answer_of(refused)
        assert denied.value.told == Forbidden.code
        with pytest.raises(SessionDenied, match="KeyError") as denied:
            await answer_of(broken)
        assert denied.value.told == "KeyError"
        assert await answer_of(fine) == "fine"


async def test_hooks_of_a_plugin_in_python_end_with_the_stream(tmp_path: Path, program: Program) -> None:
    async with connected(tmp_path) as conversation:
        waiting = conversation.ask("1", pb.HookCall(name="wait"))
        async with asyncio.timeout(10):
            await program.waiting.wait()
        assert not waiting.done()
        waiting.cancel()
    async with asyncio.timeout(10):
        await program.cancelled.wait()
