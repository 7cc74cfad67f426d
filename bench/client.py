"""The load generator's connections: raw protocols that parse what they must and no more."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Protocol, cast

import httptools

from bench.meter import Meter
from bench.upstream import content_length


class Run(Protocol):
    """Whoever decides what a connection does next."""

    meter: Meter
    request: bytes

    def idle(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """One request at a time. Its time counts from when it should have been sent."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.is_busy = False
        self._intended = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._run.idle(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self.is_busy:
            self._run.meter.fail(f"connection lost in an answer: {error or 'closed'}")
        self.is_busy = False
        self._run.lost(self)

    def send(self, intended: float) -> None:
        self.is_busy = True
        self._intended = intended
        self._transport.write(self._run.request)

    def finish(self) -> None:
        self.is_busy = False
        self._run.meter.latencies.append(perf_counter() - self._intended)
        self._run.idle(self)

    def give_up(self, fault: str) -> None:
        self.is_busy = False
        self._run.meter.fail(fault)
        self._transport.abort()

    def close(self) -> None:
        self.is_busy = False
        self._transport.abort()


class WholeConnection(Connection):
    """For answers with a content-length."""

    _left = 0

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            end = data.find(b"\r\n\r\n")
            if end < 0 or data[9:12] != b"200":
                self.give_up(f"not a 200 with a head in one piece: {data[:300]!r}")
                return
            self._left = end + 4 + content_length(data[:end]) - len(data)
        if self._left == 0:
            self.finish()
        elif self._left < 0:
            self.give_up("more bytes than the answer's content-length")


class StreamConnection(Connection):
    """Counts server-sent events; an event is over at an empty line, wherever the pieces were cut."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._seen = 0
        self._newline = False
        self._parser: httptools.HttpResponseParser = httptools.HttpResponseParser(self)

    def send(self, intended: float) -> None:
        self._seen = 0
        self._newline = False
        super().send(intended)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.give_up(f"not HTTP: {error}")

    def on_body(self, body: bytes) -> None:
        before = self._seen
        self._seen += body.count(b"\n\n") + (self._newline and body.startswith(b"\n"))
        if before == 0 < self._seen:
            self._run.meter.first_events.append(perf_counter() - self._intended)
        self._newline = body.endswith(b"\n") and not body.endswith(b"\n\n")

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != 200:
            self.give_up(f"status {status}")
            return
        self._run.meter.events += self._seen
        self.finish()
