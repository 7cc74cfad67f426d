"""What is compared with what: one function a scenario, each giving the rows that it decides."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack

from bench import bodies, nginx
from bench.load import LoadSpec
from bench.rounds import Recorder, Round, disturbed, of, rate
from bench.stage import KEY
from bench.upstream import PACE_S
from bench.verdicts import Row, at_most, broken, missing, ratio_row, ratio_told, told

Scenario = Callable[[Recorder], list[Row]]

RELAY, AIOHTTP = "relay-pyreqwest", "relay-aiohttp"
LARGE = 400_000
HOOK_CALLS = 2


def spec_for(recorder: Recorder, **changes: object) -> LoadSpec:
    return LoadSpec(port=0, key=KEY, seconds=recorder.seconds, **changes)  # type: ignore[arg-type]


def plain(recorder: Recorder) -> list[Row]:
    """1 KB chat, not streamed, no plugin."""
    scenario, bar = "plain", ">= 0.25"
    with ExitStack() as stack:
        stage = recorder.stage
        targets = [stack.enter_context(stage.gateway()), stack.enter_context(stage.relay("pyreqwest"))]
        if nginx.installed():
            targets.append(stack.enter_context(stage.nginx()))
        rounds = recorder.compare(scenario, targets, spec_for(recorder))
    rows = [ratio_row(scenario, "1 KB chat to bare relay", 0.8, rounds, "jackfield-0", RELAY)]
    if nginx.installed():
        rows.append(ratio_row(scenario, "1 KB chat to nginx", 0.25, rounds, "jackfield-0", "nginx"))
    else:
        rows.append(missing(scenario, "1 KB chat to nginx", bar, "nginx is not installed"))
    return [*rows, *_rates(scenario, rounds)]


def hooks(recorder: Recorder) -> list[Row]:
    """The same with five and twenty hooks, every other before the upstream and the rest after it; and with as many
    plugins that have one of either kind."""
    scenario = "hooks"
    with ExitStack() as stack:
        stage = recorder.stage
        targets = [stack.enter_context(stage.gateway(hooks=count)) for count in (5, 20)]
        targets += [stack.enter_context(stage.gateway(count)) for count in (0, 5, 20)]
        targets.append(stack.enter_context(stage.relay("pyreqwest")))
        rounds = recorder.compare(scenario, targets, spec_for(recorder))
    return [
        ratio_row(scenario, "1 KB chat, five hooks", 0.6, rounds, "jackfield-5-hooks", RELAY),
        ratio_row(scenario, "1 KB chat, twenty hooks", 0.35, rounds, "jackfield-20-hooks", RELAY),
        ratio_told(scenario, "1 KB chat, five plugins of two hooks", rounds, "jackfield-5", RELAY),
        ratio_told(scenario, "1 KB chat, twenty plugins of two hooks", rounds, "jackfield-20", RELAY),
        at_most(
            scenario,
            "one in-process hook",
            15,
            "us",
            hook_cost_us(rounds, "jackfield-0", "jackfield-20", 20 * HOOK_CALLS),
            "processor time of twenty plugins less none, over 40 calls; includes decoding the bodies once",
        ),
        told(
            scenario,
            "one more in-process hook",
            f"{hook_cost_us(rounds, 'jackfield-5', 'jackfield-20', 15 * HOOK_CALLS):.3g} us",
            "twenty plugins less five, over 30 calls",
        ),
        *_rates(scenario, rounds),
    ]


def hook_cost_us(rounds: list[Round], fewer: str, more: str, calls: int) -> float:
    pairs = zip(of(rounds, more), of(rounds, fewer), strict=True)
    return statistics.median(1e6 * (1 / one.per_cpu_s - 1 / two.per_cpu_s) / calls for one, two in pairs)


def latency(recorder: Recorder) -> list[Row]:
    """One request at a time through five hooks, against the upstream itself; and through five plugins of two."""
    scenario = "latency"
    spec = spec_for(recorder, connections=1)
    with recorder.stage.gateway(hooks=5) as hooks, recorder.stage.gateway(5) as plugins:
        rounds = recorder.compare(scenario, [hooks, plugins, recorder.stage.upstream], spec)
    middle, high = added_latency(rounds, hooks.name)
    note = "one connection, five hooks, less the upstream asked directly" + disturbed(of(rounds, hooks.name))
    more, most = added_latency(rounds, plugins.name)
    return [
        at_most(scenario, "added latency, median", 0.4, "ms", middle, note),
        at_most(scenario, "added latency, p99", 1.0, "ms", high, note),
        told(
            scenario,
            "added latency, five plugins of two hooks",
            f"p50 {more:.3g} ms, p99 {most:.3g} ms",
            "one connection" + disturbed(of(rounds, plugins.name)),
        ),
    ]


def added_latency(rounds: list[Round], target: str) -> tuple[float, float]:
    """Milliseconds at the median and at p99, beyond what the upstream takes by itself."""
    pairs = zip(of(rounds, target), of(rounds, "upstream"), strict=True)
    spreads = [(one.load.latency, two.load.latency) for one, two in pairs]
    added = [(one.p50 - two.p50, one.p99 - two.p99) for one, two in spreads if one and two]
    middle, high = (statistics.median(values) for values in zip(*added, strict=True))
    return middle, high


def stream(recorder: Recorder) -> list[Row]:
    """Streams of 200 events, written by the upstream as fast as they are taken."""
    scenario = "stream"
    with ExitStack() as stack:
        stage = recorder.stage
        bare = stack.enter_context(stage.gateway())
        hooked = stack.enter_context(stage.gateway(chunk_hooks=1))
        relay = stack.enter_context(stage.relay("aiohttp"))
        rounds = recorder.compare(scenario, [bare, hooked, relay], spec_for(recorder, stream=True))
        paced = LoadSpec(
            port=0, key=KEY, stream=True, model=bodies.PACED_MODEL, connections=1, requests=1, seconds=60, warm_s=0
        )
        first = recorder.compare("first-event", [bare, stage.upstream], paced)
    fault = lost_events(rounds)
    return [
        ratio_row(scenario, "200 events", 1.0, rounds, bare.name, AIOHTTP, fault),
        ratio_row(scenario, "200 events, one chunk hook", 0.4, rounds, hooked.name, AIOHTTP, fault),
        first_event_row(first, bare.name),
        *_rates(scenario, rounds),
    ]


def lost_events(rounds: list[Round]) -> str | None:
    """A stream is 200 chunks and its end, whoever passed it on."""
    for each in rounds:
        if each.load.events != each.load.requests * (bodies.EVENTS + 1):
            return f"{each.target}: {each.load.events} events in {each.load.requests} streams"
    return None


def first_event_row(rounds: list[Round], target: str) -> Row:
    """The first event of a slow stream must arrive before the upstream has written the second."""
    what, bar = "first event passed on", f"<= {PACE_S * 1000:g} ms"
    times = [
        (one.load.first_event, two.load.first_event)
        for one, two in zip(of(rounds, target), of(rounds, "upstream"), strict=True)
    ]
    added = [one.p50 - two.p50 for one, two in times if one and two]
    if not added:
        return broken("first-event", what, bar, "no event came")
    note = (
        f"added to the first event; the upstream writes one every {PACE_S * 1000:g} ms{disturbed(of(rounds, target))}"
    )
    return at_most("first-event", what, PACE_S * 1000, "ms", statistics.median(added), note)


def large(recorder: Recorder) -> list[Row]:
    """A 400 KB prompt that no hook reads."""
    return _sized(recorder, "large", LARGE, 0.8)


def medium(recorder: Recorder) -> list[Row]:
    """A 10 KB prompt; no bar of its own."""
    rows = _sized(recorder, "medium", 10_000, 0.0)
    return [told("medium", rows[0].what, rows[0].shown, rows[0].note), *rows[1:]]


def _sized(recorder: Recorder, scenario: str, size: int, bar: float) -> list[Row]:
    with recorder.stage.gateway() as gateway, recorder.stage.relay("pyreqwest") as relay:
        rounds = recorder.compare(scenario, [gateway, relay], spec_for(recorder, body_bytes=size))
    what = f"{size // 1000} KB prompt to bare relay"
    return [ratio_row(scenario, what, bar, rounds, gateway.name, relay.name), *_rates(scenario, rounds)]


def steady(recorder: Recorder) -> list[Row]:
    """A fixed rate, half of what the gateway can do, timed from when each request was due."""
    scenario = "steady"
    with recorder.stage.gateway(5) as gateway:
        most = recorder.measure("steady-most", gateway, spec_for(recorder)).load.rate
        spec = spec_for(recorder, rate=max(1.0, round(most / 2, -2)), connections=128)
        rounds = recorder.compare(scenario, [gateway], spec)
    spreads = [each.load.latency for each in rounds if each.load.latency]
    if not spreads:
        return [broken(scenario, "fixed rate", "", "no answer")]
    p50, p99 = (statistics.median(values) for values in zip(*((s.p50, s.p99) for s in spreads), strict=True))
    shown = f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
    return [told(scenario, f"{spec.rate:g} requests/s, five plugins", shown, "open loop" + disturbed(rounds))]


def _rates(scenario: str, rounds: list[Round]) -> list[Row]:
    names = list(dict.fromkeys(each.target for each in rounds))
    unit = "streams/s" if scenario == "stream" else "requests/s"
    return [told(scenario, name, f"{rate(rounds, name):,.0f} {unit}", _load_note(rounds, name)) for name in names]


def _load_note(rounds: list[Round], name: str) -> str:
    """Says who was the limit where it was not the target."""
    mine = of(rounds, name)
    target = statistics.median(each.target_cpu for each in mine)
    other = statistics.median(each.other for each in mine)
    busy = statistics.median(each.load_core_busy for each in mine)
    note = f"{mine[0].load.tool}; target took {target:.0%} of its core, the load's core was {busy:.0%} busy"
    if target >= 0.9:
        return note
    if disturbed(mine):
        return f"{note}; others took {other:.0%} of the target's core"
    return f"{note}; the load was the limit" if busy > 0.9 else note
