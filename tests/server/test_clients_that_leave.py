"""Clients that leave, send nothing or take nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jackfield.server import in_flight
from jackfield.server.in_flight import SLOW_CLIENT_S, InFlight
from jackfield.server.process import CLOSING_S, HttpServer
from jackfield.testing import Answer, Reply, Upstream, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]

PATH = "/v1/chat/completions"
CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
REPLY = Reply(text="one two three four five six")


class Sweeper:
    """The gateway's own sweeper, and the clock that it is given."""

    def __init__(self) -> None:
        self.in_flight: InFlight | None = None
        self.server: HttpServer | None = None

    def sweep_later(self, seconds: float) -> None:
        assert self.in_flight is not None
        self.in_flight.sweep(asyncio.get_running_loop().time() + seconds)


@pytest.fixture
def sweeper(monkeypatch: pytest.MonkeyPatch) -> Sweeper:
    found = Sweeper()
    run, startup = InFlight.run, HttpServer.startup

    async def noted(self: InFlight) -> None:
        found.in_flight = self
        await run(self)

    async def started(self: HttpServer, sockets: list[socket.socket] | None = None) -> None:
        found.server = self
        await startup(self, sockets)

    monkeypatch.setattr(InFlight, "run", noted)
    monkeypatch.setattr(HttpServer, "startup", started)
    return found


@asynccontextmanager
async def connected(gateway: RunningGateway, buffer: int = 0) -> AsyncIterator[socket.socket]:
    """A plain connection; with `buffer` one that takes no more than that before it is read."""
    loop = asyncio.get_running_loop()
    with socket.socket() as plain:
        plain.setblocking(False)
        if buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await loop.sock_connect(plain, ("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        yield plain


def asking(*, stream: bool) -> bytes:
    return json.dumps(CHAT | {"stream": stream}).encode()


def request(gateway: RunningGateway, body: bytes, **headers: str) -> bytes:
    return gateway.caller().write_head("POST", PATH, {"content-length": str(len(body))} | headers) + body


async def in_flight_now(gateway: RunningGateway) -> float:
    return (await gateway.metrics())["jackfield_in_flight"]


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_leaving_before_the_body_is_whole(start_gateway: StartGateway, upstream: Upstream, how: str) -> None:
    gateway = await start_gateway(upstreams=[link(upstream)])
    async with gateway.caller() as caller:
        await caller.write(caller.write_head("POST", PATH, {"content-length": "1000"}) + b'{"model": "scr')
        await until(lambda: in_flight_now(gateway), lambda count: count == 1)
        caller.leave(reset=how == "reset")
        record = await gateway.record()
    assert (record["status"], record["error"], record["model"]) == (499, "client_gone", None)
    assert upstream.requests == []
    await gateway.quiet()


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_ends_the_upstream_call_soon_and_leaves_no_task(
    start_gateway: StartGateway, upstream: Upstream, stream: bool
) -> None:
    gateway = await start_gateway(upstreams=[link(upstream)])
    before = {task.get_name() for task in asyncio.all_tasks()}
    upstream.script(Answer.hang_after(3, REPLY) if stream else Answer.hang_before_head())
    async with gateway.caller() as caller:
        await caller.write(request(gateway, asking(stream=stream)))
        await upstream.received(1)
        left = asyncio.get_running_loop().time()
        caller.leave()
        await upstream.disconnected(1)
        took = asyncio.get_running_loop().time() - left
    record = await gateway.record()
    assert (record["status"], record["stream"]) == (499, stream)
    # Two ticks of the sweeper, and what a busy machine adds to that.
    assert took < 2 * in_flight.TICK_S + 0.4
    await gateway.quiet()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not any(name.startswith("watch-") for name in names)
    assert len(names) <= len(before) + 2


async def test_a_client_that_sends_no_more_of_its_body_is_given_up(
    start_gateway: StartGateway, sweeper: Sweeper
) -> None:
    gateway = await start_gateway()
    async with connected(gateway) as plain:
        await asyncio.get_running_loop().sock_sendall(plain, request(gateway, b"{", content_length="100"))
        await until(lambda: in_flight_now(gateway), lambda count: count == 1)
        sweeper.sweep_later(0)
        sweeper.sweep_later(SLOW_CLIENT_S - 1)
        assert await in_flight_now(gateway) == 1
        sweeper.sweep_later(SLOW_CLIENT_S + 1)
        record = await gateway.record()
    assert (record["status"], record["error"]) == (499, "client_gone")
    await gateway.quiet()


async def test_a_body_that_grows_slowly_is_waited_for(start_gateway: StartGateway, sweeper: Sweeper) -> None:
    gateway = await start_gateway()
    body = b'{"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}'
    calls = sweeper.in_flight
    async with gateway.caller() as caller:
        await caller.write(caller.write_head("POST", PATH, {"content-length": str(len(body))}) + body[:10])
        await until(lambda: in_flight_now(gateway), lambda count: count == 1)
        assert calls is not None
        (call,) = calls._calls
        for step in range(1, 4):
            turn = call.turn
            sweeper.sweep_later(step * (SLOW_CLIENT_S - 1))
            await caller.write(body[step * 10 : step * 10 + 10])
            await until(lambda: turned(call, turn), bool)  # noqa: B023 - awaited before the next step
        called = await caller.send(body[40:])
        await caller.finish(called)
    assert called.status == 200


async def turned(call: Any, turn: int) -> bool:
    return bool(call.turn > turn)


async def test_a_client_that_takes_nothing_is_given_up_and_cut_off(
    start_gateway: StartGateway, upstream: Upstream, sweeper: Sweeper
) -> None:
    gateway = await start_gateway(upstreams=[link(upstream)])
    upstream.script(Answer.text(f"{'much' * 500} " * 20_000))
    async with connected(gateway, buffer=4096) as plain:
        await asyncio.get_running_loop().sock_sendall(plain, request(gateway, asking(stream=True)))
        await until(lambda: waiting(sweeper), bool, within=20)
        sweeper.sweep_later(0)
        sweeper.sweep_later(SLOW_CLIENT_S - 1)
        assert await in_flight_now(gateway) == 1
        sweeper.sweep_later(SLOW_CLIENT_S + 1)
        await upstream.disconnected(1)
        record = await gateway.record()
        assert (record["status"], record["error"]) == (499, "client_gone")
        await gateway.quiet()

        server = sweeper.server
        assert server is not None
        await until(lambda: closing(server), lambda count: count == 1)
        now = asyncio.get_running_loop().time()
        server.abort_lingering(now)
        server.abort_lingering(now + CLOSING_S + 1)
        await until(lambda: closing(server), lambda count: count == 0)


async def waiting(sweeper: Sweeper) -> bool:
    """Whether the only call waits for its client, and did so at the sweeper's last tick."""
    assert sweeper.in_flight is not None
    return [call.waits and call.waited[0] == call.turn for call in sweeper.in_flight._calls] == [True]


async def closing(server: HttpServer) -> int:
    return sum(connection.transport.is_closing() for connection in server.server_state.connections)
