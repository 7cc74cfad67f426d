"""What an isolated process runs, and with what rights."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from jackfield.errors import ConfigError
from jackfield.runtimes.cgroups import LAYER as CGROUP
from jackfield.runtimes.launch import LAYERS, Launch, Module
from jackfield.runtimes.limits import MB, Limits

ENVIRON: Mapping[str, str] = MappingProxyType({"LANG": "C.UTF-8", "TZ": "UTC"})
WORKER = "jackfield.runtimes.isolated.worker"
# The packages that each guest imports; what they need is beside them.
_LIBRARY = ("jackfield", "msgspec", "pydantic", "structlog")
# What the dynamic linker and the C library read, and what libraries do that look where they are.
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/mime.types", "/usr/share/zoneinfo",
    "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/proc/self/stat", "/proc/self/statm",
    "/proc/self/status", "/proc/meminfo", "/proc/cpuinfo",
)  # fmt: skip
# Address space that can be written, beyond twice the limit: threads' stacks, and what libraries reserve.
_RESERVED_MB = 256
# Address space of any kind beyond four times the limit: that of threads, most of which is never used. What is shared
# and not mapped is in no count, and has to be bounded too.
_SPACE_MB = 2048


class GuestProgram(msgspec.Struct, frozen=True, kw_only=True):
    """`module` is imported in the process, and its `begin` called with `arguments`, which no other process sees. `read`
    are the folders that it may read besides Python and the library; `path` is where it looks for modules before the
    library's."""

    module: str
    arguments: Mapping[str, Any] = {}
    read: tuple[Path, ...] = ()
    path: tuple[str, ...] = ()
    python: Path = Path(os.path.realpath(sys.executable))


def plan_launch(program: GuestProgram, limits: Limits, minimum: tuple[str, ...], scratch: Path | None) -> Launch:
    """Raises `ConfigError` for a layer that there is not."""
    known = (*LAYERS, CGROUP)
    if unknown := [name for name in minimum if name not in known]:
        raise ConfigError(f"there is no layer {unknown[0]} of a sandbox; there are {', '.join(known)}")
    written = (str(scratch),) if scratch is not None else ()
    home = written[0] if written else "/"
    return Launch(
        module=Module(name=WORKER, path=(*program.path, *find_library())),
        python=str(program.python),
        cwd=home,
        environ={**ENVIRON, "HOME": home, **({"TMPDIR": home} if written else {})},
        read=(*(str(place.resolve()) for place in program.read), *find_library(), *_find_python(), *_SYSTEM),
        write=written,
        scratch_mb=limits.scratch_mb if written else 0,
        limits=_limit_resources(limits),
        minimum=minimum,
    )


@cache
def find_library() -> tuple[str, ...]:
    """The folders in which the packages are that each guest imports."""
    found = []
    for name in _LIBRARY:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            found.append(str(Path(spec.origin).resolve().parent.parent))
    return tuple(dict.fromkeys(found))


@cache
def _find_python() -> tuple[str, ...]:
    return tuple(dict.fromkeys(os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")))


def _limit_resources(limits: Limits) -> dict[str, int]:
    return {
        # Of no bytes a core would still be handed to the program that the system has for cores.
        "CORE": 1,
        "AS": (4 * limits.memory_mb + _SPACE_MB) * MB,
        "DATA": (2 * limits.memory_mb + _RESERVED_MB) * MB,
        "FSIZE": limits.file_mb * MB,
        "NOFILE": limits.files,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
    }
