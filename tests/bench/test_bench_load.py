"""The load generator counts what it is answered, and times it from when it was due."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools
import pytest
from bench.client import StreamConnection
from bench.load import LoadSpec, run
from bench.meter import Meter, percentile, spread_of
from bench.upstream import STREAMS, WHOLE

from bench import bodies
from listening import listening

STALL_S = 0.3


class Sink:
    """A run of one stream without a socket."""

    request = b""

    def __init__(self) -> None:
        self.meter = Meter()

    def idle(self, connection: object) -> None:
        """Nothing further to ask."""

    def lost(self, connection: object) -> None:
        """Nothing to reconnect."""


class Stalling(asyncio.Protocol):
    """Answers the first request late and all others at once."""

    stalled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        delay, Stalling.stalled = (0.0 if Stalling.stalled else STALL_S), True
        asyncio.get_running_loop().call_later(delay, self._transport.write, WHOLE)


async def test_a_closed_loop_ends_after_the_requests_asked_for(upstream: int) -> None:
    result = await run(LoadSpec(port=upstream, requests=200, connections=4, seconds=5, warm_s=0))
    assert (result.requests, result.errors, result.fault) == (200, 0, None)
    assert result.latency is not None
    assert result.latency.p50 <= result.latency.p99 <= result.latency.most


async def test_streams_are_counted_event_by_event(upstream: int) -> None:
    result = await run(LoadSpec(port=upstream, requests=20, connections=2, stream=True, seconds=5, warm_s=0))
    assert (result.requests, result.events) == (20, 20 * (bodies.EVENTS + 1))
    assert result.first_event is not None


async def test_large_bodies_are_sent_whole(upstream: int) -> None:
    result = await run(LoadSpec(port=upstream, requests=5, connections=1, body_bytes=400_000, seconds=5, warm_s=0))
    assert (result.requests, result.errors) == (5, 0)


async def test_an_open_loop_sends_what_is_due(upstream: int) -> None:
    result = await run(LoadSpec(port=upstream, rate=500, connections=8, seconds=0.4, warm_s=0))
    assert (result.requests, result.errors) == (200, 0)


async def test_a_stall_is_felt_by_every_request_that_it_held_up() -> None:
    Stalling.stalled = False
    async with listening(Stalling) as port:
        result = await run(LoadSpec(port=port, rate=100, connections=1, seconds=0.5, warm_s=0))
    assert result.requests == 50
    assert result.latency is not None
    assert result.latency.mean > 1000 * STALL_S / 5


async def test_nobody_there_is_a_fault_and_not_a_slow_answer(unused_tcp_port: int) -> None:
    result = await run(LoadSpec(port=unused_tcp_port, seconds=0.1, warm_s=0))
    assert (result.requests, result.errors) == (0, 1)
    assert "connect" in (result.fault or "")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 1_000_000])
def test_events_are_counted_wherever_the_stream_was_cut(size: int) -> None:
    sink = Sink()
    connection = StreamConnection(sink)
    for start in range(0, len(STREAMS[True]), size):
        connection.data_received(STREAMS[True][start : start + size])
    assert sink.meter.events == bodies.EVENTS + 2
    assert len(sink.meter.latencies) == len(sink.meter.first_events) == 1


def test_what_is_not_http_is_refused_by_the_parser() -> None:
    with pytest.raises(httptools.HttpParserError):
        httptools.HttpResponseParser(object()).feed_data(b"<html>")


def test_percentiles_are_by_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert spread_of([]) is None
