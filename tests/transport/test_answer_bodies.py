"""Every way in which HTTP/1.1 frames an answer."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from scripted_peer import WITHIN_S, Peer, answer, answer_and_close, keep_silent, sized

from conftest import Fetch, Serve
from jackfield.errors import UpstreamBroken
from jackfield.transport import HttpClient, UpstreamResponse

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE_ANSWERS = {
    "content-length": (sized(b"hello"), b"hello"),
    "empty": (sized(b""), b""),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    "chunk extensions": (CHUNKED + b'5;a=b;c="d"\r\nhello\r\n0;last\r\n\r\n', b"hello"),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n", b"hello"),
    "chunked and empty": (CHUNKED + b"0\r\n\r\n", b""),
    "kept alive in 1.0": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello",
        b"hello",
    ),
    "no reason phrase": (b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + sized(b"hello"),
        b"hello",
    ),
}


async def collect(answered: UpstreamResponse) -> bytes:
    return b"".join([piece async for piece in answered.chunks()])


@pytest.mark.parametrize(("data", "body"), WHOLE_ANSWERS.values(), ids=WHOLE_ANSWERS)
async def test_the_body_is_read_whole_and_the_connection_kept(
    data: bytes, body: bytes, serve: Serve, fetch: Fetch, client: HttpClient
) -> None:
    server = await serve(answer(data, data))
    assert await (await fetch(server.url())).read() == body
    assert await collect(await fetch(server.url())) == body
    assert (client.stats().created, client.stats().reused, client.stats().idle) == (1, 1, 1)


async def test_headers_keep_their_order_and_lose_their_case(serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(sized(b"", b"Set-Cookie: a=1", b"X-Odd:  b ", b"set-cookie: c=2")))
    answered = await fetch(server.url())
    assert answered.status == 200
    assert answered.headers[:3] == ((b"set-cookie", b"a=1"), (b"x-odd", b"b"), (b"set-cookie", b"c=2"))
    assert answered.header(b"set-cookie") == b"a=1"
    assert answered.header(b"x-none") is None


async def test_trailers_are_no_headers(serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(WHOLE_ANSWERS["trailers"][0]))
    answered = await fetch(server.url())
    await answered.read()
    assert answered.header(b"x-sum") is None


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"],
)
async def test_a_body_without_a_length_ends_with_the_connection(
    head: bytes, serve: Serve, fetch: Fetch, client: HttpClient
) -> None:
    server = await serve(answer_and_close(head + b"all there is"))
    assert await (await fetch(server.url())).read() == b"all there is"
    assert client.stats().idle == 0


async def test_a_body_without_a_length_that_ends_in_a_reset_is_broken(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\npart")
        await read_on.wait()
        linger_not = struct.pack("ii", 1, 0)
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
        peer.reset()

    read_on = asyncio.Event()
    server = await serve(script)
    answered = await fetch(server.url())
    pieces = answered.chunks()
    assert await anext(pieces) == b"part"
    read_on.set()
    with pytest.raises(UpstreamBroken, match="before the end of the body"):
        await anext(pieces)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_these_statuses_have_no_body(status: bytes, serve: Serve, fetch: Fetch, client: HttpClient) -> None:
    data = b"HTTP/1.1 " + status + b"\r\ncontent-encoding: gzip\r\n\r\n"
    server = await serve(answer(data, data))
    assert await (await fetch(server.url())).read() == b""
    assert await collect(await fetch(server.url())) == b""
    assert client.stats().reused == 1


@pytest.mark.parametrize("framing", [b"content-length: 10", b"transfer-encoding: chunked", b"x: y"])
async def test_an_answer_to_head_has_no_body(framing: bytes, serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n" + framing + b"\r\n\r\n"))
    answered = await fetch(server.url(), "HEAD")
    assert (answered.status, await answered.read()) == (200, b"")
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


async def test_a_connection_that_answered_head_is_not_used_again(
    serve: Serve, fetch: Fetch, client: HttpClient
) -> None:
    """The parser waits for the body that the head promises: it would take the next answer for it."""
    server = await serve(answer(sized(b"one"), b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"))
    assert await (await fetch(server.url())).read() == b"one"
    assert await (await fetch(server.url(), "HEAD")).read() == b""
    assert (client.stats().reused, client.stats().idle) == (1, 0)


async def test_the_body_of_an_answer_to_head_is_thrown_away(serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(sized(b"never promised")))
    assert await collect(await fetch(server.url(), "HEAD")) == b""


async def test_a_redirect_is_an_answer(serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(sized(b"", b"location: http://169.254.169.254/", status=b"302 Found")))
    answered = await fetch(server.url())
    assert (answered.status, answered.header(b"location")) == (302, b"http://169.254.169.254/")
    assert len(server.peers) == 1


async def test_each_piece_is_passed_on_at_once(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED)
        for piece in (b"one", b"two", b""):
            await more.wait()
            more.clear()
            await peer.say(b"%x\r\n%b\r\n" % (len(piece), piece))
        await peer.await_end()

    more = asyncio.Event()
    server = await serve(script)
    answered = await fetch(server.url())
    pieces = answered.chunks()
    for expected in (b"one", b"two"):
        more.set()
        assert await asyncio.wait_for(anext(pieces), WITHIN_S) == expected
    more.set()
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)


async def test_what_arrived_since_the_last_take_is_one_piece(serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(CHUNKED + b"3\r\none\r\n" * 200 + b"0\r\n\r\n"))
    pieces = [piece async for piece in (await fetch(server.url())).chunks()]
    assert b"".join(pieces) == b"one" * 200
    assert len(pieces) <= 2


async def test_read_gives_what_the_chunks_left(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none")
        await more.wait()
        await peer.say(b"two")
        await peer.await_end()

    more = asyncio.Event()
    server = await serve(script)
    answered = await fetch(server.url())
    assert await anext(answered.chunks()) == b"one"
    more.set()
    assert await answered.read() == b"two"


async def test_closing_early_closes_the_socket(serve: Serve, fetch: Fetch, client: HttpClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED + b"3\r\none\r\n")
        await peer.await_end()

    server = await serve(script)
    answered = await fetch(server.url())
    await answered.aclose()
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)
    with pytest.raises(UpstreamBroken, match="closed before its end"):
        await answered.read()
    assert client.stats().idle == 0


async def test_closing_the_client_ends_what_is_under_way(serve: Serve, client: HttpClient, fetch: Fetch) -> None:
    server = await serve(keep_silent)
    call = asyncio.create_task(fetch(server.url()))
    await server.await_peer()
    await client.aclose()
    with pytest.raises(UpstreamBroken, match="the client was closed"):
        await call
