"""The world that attempts would get out into, and the sandbox that they are made in."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.runtimes.escapes.attempts import Attempts

from jackfield.runtimes import launch
from jackfield.runtimes.isolated.program import GuestProgram, plan_launch
from jackfield.runtimes.launch import LAYERS, Launch, Module, read_report, spawn
from jackfield.runtimes.launcher import seccomp
from jackfield.runtimes.limits import Limits

PROGRAM = Path(__file__).with_name("escape_program.py")
LINKERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
WAIT_S = 20
AS_ROOT = os.geteuid() == 0
# How the launcher does without a layer.
WITHOUT = {
    "rlimits": "main._limit = lambda limits: None",
    "user_namespace": "namespaces.enter_user_namespace = lambda: None",
    "network_namespace": "namespaces.enter_network_namespace = lambda: None",
    "no_capabilities": "kernel.drop_capabilities = lambda: None",
    "landlock": "landlock.restrict = lambda *paths, **more: None",
    "seccomp": "seccomp.install = lambda **more: None",
    "private_scratch": "mounts.cover = lambda *parts: None",
    # Landlock and seccomp need it of those that have no rights.
    "no_new_privs": "prctl = kernel.prctl; kernel.prctl = lambda option, *rest: option == 38 or prctl(option, *rest)",
}
VICTIM = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
# Where only parents may look into their children, this one lets everybody; and it has no rights to lend.
libc.prctl(0x59616D61, ctypes.c_ulong(-1 % 2**64), 0, 0, 0)
libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
print(os.getpid(), flush=True)
sys.stdin.read()
"""


class World:
    """What is there to get at."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._runs = 0

    @cached_property
    def victim(self) -> int:
        """Another process of the gateway's user."""
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", VICTIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        assert process.stdout is not None
        return int(process.stdout.readline())

    @cached_property
    def places(self) -> Mapping[str, Any]:
        """Sockets of others."""
        path, datagrams, abstract = self._folder / "s", self._folder / "d", f"jackfield-escape-{os.getpid()}"
        tcp = self._bind(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)).getsockname()[1]
        udp = self._bind(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)).getsockname()[1]
        self._bind(socket.AF_UNIX, socket.SOCK_STREAM, str(path))
        self._bind(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}")
        self.datagrams = self._bind(socket.AF_UNIX, socket.SOCK_DGRAM, str(datagrams))
        return {"TCP": tcp, "UDP": udp, "PATH": str(path), "DATAGRAMS": str(datagrams), "ABSTRACT": abstract}

    def _bind(self, family: int, kind: int, address: Any) -> socket.socket:
        bound = self._stack.enter_context(socket.socket(family, kind))
        bound.bind(address)
        if kind == socket.SOCK_STREAM:
            bound.listen()
        bound.setblocking(False)
        return bound

    def try_all(self, attempts: Attempts, off: Iterable[str]) -> dict[str, str]:
        """In one process without these layers: what came of each."""
        self._runs += 1
        folder = self._folder / f"{self._runs}"
        for name in ("own", "scratch", "outside", "environment", "other"):
            (folder / name).mkdir(parents=True)
            (folder / name / "secret").write_text("secret")
        shutil.copy(PROGRAM, folder / "own")
        _make_changer(folder / "becomes")
        own = {name: {"TARGET": str(_make_target(folder / "outside", at))} for at, name in enumerate(attempts)}
        order = {
            "codes": [(name, attempt.code) for name, attempt in attempts.items()],
            "names": {**self._names(folder), **self.places},
            "numbers": find_numbers(),
            "own": own,
        }
        return asyncio.run(_converse(plan(folder), order, frozenset(off)))

    def _names(self, folder: Path) -> dict[str, Any]:
        library = Path(launch.__file__).parents[1]
        return {
            "OWN": str(folder / "own"),
            "SCRATCH": str(folder / "scratch"),
            "OUTSIDE": str(folder / "outside"),
            "ENVIRONMENT": str(folder / "environment"),
            "OTHER": str(folder / "other"),
            "LIBRARY": str(library / "__init__.py"),
            "STANDARD": os.__file__,
            "VICTIM": self.victim,
            "GATEWAY": os.getpid(),
            "PYTHON": os.path.realpath(sys.executable),
            "LINKER": next(linker for linker in LINKERS if Path(linker).exists()),
            "BECOMES": str(folder / "becomes"),
        }


def _make_changer(place: Path) -> None:
    """A program that whoever runs it becomes somebody else by."""
    shutil.copy(os.path.realpath(sys.executable), place)
    if AS_ROOT:
        os.chown(place, 65533, 65533)
    place.chmod(0o4755)


def _make_target(folder: Path, at: int) -> Path:
    target = folder / f"target{at}"
    target.write_text("secret")
    return target


def plan(folder: Path, limits: Limits = Limits()) -> Launch:  # noqa: B008 - it is frozen
    """As an isolated plugin is started, with another program in place of the worker."""
    guest = GuestProgram(module="none", read=(folder / "own", folder / "environment"))
    planned = plan_launch(guest, limits, (), folder / "scratch")
    return msgspec.structs.replace(planned, module=Module(name="escape_program", path=(str(folder / "own"),)))


def find_numbers() -> dict[str, int]:
    """Of the calls of the kernel that the filter knows of."""
    at = list(seccomp._MACHINES).index(os.uname().machine)
    names = ("_REFUSED", "_MARKS", "_WATCHES", "_MEMORY", "_MISSING", "_NETWORK", "_ON_A_PROCESS")
    found = {name: numbers[at] for table in names for name, numbers in getattr(seccomp, table).items()}
    of_one = {"clone": seccomp._CLONE, "clone3": seccomp._CLONE3, "tkill": seccomp._TKILL, "prctl": (157, 167)}
    return found | {name: numbers[at] for name, numbers in of_one.items()} | (seccomp._ONLY_X86 if at == 0 else {})


async def _converse(planned: Launch, order: Mapping[str, Any], off: frozenset[str]) -> dict[str, str]:
    with _without(off):
        launched, report = spawn(planned)
    reader, writer = await asyncio.open_unix_connection(sock=launched.socket)
    try:
        layers = await read_report(report)
        # Who is not root has the one through the other.
        besides = {"network_namespace"} if "user_namespace" in off and not AS_ROOT else set()
        assert set(layers) | besides >= set(LAYERS), f"a layer cannot be had here: there are {layers}"
        body = json.dumps(order).encode()
        writer.write(struct.pack("!I", len(body)) + body)
        async with asyncio.timeout(WAIT_S):
            (size,) = struct.unpack("!I", await reader.readexactly(4))
            told: dict[str, str] = json.loads(await reader.readexactly(size))
            return told
    except asyncio.IncompleteReadError:
        raise AssertionError(f"it ended: {os.read(launched.output, 65536).decode()}") from None
    finally:
        launched.process.kill()
        launched.process.wait()
        writer.close()
        os.close(launched.output)
        os.close(launched.pidfd)


@contextmanager
def _without(off: frozenset[str]) -> Iterator[None]:
    lines = "; ".join(WITHOUT[layer] for layer in sorted(off))
    start = (
        "import sys; sys.path.append(sys.argv.pop(1));"
        f"from launcher import kernel, landlock, main, mounts, namespaces, seccomp; {lines}; main.main()"
    )
    with pytest.MonkeyPatch.context() as patch:
        if off:
            patch.setattr(launch, "_START", start)
        yield


class Prison:
    """Makes the attempts, in one process for each set of layers that is off."""

    def __init__(self, attempts: Attempts, world: World) -> None:
        self._attempts, self._world = attempts, world
        self._told: dict[frozenset[str], dict[str, str]] = {}

    def tell(self, name: str, off: frozenset[str] = frozenset()) -> str:
        if off not in self._told:
            those = {name: attempt for name, attempt in self._attempts.items() if off in attempt.settings}
            self._told[off] = self._world.try_all(those, off)
        return self._told[off][name]
