"""What is measured of one gateway over its life: memory, growth, and how soon it answers."""

from __future__ import annotations

import http.client
import statistics
import time
from contextlib import ExitStack

import msgspec

from bench.child import Child, ChildError
from bench.load import LoadSpec
from bench.rounds import Recorder, faults
from bench.stage import KEY, Target, environment
from bench.verdicts import Row, at_most, broken, told

START_S = 60.0
SETTLE_S, SETTLE_MOST_S = 2.0, 30.0
# Of a core.
RESTS = 0.05


def memory(recorder: Recorder) -> list[Row]:
    """Resident memory with thirty plugins after some traffic."""
    with recorder.stage.gateway(30) as gateway:
        idle = gateway.child.rss_mb()
        made = recorder.measure("memory", gateway, _counted(2_000))
        used = settled_rss(gateway)
    if fault := faults([made]):
        return [broken("memory", "resident memory, thirty plugins", "<= 150 MB", fault)]
    note = f"after 2,000 requests; {idle:.0f} MB before the first"
    return [at_most("memory", "resident memory, thirty plugins", 150, "MB", used, note)]


def growth(recorder: Recorder, first: int = 20_000, last: int = 200_000) -> list[Row]:
    """How much more memory the last of many requests finds in use than an early one did."""
    with recorder.stage.gateway(5) as gateway:
        early = recorder.measure("growth", gateway, _counted(first))
        base = settled_rss(gateway)
        late = recorder.measure("growth", gateway, _counted(last - first), 1)
        end = settled_rss(gateway)
    what = f"growth over {last:,} requests"
    if fault := faults([early, late]):
        return [broken("growth", what, "<= 3 %", fault)]
    note = f"{base:.1f} MB after {first:,}, {end:.1f} MB after {last:,}; five plugins"
    return [at_most("growth", what, 3, "%", 100 * (end - base) / base, note)]


def _counted(requests: int) -> LoadSpec:
    return LoadSpec(port=0, key=KEY, requests=requests, seconds=300.0, warm_s=0.0)


def settled_rss(target: Target) -> float:
    """Once the target rests, for what a load has left it to do goes on after its end: records are moved where they are
    read. Whatever that needs is needed after an early load as after a late one."""
    until = time.monotonic() + SETTLE_MOST_S
    busy = True
    while busy and time.monotonic() < until:
        before = target.child.cpu_s()
        time.sleep(SETTLE_S)
        busy = target.child.cpu_s() - before > RESTS * SETTLE_S
    return target.child.rss_mb()


class Start(msgspec.Struct, frozen=True):
    """Seconds to the first whole answer, by the clock and of the processor."""

    taken: float
    cpu: float


def start(recorder: Recorder) -> list[Row]:
    """From the start of the process to the first whole answer, on an empty data folder and on a used one."""
    starts_in_turn(recorder, 1)  # leaves compiled modules behind, as an installed package has them
    pairs = [starts_in_turn(recorder, 2) for _ in range(recorder.count)]
    fresh, used = ([pair[place] for pair in pairs] for place in (0, 1))
    again = statistics.median(each.taken for each in used)
    cpu = statistics.median(each.cpu for each in fresh)
    note = f"empty data folder, {cpu:.2f} s of it processor time; {again:.2f} s on a used one"
    taken = statistics.median(each.taken for each in fresh)
    return [
        at_most("start", "start to first answered request", 1.5, "s", taken, note),
        told("start", "slowest start", f"{max(each.taken for each in fresh):.2f} s"),
    ]


def starts_in_turn(recorder: Recorder, times: int) -> list[Start]:
    """Several starts, one after another, in one data folder."""
    stage = recorder.stage
    command, port = stage.gateway_command()
    made = []
    for number in range(times):
        with ExitStack() as stack:
            began = time.perf_counter()
            log = stage.folder / f"start-{port}-{number}.log"
            child = Child("gateway", command, core=stage.cores.target, log=log, env=environment())
            stack.callback(child.stop)
            wait_answer(child, port)
            made.append(Start(time.perf_counter() - began, child.cpu_s()))
    return made


def wait_answer(child: Child, port: int) -> None:
    until = time.monotonic() + START_S
    spec = LoadSpec(port=port, key=KEY)
    while not answers(port, spec):
        if not child.is_alive() or time.monotonic() > until:
            raise ChildError(f"{child.name} did not answer:\n{child.last_words()}")
        time.sleep(0.005)


def answers(port: int, spec: LoadSpec) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {"authorization": f"Bearer {spec.key}", "content-type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", spec.body(), headers)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
