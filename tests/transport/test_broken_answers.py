"""An answer that is not HTTP, not whole or not bounded is refused, and its connection closed."""

from __future__ import annotations

import asyncio
import gc

import pytest
from scripted_peer import WITHIN_S, Peer, answer, answer_and_close, sized

from conftest import Fetch, MakeClient, Serve
from jackfield.errors import UpstreamBroken
from jackfield.transport import Deadlines, HttpClient, Limits, OutgoingRequest

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

NOT_HTTP = {
    "garbage": b"\x16\x03\x01\x00\xa5 not what was asked for",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/2 settings": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "http/2 status line": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "http/0.9": b"HTTP/0.9 200 OK\r\n\r\n",
    "rtsp": b"RTSP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "bare text": b"hello\r\n\r\n",
    "short status": b"HTTP/1.1 20 OK\r\n\r\n",
    "long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 999": b"HTTP/1.1 999 OK\r\ncontent-length: 0\r\n\r\n",
    "status 000": b"HTTP/1.1 000 OK\r\ncontent-length: 0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "status in letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "space before the colon": OK + b"content-length : 0\r\n\r\n",
    "folded header": OK + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "NUL in a header": OK + b"x: a\0b\r\ncontent-length: 0\r\n\r\n",
    "two content lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
    "length and chunked": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "negative length": OK + b"content-length: -1\r\n\r\n",
    "list of lengths": OK + b"content-length: 2, 2\r\n\r\nab",
    "overflowing length": OK + b"content-length: 99999999999999999999999\r\n\r\n",
    "gzip transfer coding": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer coding": OK + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
}

BROKEN_BODIES = {
    "chunk size in letters": CHUNKED + b"3\r\none\r\nzz\r\n",
    "chunk size overflow": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n",
    "no line end after a chunk": CHUNKED + b"3\r\noneX3\r\ntwo\r\n0\r\n\r\n",
}

CUT_SHORT = {
    "no answer": (b"", "without an answer"),
    "half a status line": (b"HTTP/1.1 20", "within the head"),
    "half a head": (OK + b"content-le", "within the head"),
    "only an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", "within the head"),
    "short body": (OK + b"content-length: 10\r\n\r\nhalf", "before the end of the body"),
    "no last chunk": (CHUNKED + b"3\r\none\r\n", "before the end of the body"),
    "half a chunk": (CHUNKED + b"10\r\none", "before the end of the body"),
    "half the trailers": (CHUNKED + b"0\r\nx: y\r\n", "before the end of the body"),
}


async def fail(fetch: Fetch, url: str, complaint: str) -> None:
    with pytest.raises(UpstreamBroken, match=complaint) as broken:
        async with asyncio.timeout(WITHIN_S):
            await (await fetch(url + "?key=secret")).read()
    assert str(broken.value).startswith(url.rstrip("/") + ": ")
    assert "secret" not in str(broken.value)
    assert broken.value.sent


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_not_http_is_refused(data: bytes, serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(data))
    with pytest.raises(UpstreamBroken, match=r"\bits? "):
        await fetch(server.url())
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


@pytest.mark.parametrize("data", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
async def test_broken_framing_is_refused(data: bytes, serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(data))
    await fail(fetch, server.url(), "not HTTP/1.1")
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


@pytest.mark.parametrize(("data", "complaint"), CUT_SHORT.values(), ids=CUT_SHORT)
async def test_an_answer_cut_short_is_no_answer(data: bytes, complaint: str, serve: Serve, fetch: Fetch) -> None:
    await fail(fetch, (await serve(answer_and_close(data))).url(), complaint)


async def test_what_came_before_the_break_is_still_delivered(serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer_and_close(CHUNKED + b"3\r\none\r\n"))
    pieces = (await fetch(server.url())).chunks()
    assert await anext(pieces) == b"one"
    with pytest.raises(UpstreamBroken, match="before the end"):
        await anext(pieces)


@pytest.mark.parametrize(
    "flood",
    [
        OK + b"x: " + b"a" * 5000,
        OK + b"x-a: 1\r\n" * 1000,
        OK + b"x-a: 1\r\n" * 300 + b"content-length: 0\r\n\r\n",
        OK + b"x: " + b"a" * 5000 + b"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 " + b"2" * 5000,
        b"HTTP/1.1 200 " + b"k" * 5000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        OK + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x-a: 1\r\n" * 2000,
    ],
)
async def test_a_flood_of_headers_is_refused(flood: bytes, serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(max_header_bytes=4096, max_headers=100))
    server = await serve(answer(flood))
    with pytest.raises(UpstreamBroken):
        async with asyncio.timeout(WITHIN_S):
            await (await client.send(OutgoingRequest("GET", server.url()), Deadlines())).read()


async def test_a_chunk_extension_without_end_is_refused(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED + b"3;")
        while True:
            await peer.say(b"a" * 1000)

    client = make_client(limits=Limits(max_header_bytes=4096))
    server = await serve(script)
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    with pytest.raises(UpstreamBroken, match="framing is larger than max_header_bytes"):
        await asyncio.wait_for(answered.read(), WITHIN_S)


async def test_trailers_without_end_are_refused(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED + b"3\r\none\r\n0\r\n")
        while True:
            await peer.say(b"x-a: 1\r\n" * 100)

    client = make_client(limits=Limits(max_header_bytes=4096))
    server = await serve(script)
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    with pytest.raises(UpstreamBroken, match="trailers is larger than max_header_bytes"):
        await asyncio.wait_for(answered.read(), WITHIN_S)


async def test_a_body_without_end_is_refused_while_it_still_comes(serve: Serve, make_client: MakeClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED)
        while True:
            await peer.say(b"400\r\n" + bytes(1024) + b"\r\n")

    client = make_client(limits=Limits(max_body_bytes=100_000))
    server = await serve(script)
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    with pytest.raises(UpstreamBroken, match="larger than max_body_bytes"):
        await asyncio.wait_for(answered.read(), WITHIN_S)


async def test_a_large_head_that_arrives_with_its_body_is_no_flood(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(max_header_bytes=4096))
    server = await serve(answer(sized(b"b" * 50_000, b"x: " + b"a" * 3900)))
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    assert len(await answered.read()) == 50_000


@pytest.mark.parametrize(
    "data",
    [
        sized(b"b" * 100_000),
        CHUNKED + b"186a0\r\n" + b"b" * 100_000 + b"\r\n0\r\n\r\n",
        OK + b"\r\n" + b"b" * 100_000,
    ],
)
async def test_a_body_larger_than_allowed_is_refused(data: bytes, serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(max_body_bytes=50_000, max_buffered_bytes=8192))
    server = await serve(answer_and_close(data))
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    with pytest.raises(UpstreamBroken, match="larger than max_body_bytes = 50000"):
        await asyncio.wait_for(answered.read(), WITHIN_S)


async def test_whoever_keeps_the_refusal_does_not_keep_what_came_of_the_body(
    serve: Serve, make_client: MakeClient
) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(CHUNKED)
        while True:
            await peer.say(b"400\r\n" + bytes(1024) + b"\r\n")

    client = make_client(limits=Limits(max_body_bytes=100_000))
    server = await serve(script)
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    with pytest.raises(UpstreamBroken, match="larger than max_body_bytes"):
        await asyncio.wait_for(answered.read(), WITHIN_S)
    assert [len(one) for one in gc.get_referents(answered) if isinstance(one, bytes) and len(one) > 1000] == []


async def test_a_length_beyond_the_limit_is_refused_before_it_is_waited_for(
    serve: Serve, make_client: MakeClient
) -> None:
    client = make_client(limits=Limits(max_body_bytes=1000))
    server = await serve(answer(OK + b"content-length: 1001\r\n\r\n"))
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    with pytest.raises(UpstreamBroken, match="max_body_bytes"):
        await asyncio.wait_for(answered.read(), WITHIN_S)
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


async def test_a_broken_answer_leaves_the_client_well(serve: Serve, client: HttpClient, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(b"garbage" if peer is server.peers[0] else sized(b"fine"))
        await peer.await_end()

    server = await serve(script)
    await fail(fetch, server.url(), "not HTTP/1.1")
    assert await (await fetch(server.url())).read() == b"fine"
    assert client.stats().idle == 1
