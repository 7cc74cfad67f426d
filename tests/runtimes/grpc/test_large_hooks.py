"""A hook that is sent much has a call of its own: what one side does not take is no other request's trouble."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc import aio

from jackfield.errors import SessionDenied
from jackfield.runtimes.grpc.desk import OPTIONS
from jackfield.runtimes.grpc.generated import plugin_pb2 as pb
from jackfield.runtimes.grpc.peer import MOST_IN_STREAM, GrpcPeer
from jackfield.runtimes.grpc.values import MOST


class Hooks:
    """A plugin whose hook `wait` answers when it may, and any other at once with the way it came."""

    def __init__(self) -> None:
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def handle(self, hook: pb.HookCall, context: Any) -> pb.Outcome:
        return pb.Outcome(reject=pb.Reject(status=400, code="call"))

    async def converse(self, requests: AsyncIterator[pb.HookRequest], context: Any) -> None:
        async for request in requests:
            if request.hook.name == "wait":
                self.asked.set()
                await self.let_go.wait()
            outcome = pb.Outcome(reject=pb.Reject(status=400, code="stream"))
            await context.write(pb.HookReply(call=request.call, outcome=outcome))


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
async def peer(tmp_path: Path, hooks: Hooks) -> AsyncIterator[GrpcPeer]:
    server = aio.server(options=OPTIONS)
    handlers = {
        "Handle": grpc.unary_unary_rpc_method_handler(
            hooks.handle, pb.HookCall.FromString, pb.Outcome.SerializeToString
        ),
        "Converse": grpc.stream_stream_rpc_method_handler(
            hooks.converse, pb.HookRequest.FromString, pb.HookReply.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("jackfield.plugin.v1.Hooks", handlers),))
    server.add_insecure_port(f"unix:{tmp_path}/plugin")
    await server.start()
    peer = GrpcPeer("weather", SimpleNamespace(), lambda reason: None)
    peer.open(aio.insecure_channel(f"unix:{tmp_path}/plugin", options=OPTIONS))
    peer._converse(pb.Description(converses=True))
    yield peer
    await peer.aclose("the test is over")
    await server.stop(0)
    del server
    gc.collect()


async def ask(peer: GrpcPeer, name: str, size: int = 0) -> str:
    exchange = ["e1", b"0" * size, b"0" * size]
    answer = await peer.call("hook", {"name": name, "exchange": exchange}, deadline_s=10)
    return "call" if b'"call"' in answer else "stream"


async def test_what_is_small_goes_over_the_stream_and_what_is_large_does_not(peer: GrpcPeer) -> None:
    assert await ask(peer, "check") == "stream"
    assert await ask(peer, "check", MOST_IN_STREAM) == "call"


async def test_what_is_more_than_can_be_sent_fails_nothing_else(peer: GrpcPeer, hooks: Hooks) -> None:
    waiting = asyncio.create_task(ask(peer, "wait"))
    async with asyncio.timeout(10):
        await hooks.asked.wait()
    # Each of its two parts is allowed, and the message of both is not.
    with pytest.raises(SessionDenied, match="larger than max"):
        await ask(peer, "check", MOST)
    hooks.let_go.set()
    assert await waiting == "stream"
