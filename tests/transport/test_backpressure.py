"""Neither a slow reader nor a slow upstream makes memory grow."""

from __future__ import annotations

import asyncio

from scripted_peer import WITHIN_S, Peer, sized

from conftest import Fetch, MakeClient, Serve
from jackfield.transport import Deadlines, Limits, OutgoingRequest

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = bytes(65536)
PIECES = 800
LARGE = b"0123456789abcdef" * 1_000_000


async def stream(peer: Peer) -> None:
    await peer.take_request()
    await peer.say(CHUNKED)
    for _ in range(PIECES):
        await peer.say(b"10000\r\n" + PIECE + b"\r\n")
        peer.bodies.append(b"said")
    await peer.say(b"0\r\n\r\n")
    await peer.await_end()


async def settle(peer: Peer) -> int:
    """How much the upstream could say until it was held up."""
    said, still = -1, 0
    while still < 50:
        await asyncio.sleep(0.001)
        still = still + 1 if len(peer.bodies) == said else 0
        said = len(peer.bodies)
    return said * len(PIECE)


async def test_an_upstream_is_held_up_by_a_slow_reader(serve: Serve, fetch: Fetch) -> None:
    server = await serve(stream)
    answered = await fetch(server.url())
    assert await settle(server.peers[0]) < PIECES * len(PIECE) / 2
    sizes = [len(piece) async for piece in answered.chunks()]
    assert sum(sizes) == PIECES * len(PIECE)
    assert max(sizes) <= 1024 * 1024


async def test_a_reader_of_the_whole_body_holds_nothing_up(serve: Serve, fetch: Fetch) -> None:
    server = await serve(stream)
    answered = await fetch(server.url())
    await settle(server.peers[0])
    assert len(await asyncio.wait_for(answered.read(), WITHIN_S)) == PIECES * len(PIECE)


async def test_a_connection_that_was_held_up_is_kept(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.take_request()
            await peer.say(sized(LARGE))
        await peer.await_end()

    client = make_client(limits=Limits(max_buffered_bytes=1024))
    server = await serve(script)
    for _ in range(2):
        answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
        assert b"".join([piece async for piece in answered.chunks()]) == LARGE
    assert client.stats().reused == 1


async def test_a_large_request_is_written_at_the_upstream_s_pace(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.take_request()
            await peer.say(sized(b"thanks"))
        await peer.await_end()

    server = await serve(script)
    for _ in range(2):
        assert await (await fetch(server.url(), "POST", LARGE)).read() == b"thanks"
    assert server.peers[0].bodies == [LARGE, LARGE]


async def test_an_answer_before_the_end_of_the_request_is_delivered(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await peer.say(sized(b"too much", status=b"413 Content Too Large"))
        await delivered.wait()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.await_end()

    delivered = asyncio.Event()
    server = await serve(script)
    answered = await fetch(server.url(), "POST", LARGE)
    assert (answered.status, await answered.read()) == (413, b"too much")
    delivered.set()
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


async def test_an_answer_before_a_hasty_close_is_delivered(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(sized(b"too much", status=b"413 Content Too Large"))

    server = await serve(script)
    answered = await fetch(server.url(), "POST", LARGE)
    assert (answered.status, await answered.read()) == (413, b"too much")


async def test_an_early_answer_that_goes_on_while_the_request_is_written(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(CHUNKED)
        taken = 0
        while taken < len(LARGE):
            taken += len(await peer.reader.read(1_000_000))
            await peer.say(b"1\r\nx\r\n")
        await peer.say(b"0\r\n\r\n")
        await peer.await_end()

    server = await serve(script)
    answered = await fetch(server.url(), "POST", LARGE)
    assert set(await answered.read()) == {ord("x")}


async def test_an_upstream_that_half_closes_after_its_answer(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(sized(b"last words"))
        peer.writer.write_eof()
        await peer.await_end()

    server = await serve(script)
    assert await (await fetch(server.url())).read() == b"last words"
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)
