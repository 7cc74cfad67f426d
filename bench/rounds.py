"""Measuring in rounds: each asks every target in turn, so that what disturbs one disturbs all."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from bench import wrk
from bench.child import ChildError
from bench.cores import CoreTimes, pinned, shares_between, times_of
from bench.load import LoadSpec
from bench.meter import LoadResult
from bench.stage import ROOT, Stage, Target, environment

_GRACE_S = 60.0
_SATURATED = 0.9
_DISTURBED = 0.1


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One target in one round. Shares are of one core; `other` is what strangers took of it."""

    scenario: str
    target: str
    index: int
    load: LoadResult
    target_cpu: float
    upstream_cpu: float
    per_cpu_s: float
    load_core_busy: float
    other: float
    stolen: tuple[float, float]
    rss_mb: float

    @property
    def saturated(self) -> bool:
        """Whether the target filled its core; else the rate says nothing of the target."""
        return self.target_cpu >= _SATURATED


class Moment(msgspec.Struct, frozen=True):
    at: float
    target_s: float
    upstream_s: float
    target_core: CoreTimes
    load_core: CoreTimes


class Recorder:
    """Runs loads against targets and keeps every round."""

    def __init__(self, stage: Stage, *, rounds: int, seconds: float) -> None:
        self.stage = stage
        self.rounds: list[Round] = []
        self.count = rounds
        self.seconds = seconds

    def compare(self, scenario: str, targets: Sequence[Target], spec: LoadSpec) -> list[Round]:
        """Every target in every round; the order turns round each time. Those whose turn it is not are held: what an
        idle one does now and then is felt by another on its core."""
        before = len(self.rounds)
        for index in range(self.count):
            for target in targets if index % 2 == 0 else reversed(targets):
                with ExitStack() as held:
                    for other in targets:
                        if other not in (target, self.stage.upstream):
                            held.enter_context(other.child.held())
                    self.measure(scenario, target, spec, index)
        return self.rounds[before:]

    def measure(self, scenario: str, target: Target, spec: LoadSpec, index: int = 0) -> Round:
        here = msgspec.structs.replace(spec, port=target.port)
        start, end, load = self._drive(target, here)
        made = self._round(scenario, target, index, start, end, load)
        self.rounds.append(made)
        if not target.child.is_alive():
            raise ChildError(f"{target.name} died under load:\n{target.child.last_words()}")
        return made

    def _drive(self, target: Target, spec: LoadSpec) -> tuple[Moment, Moment, LoadResult]:
        if wrk.fits(spec):
            if spec.warm_s:
                self._wrk(spec, 1.0)
            start = self._moment(target)
            load = self._wrk(spec, spec.seconds)
            return start, self._moment(target), load
        return self._own(target, spec)

    def _wrk(self, spec: LoadSpec, seconds: float) -> LoadResult:
        command = wrk.command(spec, self.stage.folder, seconds)
        with pinned(self.stage.cores.load):
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _GRACE_S, check=False)
        return wrk.read_result(done.stdout + done.stderr)

    def _own(self, target: Target, spec: LoadSpec) -> tuple[Moment, Moment, LoadResult]:
        command = [sys.executable, "-m", "bench.load", msgspec.json.encode(spec).decode()]
        with pinned(self.stage.cores.load):
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=ROOT
            )
        try:
            assert process.stdout is not None
            process.stdout.readline()
            start = self._moment(target)
            printed, problem = process.communicate(timeout=spec.seconds + _GRACE_S)
            end = self._moment(target)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            raise ChildError(f"the load generator failed:\n{problem.decode(errors='replace')}")
        return start, end, msgspec.json.decode(printed, type=LoadResult)

    def _moment(self, target: Target) -> Moment:
        cores = self.stage.cores
        return Moment(
            time.perf_counter(),
            target.child.cpu_s(),
            self.stage.upstream.child.cpu_s(),
            times_of(cores.target),
            times_of(cores.load),
        )

    def _round(self, scenario: str, target: Target, index: int, start: Moment, end: Moment, load: LoadResult) -> Round:
        seconds = end.at - start.at
        cpu = end.target_s - start.target_s
        target_core = shares_between(start.target_core, end.target_core)
        load_core = shares_between(start.load_core, end.load_core)
        return Round(
            scenario=scenario,
            target=target.name,
            index=index,
            load=load,
            target_cpu=cpu / seconds,
            upstream_cpu=(end.upstream_s - start.upstream_s) / seconds,
            per_cpu_s=load.requests / max(cpu, 0.01),
            load_core_busy=load_core.busy,
            other=max(0.0, target_core.busy - cpu / seconds),
            stolen=(target_core.stolen, load_core.stolen),
            rss_mb=target.child.rss_mb(),
        )


def of(rounds: Sequence[Round], target: str) -> list[Round]:
    return [each for each in rounds if each.target == target]


def rate(rounds: Sequence[Round], target: str) -> float:
    return statistics.median(each.load.rate for each in of(rounds, target))


def ratio(rounds: Sequence[Round], target: str, other: str) -> tuple[float, str]:
    """The median over rounds of target to other, and of what: requests a second, or requests a second of
    processor time where in some round one of them did not fill its core and so was not what was measured."""
    pairs = list(zip(of(rounds, target), of(rounds, other), strict=True))
    if all(one.saturated and two.saturated for one, two in pairs):
        return statistics.median(one.load.rate / two.load.rate for one, two in pairs), "requests/s"
    return statistics.median(one.per_cpu_s / two.per_cpu_s for one, two in pairs), "requests per CPU second"


def disturbed(rounds: Sequence[Round]) -> str:
    """A warning for figures of time, which others on the core make worse and no ratio evens out."""
    other = statistics.median(each.other for each in rounds) if rounds else 0.0
    return f"; DISTURBED: others took {other:.0%} of the core" if other > _DISTURBED else ""


def faults(rounds: Sequence[Round]) -> str | None:
    """The first thing that went wrong, if anything did."""
    for each in rounds:
        if each.load.errors or not each.load.requests:
            return f"{each.target}: {each.load.errors} errors; {each.load.fault or 'no answer'}"
    return None
