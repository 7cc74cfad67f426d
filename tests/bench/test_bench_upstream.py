"""The mock upstream answers like an OpenAI server, however its requests arrive."""

from __future__ import annotations

import asyncio
import json

import pytest
from bench.upstream import CHUNKS, content_length

from bench import bodies

DEADLINE_S = 5


def request(body: bytes) -> bytes:
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def answer_head(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)


@pytest.mark.parametrize("size", [1024, 10_000, 400_000])
def test_a_body_has_exactly_the_size_asked_for(size: int) -> None:
    body = bodies.chat_body(size)
    assert len(body) == size
    assert json.loads(body)["model"] == bodies.MODEL


def test_a_stream_is_200_chunks_and_an_end_and_usage_only_where_asked() -> None:
    assert len(bodies.events(usage=False)) == bodies.EVENTS + 1
    assert len(bodies.events(usage=True)) == bodies.EVENTS + 2
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in bodies.events(usage=True))


def test_every_chunk_is_one_event() -> None:
    assert [chunk.count(b"data: ") for chunk in CHUNKS[False]] == [1] * (bodies.EVENTS + 1)


@pytest.mark.parametrize(
    "head", [b"POST / HTTP/1.1\r\ncontent-length: 12", b"POST / HTTP/1.1\r\nContent-Length:12\r\na: b"]
)
def test_the_content_length_is_found_whatever_its_place(head: bytes) -> None:
    assert content_length(head) == 12


@pytest.mark.parametrize("cut", [1, 40, 70, 71, 500, 20_000])
async def test_a_request_may_arrive_in_pieces(upstream: int, cut: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream)
    whole = request(bodies.chat_body(30_000)) * 2
    for start in range(0, len(whole), max(cut, len(whole) // 50)):
        writer.write(whole[start : start + max(cut, len(whole) // 50)])
        await writer.drain()
    for _ in range(2):
        length = content_length(await answer_head(reader))
        body = await asyncio.wait_for(reader.readexactly(length), DEADLINE_S)
        assert json.loads(body)["choices"][0]["finish_reason"] == "stop"
    writer.close()


async def test_a_paced_stream_sends_its_first_event_at_once(upstream: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream)
    writer.write(request(bodies.chat_body(1024, stream=True, model=bodies.PACED_MODEL)))
    head = await answer_head(reader)
    first = await asyncio.wait_for(reader.readuntil(b"\n\n"), DEADLINE_S)
    assert b"text/event-stream" in head
    assert b'"role":"assistant"' in first
    writer.close()
