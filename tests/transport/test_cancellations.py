"""Cancelling a call, wherever it stands, closes its socket at once and leaves nothing behind."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable

import pytest
from certified import certify, trust
from scripted_peer import WITHIN_S, Peer, ScriptedServer, answer_always, keep_silent, sized

from conftest import MakeClient, Serve
from jackfield.transport import Deadlines, HttpClient, Limits, OutgoingRequest

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LARGE = bytes(30_000_000)
AT_ONCE_S = 1.0
"""50 ms on a quiet machine; tests run beside others."""


async def send_half_a_body(peer: Peer) -> None:
    await peer.take_request()
    await peer.say(CHUNKED + b"3\r\none\r\n")
    await peer.await_end()


async def send_half_a_head(peer: Peer) -> None:
    await peer.take_request()
    await peer.say(b"HTTP/1.1 200 OK\r\nx-half: ")
    await peer.await_end()


async def read_slowly(peer: Peer) -> None:
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await cancelled[peer].wait()
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await peer.await_end()


cancelled: dict[Peer, asyncio.Event] = {}


async def fetch(client: HttpClient, url: str, body: bytes = b"") -> bytes:
    answered = await client.send(OutgoingRequest("POST", url, (), body), Deadlines())
    return await answered.read()


async def fetch_pieces(client: HttpClient, url: str) -> None:
    answered = await client.send(OutgoingRequest("POST", url), Deadlines())
    async for _ in answered.chunks():
        pass


async def turn_loop() -> None:
    """Lets everything happen that only waits for the loop and for loopback."""
    for _ in range(20):
        await asyncio.sleep(0)


async def cancel(call: asyncio.Task[object], server: ScriptedServer, client: HttpClient) -> None:
    """Cancels, and sees the upstream told and the client empty, at once."""
    peers = [await server.await_peer()]
    await turn_loop()
    begun = time.monotonic()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    for peer in peers:
        cancelled.setdefault(peer, asyncio.Event()).set()
        await asyncio.wait_for(peer.gone.wait(), WITHIN_S)
    assert time.monotonic() - begun < AT_ONCE_S
    assert (client.stats().open, client.stats().opening, client.stats().idle) == (0, 0, 0)
    others = asyncio.all_tasks() - server.tasks - {asyncio.current_task()}
    assert not others


@pytest.mark.parametrize("script", [keep_silent, send_half_a_head, send_half_a_body])
@pytest.mark.parametrize("act", [fetch, fetch_pieces])
async def test_while_it_waits_for_the_answer(
    script: Callable[[Peer], Awaitable[None]],
    act: Callable[[HttpClient, str], Awaitable[object]],
    serve: Serve,
    client: HttpClient,
) -> None:
    server = await serve(script)
    await cancel(asyncio.ensure_future(act(client, server.url())), server, client)


async def test_while_it_writes(serve: Serve, client: HttpClient) -> None:
    async def script(peer: Peer) -> None:
        cancelled.setdefault(peer, asyncio.Event())
        await read_slowly(peer)

    server = await serve(script)
    await cancel(asyncio.ensure_future(fetch(client, server.url(), LARGE)), server, client)


async def test_while_it_shakes_hands(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(tls=ssl.create_default_context())
    server = await serve(lambda peer: peer.await_end())
    url = server.url().replace("http:", "https:")
    await cancel(asyncio.ensure_future(fetch(client, url)), server, client)


async def test_while_it_connects(client: HttpClient, full_port: int) -> None:
    call = asyncio.ensure_future(fetch(client, f"http://127.0.0.1:{full_port}"))
    await turn_loop()
    assert client.stats().opening == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (client.stats().opening, client.stats().open) == (0, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Pondering:
    async def resolve(self, host: str) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return ()


async def test_while_it_looks_up(make_client: MakeClient) -> None:
    client = make_client(resolver=Pondering())
    call = asyncio.ensure_future(fetch(client, "http://a.example/"))
    await turn_loop()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert client.stats().opening == 0


async def test_while_it_queues(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(max_connections_per_origin=1))
    server = await serve(keep_silent)
    first = asyncio.ensure_future(fetch(client, server.url()))
    await server.await_peer()
    second = asyncio.ensure_future(fetch(client, server.url()))
    await turn_loop()
    assert client.stats().queued == 1
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert client.stats().queued == 0
    await cancel(first, server, client)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("turns", range(1, 32))
async def test_after_any_number_of_turns_of_the_loop(
    turns: int, tls: bool, serve: Serve, make_client: MakeClient
) -> None:
    """Whichever moment is hit, the only slot comes back."""
    client = make_client(limits=Limits(max_connections_per_origin=1), tls=trust())
    server = await serve(answer_always(sized(b"hi")), tls=certify("127.0.0.1") if tls else None)
    calls = [asyncio.ensure_future(fetch(client, server.url())) for _ in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)
    calls[0].cancel()
    calls[1].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert calls[2].result() == b"hi"
    assert await asyncio.wait_for(fetch(client, server.url()), WITHIN_S) == b"hi"
    async with asyncio.timeout(WITHIN_S):
        while sum(not peer.gone.is_set() for peer in server.peers) != 1:
            await asyncio.sleep(0)
    assert (client.stats().open, client.stats().idle) == (1, 1)


async def test_closing_the_client_while_a_call_connects(make_client: MakeClient, full_port: int) -> None:
    client = make_client()
    call = asyncio.ensure_future(fetch(client, f"http://127.0.0.1:{full_port}"))
    await turn_loop()
    await asyncio.wait_for(client.aclose(), WITHIN_S)
    with pytest.raises(Exception, match="the client was closed"):
        await call
    with pytest.raises(Exception, match="the client is closed"):
        await fetch(client, f"http://127.0.0.1:{full_port}")
