"""Hot swaps of thirty plugins: how long one takes, and what the requests meanwhile feel of it."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.cores import pinned
from bench.lifetimes import settled_rss, wait_answer
from bench.load import LoadSpec
from bench.rounds import Recorder, Round, disturbed, faults
from bench.stage import ADMIN_KEY, KEY, Target, started
from bench.verdicts import Row, at_most, broken, told

COUNT = 30
ALONE = 5
EVERY_S = 1.0
_WITHIN_S = 60.0


class Swapper:
    """Writes all plugins anew and has them taken in; `taken` are the milliseconds that each change took."""

    def __init__(self, port: int, folder: Path, core: int) -> None:
        """The core is the load's, as for whatever else asks something of the target."""
        self._port, self._folder, self._core = port, folder, core
        self._sources = {file: file.read_text() for file in folder.glob("*/plugin.py")}
        self._serial = 0
        self.taken: list[float] = []
        self.fault: str | None = None

    def swap(self) -> None:
        with pinned(self._core):
            self._swap()

    def _swap(self) -> None:
        self._serial += 1
        for file, source in self._sources.items():
            file.write_text(f"{source}\nVERSION = {self._serial}\n")
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_WITHIN_S)
        headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"}
        began = time.perf_counter()
        try:
            connection.request("POST", "/api/v1/plugins/hot-swap", b"{}", headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        self.taken.append(1000 * (time.perf_counter() - began))
        if answer.status != 200 or len(msgspec.json.decode(body)["plugins"]) != len(self._sources):
            self.fault = f"swap {self._serial} was answered {answer.status}: {body[:200]!r}"

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """One swap each `EVERY_S` seconds, in a thread."""
        over = threading.Event()

        def work() -> None:
            while not over.wait(EVERY_S):
                self.swap()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_WITHIN_S)


def swap(recorder: Recorder) -> list[Row]:
    """One gateway with thirty plugins that all change each time; quiet and swapping rounds in turn."""
    stage = recorder.stage
    command, port = stage.gateway_command(COUNT)
    with started("jackfield-swapped", command, port, stage.cores.target, stage.folder) as target:
        swapper = Swapper(port, Path(command[-1]).parent / "plugins", stage.cores.load)
        wait_answer(target.child, port)
        swapper.swap()
        before = settled_rss(target)
        swapper.taken.clear()
        for _ in range(ALONE):
            swapper.swap()
        alone = statistics.median(swapper.taken)
        swapper.taken.clear()
        quiet, busy = _rounds(recorder, target, swapper)
        after = settled_rss(target)
    fault = swapper.fault or faults([*quiet, *busy])
    if fault:
        return [broken("swap", "hot swap of thirty plugins under load", "no failed request", fault)]
    return [
        at_most("swap", "hot swap of thirty plugins", 300, "ms", alone, f"median of {ALONE} without load"),
        *_felt(quiet, busy, swapper.taken),
        told("swap", "resident memory over the swaps", f"{before:.0f} MB, then {after:.0f} MB"),
    ]


def _rounds(recorder: Recorder, target: Target, swapper: Swapper) -> tuple[list[Round], list[Round]]:
    """At half of what the gateway can do, timed from when each request was due."""
    seconds = max(recorder.seconds, 3 * EVERY_S)
    spec = LoadSpec(port=0, key=KEY, seconds=seconds, connections=64)
    most = recorder.measure("swap-most", target, spec).load.rate
    steady = msgspec.structs.replace(spec, rate=max(1.0, round(most / 2, -1)))
    quiet, busy = [], []
    for index in range(recorder.count):
        quiet.append(recorder.measure("swap-quiet", target, steady, index))
        with swapper.at_work():
            busy.append(recorder.measure("swap", target, steady, index))
    return quiet, busy


def _felt(quiet: list[Round], busy: list[Round], taken: list[float]) -> list[Row]:
    p99s = [
        (one.load.latency.p99, other.load.latency.p99)
        for one, other in zip(quiet, busy, strict=True)
        if one.load.latency and other.load.latency
    ]
    times = statistics.median(other / one for one, other in p99s)
    calm, stirred = (statistics.median(values) for values in zip(*p99s, strict=True))
    note = (
        f"p99 {calm:.2f} ms quiet, {stirred:.2f} ms with a swap each {EVERY_S:g} s;"
        f" open loop at half of the most{disturbed([*quiet, *busy])}"
    )
    return [
        at_most("swap", "p99 while thirty plugins are swapped", 2, "x quiet", times, note),
        told(
            "swap",
            "hot swap of thirty plugins under load",
            f"{statistics.median(taken):.0f} ms",
            f"most {max(taken):.0f} ms",
        ),
    ]
