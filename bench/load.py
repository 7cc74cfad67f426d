"""The load generator, one process on one core.

`python -m bench.load SPEC_AS_JSON` prints `begin` once it is warm and a `LoadResult` as JSON at the end.

Closed loop: each connection asks again once it is answered. Open loop: requests are due at a fixed rate
whatever the answers do, and their time counts from when they were due, so that a stall is felt by every
request it held up.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Callable
from time import perf_counter, process_time

import msgspec
import uvloop

from bench import bodies
from bench.client import Connection, StreamConnection, WholeConnection
from bench.meter import LoadResult, Meter, spread_of

_TICK_S = 0.001
_DRAIN_S = 10.0


class LoadSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` makes the loop open. `requests` ends a run early; `warm_s` comes before what is measured."""

    port: int
    body_bytes: int = 1024
    stream: bool = False
    model: str = bodies.MODEL
    key: str = "bench"
    connections: int = 32
    rate: float | None = None
    seconds: float = 3.0
    requests: int | None = None
    warm_s: float = 0.5

    def body(self) -> bytes:
        return bodies.chat_body(self.body_bytes, stream=self.stream, model=self.model)

    def wire(self) -> bytes:
        body = self.body()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\n"
            f"host: 127.0.0.1:{self.port}\r\n"
            f"authorization: Bearer {self.key}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class ClosedRun:
    """Keeps every connection busy until the time or the number of requests is over."""

    def __init__(self, spec: LoadSpec) -> None:
        self.spec = spec
        self.meter = Meter()
        self.request = spec.wire()
        self.over = asyncio.Event()
        self.live: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.refused: str | None = None
        self._sent = 0
        self._broken = 0

    def idle(self, connection: Connection) -> None:
        self.live.add(connection)
        if self.over.is_set():
            return
        if self.spec.requests is not None and self._sent >= self.spec.requests:
            if len(self.meter.latencies) + self.meter.errors >= self.spec.requests:
                self.over.set()
            return
        self._sent += 1
        connection.send(perf_counter())

    def lost(self, connection: Connection) -> None:
        """A server may close a connection between two answers; many losses mean that it is not serving."""
        self.live.discard(connection)
        self._broken += 1
        if self.over.is_set():
            return
        if self._broken > 50 + len(self.meter.latencies):
            self.over.set()
            return
        self.tasks.add(task := asyncio.create_task(self.connect()))
        task.add_done_callback(self.tasks.discard)

    async def connect(self) -> None:
        kind: Callable[[ClosedRun], Connection] = StreamConnection if self.spec.stream else WholeConnection
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: kind(self), "127.0.0.1", self.spec.port)
        except OSError as error:
            self.refused = f"connect: {error}"

    def begin(self) -> None:
        """Measuring starts here."""
        self.meter.reset()
        self._sent = sum(1 for connection in self.live if connection.is_busy)

    async def run(self) -> LoadResult:
        await asyncio.gather(*(self.connect() for _ in range(self.spec.connections)))
        if not self.live:
            self.meter.fail(self.refused or "no connection")
            return self._result(1.0, 0.0)
        if self.spec.warm_s:
            await asyncio.sleep(self.spec.warm_s)
        self.begin()
        print("begin", flush=True)
        began, cpu = perf_counter(), process_time()
        await self._until(self.spec.seconds)
        seconds, cpu = perf_counter() - began, process_time() - cpu
        result = self._result(seconds, cpu)
        self.over.set()
        for connection in tuple(self.live):
            connection.close()
        for task in self.tasks:
            task.cancel()
        return result

    async def _until(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.over.wait(), seconds)
        except TimeoutError:
            return

    def _result(self, seconds: float, cpu: float) -> LoadResult:
        meter, done = self.meter, len(self.meter.latencies)
        return LoadResult(
            requests=done,
            errors=meter.errors,
            seconds=seconds,
            rate=done / seconds,
            cpu_share=cpu / seconds,
            latency=spread_of(meter.latencies),
            events=meter.events,
            first_event=spread_of(meter.first_events),
            fault=meter.fault or self.refused,
        )


class OpenRun(ClosedRun):
    """Sends at a fixed rate; what finds no free connection waits, and its waiting counts."""

    def __init__(self, spec: LoadSpec, rate: float) -> None:
        super().__init__(spec)
        self._rate = rate
        self._free: list[Connection] = []
        self._due: deque[float] = deque()

    def idle(self, connection: Connection) -> None:
        self.live.add(connection)
        if self._due:
            connection.send(self._due.popleft())
        else:
            self._free.append(connection)

    def lost(self, connection: Connection) -> None:
        if connection in self._free:
            self._free.remove(connection)
        super().lost(connection)

    async def _until(self, seconds: float) -> None:
        began = perf_counter()
        total, issued = int(self._rate * seconds), 0
        while issued < total:
            ready = min(total, int((perf_counter() - began) * self._rate))
            for number in range(issued, ready):
                self._issue(began + number / self._rate)
            issued = max(issued, ready)
            await asyncio.sleep(_TICK_S)
        while len(self.meter.latencies) + self.meter.errors < total and perf_counter() < began + seconds + _DRAIN_S:
            await asyncio.sleep(_TICK_S)
        missing = total - len(self.meter.latencies) - self.meter.errors
        for _ in range(missing):
            self.meter.fail(f"not answered {_DRAIN_S:g} s after the last was due")

    def _issue(self, intended: float) -> None:
        if self._free:
            self._free.pop().send(intended)
        else:
            self._due.append(intended)


async def run(spec: LoadSpec) -> LoadResult:
    load = OpenRun(spec, spec.rate) if spec.rate else ClosedRun(spec)
    return await load.run()


if __name__ == "__main__":
    gc.disable()
    print(msgspec.json.encode(uvloop.run(run(msgspec.json.decode(sys.argv[1], type=LoadSpec)))).decode())
