"""Bodies are decoded as they arrive, and a small bomb stays small."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_peer import WITHIN_S, Peer, answer, sized

from conftest import Fetch, MakeClient, Serve
from jackfield.errors import UpstreamBroken
from jackfield.transport import Deadlines, Limits, OutgoingRequest
from jackfield.transport.decode import DecodeError, make_decoder

TEXT = b"".join(b"data: event number %d\n\n" % number for number in range(2000))


def compress_raw(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


CODED = {
    "gzip": (b"gzip", gzip.compress(TEXT)),
    "x-gzip in capitals": (b"X-GZIP", gzip.compress(TEXT)),
    "gzip of two members": (b"gzip", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])),
    "deflate with zlib frame": (b"deflate", zlib.compress(TEXT)),
    "deflate without": (b"deflate", compress_raw(TEXT)),
    "br": (b"br", brotli.compress(TEXT)),
    "zstd": (b"zstd", zstandard.ZstdCompressor(write_checksum=True).compress(TEXT)),
    "zstd of two frames": (b"zstd", zstandard.compress(TEXT[:1000]) + zstandard.compress(TEXT[1000:])),
    "twice": (b"gzip, br", brotli.compress(gzip.compress(TEXT))),
    "identity": (b"identity", TEXT),
}
BOMBS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "deflate": (b"deflate", zlib.compress),
    "br": (b"br", partial(brotli.compress, quality=4)),
    "zstd": (b"zstd", zstandard.compress),
    "gzip in gzip": (b"gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
}
ENDED = ["gzip", "deflate with zlib frame", "deflate without", "br", "zstd"]


@cache
def make_bomb(name: str) -> bytes:
    _, compress = BOMBS[name]
    return compress(bytes(100_000_000))


def decode(coding: bytes, *pieces: bytes) -> bytes:
    decoder = make_decoder(coding, 250)
    decoded = b"".join(part for piece in pieces for part in decoder.decode(piece))
    decoder.finish()
    return decoded


@pytest.mark.parametrize(("coding", "data"), CODED.values(), ids=CODED)
async def test_codings_are_undone(coding: bytes, data: bytes, serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(*[sized(data, b"content-encoding: " + coding)] * 2))
    assert await (await fetch(server.url())).read() == TEXT
    assert b"".join([piece async for piece in (await fetch(server.url())).chunks()]) == TEXT


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(CODED.values())), st.lists(st.integers(min_value=1, max_value=3000), max_size=8))
def test_any_cut_decodes_to_the_same(coded: tuple[bytes, bytes], cuts: list[int]) -> None:
    coding, data = coded
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    assert decode(coding, *[data[a:b] for a, b in pairwise(edges)]) == TEXT


@pytest.mark.parametrize("name", list(CODED))
def test_byte_by_byte_decodes_to_the_same(name: str) -> None:
    coding, data = CODED[name]
    assert decode(coding, *[data[at : at + 1] for at in range(len(data))]) == TEXT


@pytest.mark.parametrize("name", ENDED)
def test_a_body_cut_off_is_not_whole(name: str) -> None:
    coding, data = CODED[name]
    for end in (1, len(data) // 2, len(data) - 1):
        with pytest.raises(DecodeError):
            decode(coding, data[:end])


@pytest.mark.parametrize("name", ENDED)
def test_bytes_after_the_end_are_refused(name: str) -> None:
    coding, data = CODED[name]
    for pieces in ((data + b"more",), (data, b"more")):
        with pytest.raises(DecodeError):
            decode(coding, *pieces)


@pytest.mark.parametrize("name", ENDED)
def test_a_damaged_body_is_refused(name: str) -> None:
    coding, data = CODED[name]
    with pytest.raises(DecodeError):
        decode(coding, data[:100] + b"\xff\xff\xff\xff" + data[104:])


@pytest.mark.parametrize("coding", [b"compress", b"gzip, gzip, gzip, gzip", b"b\xc3\xa9"])
async def test_an_unknown_coding_is_refused(coding: bytes, serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(sized(b"data", b"content-encoding: " + coding)))
    answered = await fetch(server.url())
    with pytest.raises(UpstreamBroken, match=r"content-encoding|coded 4 times"):
        await answered.read()


@pytest.mark.parametrize("name", BOMBS)
def test_no_piece_of_a_bomb_is_large(name: str) -> None:
    decoder = make_decoder(BOMBS[name][0], 10**9)
    seen = 0
    for piece in decoder.decode(make_bomb(name)):
        assert len(piece) <= 16 * 1024 * 1024
        seen += len(piece)
        if seen > 20_000_000:
            break


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused_by_its_ratio(name: str, serve: Serve, fetch: Fetch) -> None:
    server = await serve(answer(sized(make_bomb(name), b"content-encoding: " + BOMBS[name][0])))
    answered = await fetch(server.url())
    with pytest.raises(UpstreamBroken, match="250 times its size"):
        async for _ in answered.chunks():
            pass


EMPTY_MEMBERS = gzip.compress(b"")


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_bomb_that_holds_nothing_is_refused(depth: int, serve: Serve, fetch: Fetch) -> None:
    """What only a layer in the middle makes large costs as much time as any other."""
    data = EMPTY_MEMBERS * 200_000
    for _ in range(depth):
        data = gzip.compress(data, 9)
    coding = b", ".join([b"gzip"] * (depth + 1))
    server = await serve(answer(sized(data, b"content-encoding: " + coding)))
    answered = await fetch(server.url())
    with pytest.raises(UpstreamBroken, match="250 times its size"):
        await answered.read()


@pytest.mark.parametrize("way", ["read", "chunks"])
async def test_others_have_their_turn_while_a_body_is_decoded(way: str, serve: Serve, make_client: MakeClient) -> None:
    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turns = 0
    data = EMPTY_MEMBERS * 150_000
    client = make_client(limits=Limits(max_buffered_bytes=len(data) * 2))
    server = await serve(answer(sized(data, b"content-encoding: gzip")))
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    async with asyncio.timeout(WITHIN_S):
        while client.stats().idle == 0:  # until all of it has arrived: nothing but decoding is left
            await asyncio.sleep(0)
    counting = asyncio.ensure_future(count_turns())
    if way == "read":
        assert await answered.read() == b""
    else:
        assert [piece async for piece in answered.chunks()] == []
    counting.cancel()
    assert turns >= 2


async def test_a_damaged_stream_is_closed(serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
        await peer.say(head + b"8\r\nnot gzip\r\n")
        await peer.await_end()

    server = await serve(script)
    pieces = (await fetch(server.url())).chunks()
    with pytest.raises(UpstreamBroken, match="cannot be decoded"):
        await asyncio.wait_for(anext(pieces), WITHIN_S)
    await asyncio.wait_for(server.peers[0].gone.wait(), WITHIN_S)


async def test_a_decoded_body_is_bounded_like_any_other(serve: Serve, make_client: MakeClient) -> None:
    client = make_client(limits=Limits(max_body_bytes=10_000))
    server = await serve(answer(sized(gzip.compress(TEXT), b"content-encoding: gzip")))
    answered = await client.send(OutgoingRequest("GET", server.url()), Deadlines())
    with pytest.raises(UpstreamBroken, match="max_body_bytes = 10000"):
        await answered.read()


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_a_coded_stream_is_passed_on_as_it_is_flushed(coding: str, serve: Serve, fetch: Fetch) -> None:
    async def script(peer: Peer) -> None:
        await peer.take_request()
        await peer.say(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ntransfer-encoding: chunked\r\n\r\n" % coding.encode()
        )
        for text in (b"first", b"second"):
            data = flush(text)
            await peer.say(b"%x\r\n%b\r\n" % (len(data), data))
            await more.wait()
        await peer.await_end()

    flush = make_flusher(coding)
    more = asyncio.Event()
    server = await serve(script)
    pieces = (await fetch(server.url())).chunks()
    assert await asyncio.wait_for(anext(pieces), WITHIN_S) == b"first"
    more.set()
    assert await asyncio.wait_for(anext(pieces), WITHIN_S) == b"second"


def make_flusher(coding: str):  # type: ignore[no-untyped-def]
    if coding == "gzip":
        deflate = zlib.compressobj(wbits=31)
        return lambda text: deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH)
    if coding == "br":
        squeeze = brotli.Compressor()
        return lambda text: squeeze.process(text) + squeeze.flush()
    frame = zstandard.ZstdCompressor().compressobj()
    return lambda text: frame.compress(text) + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
