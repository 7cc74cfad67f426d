"""Where and of what a result was made."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from bench import nginx, wrk
from bench.cores import Cores
from bench.stage import ROOT
from jackfield.pipeline import run

_PACKAGES = ("uvicorn", "uvloop", "httptools", "msgspec", "pyreqwest", "aiohttp")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """`commit` ends in `+` where the checkout had changes that are not in it."""

    at: str
    commit: str
    cpu: str
    cores: int
    one_core: bool
    memory_gb: float
    kernel: str
    python: str
    compiled: bool
    """The gateway is what a wheel holds, and not what the sources are."""
    versions: dict[str, str]
    load_average: tuple[float, float, float]


def gather(cores: Cores) -> Facts:
    versions = {name: _version(name) for name in _PACKAGES}
    if binary := nginx.installed():
        versions["nginx"] = _said([binary, "-v"]).rpartition("/")[2]
    if binary := wrk.installed():
        versions["wrk"] = _said([binary, "-v"]).partition("wrk")[2].split()[0]
    return Facts(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit(),
        cpu=_line_of("/proc/cpuinfo", "model name"),
        cores=len(os.sched_getaffinity(0)),
        one_core=cores.shared,
        memory_gb=round(int(_line_of("/proc/meminfo", "MemTotal").split()[0]) / 1e6, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        compiled=not run.__file__.endswith(".py"),
        versions=versions,
        load_average=os.getloadavg(),
    )


def commit() -> str:
    head = _said(["git", "-C", str(ROOT), "rev-parse", "--short=12", "--verify", "--quiet", "HEAD"])
    changed = _said(["git", "-C", str(ROOT), "status", "--porcelain"])
    return (head or "no commit") + ("+" if changed else "")


def _said(command: list[str]) -> str:
    """What a command prints, on either stream; nothing where it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _line_of(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")
