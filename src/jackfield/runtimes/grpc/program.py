"""What is started for a plugin over gRPC, and in what surroundings."""

from __future__ import annotations

import hashlib
import os
import site
import stat
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import msgspec

from jackfield.errors import ConfigError
from jackfield.runtimes.cgroups import LAYER as CGROUP
from jackfield.runtimes.grpc.handshake import make_environment
from jackfield.runtimes.grpc.place import Place
from jackfield.runtimes.grpc.tls import Certificate
from jackfield.runtimes.launch import LAYERS, Launch
from jackfield.runtimes.limits import MB, Limits

PYTHON = "python"
# What the dynamic linker, the C library and the runtimes of Go and Python read.
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime",
    "/dev/null", "/dev/urandom", "/dev/random", "/sys/kernel/mm/transparent_hugepage",
)  # fmt: skip
# Whoever may reach the network also looks up names, and trusts who everybody trusts.
_NETWORK = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/ca-certificates",
    "/usr/share/ca-certificates",
)  # fmt: skip
_LINKERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
# Address space that can be written, beyond the limit: what a runtime and its threads reserve and do not use.
_RESERVED_MB = 512
_PIECE = 1024 * 1024


class GrpcProgram(msgspec.Struct, frozen=True, kw_only=True):
    """`command` is a file of the plugin's `folder`, an absolute path, or `python` for the gateway's own. `sha256` is
    what the file must be, else it is not started. `read` are further paths that it may read and run. `minimum` are the
    layers of its sandbox that are demanded. With `address` nothing is started: it runs already."""

    command: str = ""
    folder: Path
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    sha256: str | None = None
    network: bool = False
    read: tuple[str, ...] = ()
    minimum: tuple[str, ...] = ()
    address: str | None = None

    def __post_init__(self) -> None:
        known = (*LAYERS, "mount_namespace", CGROUP)
        unknown = [name for name in self.minimum if name not in known]
        if unknown:
            raise ConfigError(f"there is no layer {unknown[0]} of a sandbox; there are {', '.join(known)}")
        taken = [name for name in self.env if name.startswith(("PLUGIN_", "JACKFIELD_"))]
        if taken:
            raise ConfigError(f"the variable {taken[0]} is the gateway's to set", field="grpc.env")


def prepare(program: GrpcProgram, place: Place, own: Certificate, limits: Limits) -> Launch:
    """Raises `ConfigError` where the program is not what it should be, or is not there."""
    read = (str(program.folder), str(place.host), *_SYSTEM, *(_NETWORK if program.network else ()))
    if program.command == PYTHON:
        argv, run = (sys.executable, *program.args), (*_python_paths(), *program.read)
    else:
        argv, run = (str(_take_program(program, place)), *program.args), (str(place.program), *program.read)
    environ = {"TZ": "UTC", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", **program.env}
    return Launch(
        argv=argv,
        cwd=str(program.folder),
        environ={**environ, "HOME": str(place.own), "TMPDIR": str(place.own), **make_environment(own, place.own)},
        read=read,
        run=(*run, *_LINKERS),
        write=(str(place.own),),
        limits=_resource_limits(limits),
        minimum=program.minimum,
        network=program.network,
        unix=True,
    )


def _take_program(program: GrpcProgram, place: Place) -> Path:
    """A copy that nobody can change between its being looked at and its being run. Raises `ConfigError`."""
    source = program.folder / program.command
    if not Path(program.command).is_absolute() and not source.resolve().is_relative_to(program.folder.resolve()):
        raise ConfigError(f"{program.command} leads out of the plugin's folder", field="grpc.command")
    target = place.program / (source.name or "program")
    try:
        found = _copy(source, target)
    except OSError as error:
        raise ConfigError(f"{program.command}: {error.strerror or error}", field="grpc.command") from error
    if program.sha256 is not None and found != program.sha256.lower():
        told = f"{program.command} is not what it should be: its SHA-256 is {found}"
        raise ConfigError(told, field="grpc.sha256")
    return target


def _copy(source: Path, target: Path) -> str:
    """Its SHA-256. Raises `OSError`."""
    whole = hashlib.sha256()
    with source.open("rb") as stream, target.open("xb") as copy:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError("is not a regular file")
        while piece := stream.read(_PIECE):
            whole.update(piece)
            copy.write(piece)
    target.chmod(0o500)
    return whole.hexdigest()


def _python_paths() -> tuple[str, ...]:
    """The interpreter, its library and what is installed beside the gateway."""
    import jackfield

    paths = sysconfig.get_paths()
    places = {sys.executable, os.path.realpath(sys.executable), sys.prefix, sys.base_prefix, paths["stdlib"]}
    places |= {paths["purelib"], paths["platlib"], *site.getsitepackages(), str(Path(jackfield.__file__).parents[1])}
    return tuple(sorted(places))


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
