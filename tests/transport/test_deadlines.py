"""Each deadline is kept, named in the error, and closes the socket."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from scripted_peer import WITHIN_S, Peer, answer, keep_silent, sized

from conftest import Fetch, MakeClient, Serve
from jackfield.errors import ConnectFailed, UpstreamTimeout
from jackfield.transport import Deadlines, HttpClient, OutgoingRequest

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LARGE = bytes(30_000_000)


async def await_pieces(peer: Peer, piece: bytes, every_s: float) -> None:
    """Speaks without end; the pauses are part of what the upstream does."""
    while not peer.writer.transport.is_closing():
        await peer.say(piece)
        await asyncio.sleep(every_s)


async def test_no_answer(serve: Serve, fetch: Fetch) -> None:
    server = await serve(keep_silent)
    with pytest.raises(UpstreamTimeout) as late:
        await fetch(server.url("/?key=secret"), first_byte_s=0.05)
    origin = server.url().rstrip("/")
    assert str(late.value) == f"{origin}: no answer within first_byte_s = 0.05 s"
    assert late.value.sent
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


@pytest.mark.parametrize("piece", [b"x-more: header\r\n", b"\r\nHTTP/1.1 100 Continue\r\nx: y\r\n"])
async def test_a_head_that_drips_is_no_answer(piece: bytes, serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(b"HTTP/1.1 100 Continue\r\n")
        await await_pieces(peer, piece, 0.01)

    server = await serve(script)
    with pytest.raises(UpstreamTimeout, match="first_byte_s"):
        await fetch(server.url(), first_byte_s=0.08, idle_s=0.04)


async def test_a_body_that_stops(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED + b"3\r\none\r\n")
        await peer.await_end()

    server = await serve(script)
    pieces = (await fetch(server.url(), idle_s=0.05)).chunks()
    assert await anext(pieces) == b"one"
    with pytest.raises(UpstreamTimeout, match=r"the body did not move for idle_s = 0.05 s"):
        await asyncio.wait_for(anext(pieces), WITHIN_S)
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


async def test_a_body_that_moves_is_not_idle(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED)
        for _ in range(12):
            await peer.say(b"1\r\nx\r\n")
            await asyncio.sleep(0.05)
        await peer.say(b"0\r\n\r\n")
        await peer.await_end()

    server = await serve(script)
    assert await (await fetch(server.url(), idle_s=0.4)).read() == b"x" * 12


async def test_a_body_that_moves_for_too_long(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED)
        await await_pieces(peer, b"1\r\nx\r\n", 0.01)

    server = await serve(script)
    answered = await fetch(server.url(), whole_s=0.15)
    with pytest.raises(UpstreamTimeout, match=r"not whole within whole_s = 0.15 s"):
        await asyncio.wait_for(answered.read(), WITHIN_S)


async def test_whole_includes_the_wait_for_the_head(serve: Serve, fetch: Fetch) -> None:
    server = await serve(keep_silent)
    with pytest.raises(UpstreamTimeout, match="whole_s"):
        await fetch(server.url(), whole_s=0.05)


async def test_a_request_that_is_not_taken(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()

    over = asyncio.Event()
    server = await serve(script)
    with pytest.raises(UpstreamTimeout, match=r"the request was not taken for idle_s = 0.1 s"):
        await fetch(server.url(), "POST", LARGE, idle_s=0.1)
    over.set()


async def test_an_answer_that_nobody_takes(serve: Serve, fetch: Fetch, client: HttpClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED)
        while True:
            await peer.say(b"10000\r\n" + bytes(65536) + b"\r\n")

    server = await serve(script)
    await fetch(server.url(), idle_s=0.1)
    async with asyncio.timeout(WITHIN_S):
        while client.stats().open:
            await asyncio.sleep(0.01)
    assert client.stats().open == 0


class Sluggish:
    async def resolve(self, host: str) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return ()


class Nowhere:
    async def resolve(self, host: str) -> tuple[str, ...]:
        raise OSError(-2, "Name or service not known")


async def test_a_look_up_without_end(make_client: MakeClient) -> None:
    client = make_client(resolver=Sluggish())
    with pytest.raises(UpstreamTimeout, match=r"connect_s = 0.05 s passed while looking up the host") as late:
        await client.send(OutgoingRequest("GET", "http://a.example/"), Deadlines(connect_s=0.05))
    assert not late.value.sent


async def test_a_host_without_address(make_client: MakeClient) -> None:
    client = make_client(resolver=Nowhere())
    with pytest.raises(ConnectFailed, match=r"http://a\.example: the host cannot be resolved: Name or") as failed:
        await client.send(OutgoingRequest("GET", "http://a.example/?k=secret"), Deadlines())
    assert not failed.value.sent


async def test_nobody_listens(client: HttpClient) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(ConnectFailed, match=r"cannot connect to 127.0.0.1: Connect") as failed:
            await client.send(OutgoingRequest("GET", url), Deadlines())
    assert not failed.value.sent


async def test_a_listener_that_accepts_nobody(client: HttpClient, full_port: int) -> None:
    with pytest.raises(UpstreamTimeout, match=r"connect_s = 0.1 s passed while connecting") as late:
        await client.send(OutgoingRequest("GET", f"http://127.0.0.1:{full_port}"), Deadlines(connect_s=0.1))
    assert not late.value.sent


async def test_one_timer_serves_deadlines_of_every_length(serve: Serve, client: HttpClient) -> None:
    """A short deadline after a long one, and a long one after a short one."""
    server = await serve(keep_silent)
    begun = time.monotonic()

    async def wait(first_byte_s: float) -> float:
        with pytest.raises(UpstreamTimeout):
            await client.send(OutgoingRequest("GET", server.url()), Deadlines(first_byte_s=first_byte_s))
        return time.monotonic() - begun - first_byte_s

    async with asyncio.timeout(WITHIN_S):
        late = await asyncio.gather(*[wait(span) for span in (0.4, 0.1, 0.3, 0.2, 0.35)])
    assert min(late) >= 0


async def test_a_deadline_of_one_request_is_not_the_next_one_s(serve: Serve, client: HttpClient) -> None:
    server = await serve(answer(sized(b"one"), sized(b"two")))
    for whole_s, body in ((0.5, b"one"), (None, b"two")):
        answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines(whole_s=whole_s))
        assert await answered.read() == body
        await asyncio.sleep(0.55 if whole_s else 0)  # past its deadline, which must not strike
    assert client.stats().created == 1
