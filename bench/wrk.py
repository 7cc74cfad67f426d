"""wrk as the load generator where it is installed: it leaves more of the core to the upstream than ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from bench.load import LoadSpec
from bench.meter import LoadResult, Spread

_SCRIPT = """\
wrk.method = "POST"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer {key}"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n@{{"requests":%d,"us":%d,"bad":%d,"lost":%d,"p50":%f,"p90":%f,"p99":%f,"p999":%f,"mean":%f,"most":%f}}\\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9),
    latency.mean, latency.max))
end
"""


class _Done(msgspec.Struct):
    """What the script prints; times in microseconds."""

    requests: int
    us: int
    bad: int
    lost: int
    p50: float
    p90: float
    p99: float
    p999: float
    mean: float
    most: float


def installed() -> str | None:
    return shutil.which("wrk")


def fits(spec: LoadSpec) -> bool:
    """wrk keeps connections busy for a time; it knows no fixed rates, no request counts and no events."""
    return installed() is not None and spec.rate is None and spec.requests is None and not spec.stream


def command(spec: LoadSpec, folder: Path, seconds: float) -> list[str]:
    """Writes its script and body into `folder`."""
    body, script = folder / "wrk-body.json", folder / "wrk.lua"
    body.write_bytes(spec.body())
    script.write_text(_SCRIPT.format(body=body, key=spec.key))
    url = f"http://127.0.0.1:{spec.port}/v1/chat/completions"
    counts = ["-t1", f"-c{spec.connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    return [installed() or "wrk", *counts, "-s", str(script), url]


def read_result(printed: str) -> LoadResult:
    """Raises `ValueError` with what wrk said where it did not finish."""
    line = next((line[1:] for line in printed.splitlines() if line.startswith("@")), None)
    if line is None:
        raise ValueError(f"wrk: {printed.strip()}")
    done = msgspec.json.decode(line, type=_Done)
    good = done.requests - done.bad
    seconds = done.us / 1e6
    times = [time / 1000 for time in (done.p50, done.p90, done.p99, done.p999, done.mean, done.most)]
    fault = f"{done.bad} answers of another status, {done.lost} lost" if done.bad or done.lost else None
    return LoadResult(
        requests=good,
        errors=done.bad + done.lost,
        seconds=seconds,
        rate=good / seconds,
        cpu_share=None,
        latency=Spread(*times),
        tool="wrk",
        fault=fault,
    )
