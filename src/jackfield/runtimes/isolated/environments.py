"""The packages of plugins that run isolated: folders of unpacked wheels, one for each lock, made once.

    <data>/environments/<digest>/site-packages/     what a guest's Python finds before the library's own packages
    <data>/environments/<digest>/environment.json   what belongs there
    <data>/environments/<digest>.lock               held by who makes or removes it; its time is when it was used last
    <data>/environments/.<digest>-…                 being made

An environment has no interpreter of its own and nothing in it runs by being there. It appears whole, by its name, and
is not written again.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from jackfield.clock import Clock
from jackfield.errors import ConfigError
from jackfield.runtimes.isolated.locks import Lock, Pin, read_lock
from jackfield.runtimes.isolated.needs import check_needs
from jackfield.runtimes.isolated.places import ENVIRONMENTS
from jackfield.runtimes.isolated.supply import Supply, fetch_wheels
from jackfield.runtimes.isolated.tools import run_shut_in
from jackfield.runtimes.isolated.wheels import MB, choose_wheels, find_source, inspect_wheels, unpack_wheel
from jackfield.runtimes.launch import Launch, LaunchFailed

P = ParamSpec("P")
T = TypeVar("T")

GRACE_S = 14 * 86400.0
_FORM = 1
_SITE, _RECORD, _FETCHED = "site-packages", "environment.json", "fetched"
_PAUSE_S = 0.05
_COMPILE_S = 120.0
_PYTHON = os.path.realpath(sys.executable)
# What the dynamic linker and the C library read.
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")
_LINKERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """`site_packages` goes before the library's own packages, `read` is what the guest has to be let read. `native` are
    the files of machine code in it."""

    digest: str
    site_packages: Path
    read: tuple[Path, ...]
    packages: tuple[str, ...]
    native: tuple[str, ...]


class Record(msgspec.Struct, frozen=True):
    """`files` are those of site-packages with their sizes: what is not as it was made is made anew."""

    packages: tuple[str, ...]
    native: tuple[str, ...]
    files: Mapping[str, int]


async def environment_for(
    folder: Path, data_dir: Path, clock: Clock, supply: Supply | None = None
) -> Environment | None:
    """For a plugin's folder: made where it is not there yet, which takes as long as its wheels take to come. `None`
    where the plugin needs nothing of its own. Raises `ConfigError` naming file, line and package."""
    folder = _make_absolute(folder)
    lock = await asyncio.to_thread(read_lock, folder)
    if lock is None:
        return None
    await asyncio.to_thread(check_needs, lock)
    supply = supply or Supply()
    place, digest = _make_absolute(data_dir / ENVIRONMENTS), digest_lock(lock)
    try:
        await asyncio.to_thread(place.mkdir, parents=True, exist_ok=True)
        async with asyncio.timeout(supply.deadline_s), _hold(place, digest, clock):
            environment = await asyncio.to_thread(_open, place, digest)
            return environment or await _make(lock, folder / "wheels", place, digest, supply)
    except TimeoutError:
        raise ConfigError(
            f"its environment was not there within {supply.deadline_s:g} s", file=str(lock.file)
        ) from None
    except OSError as error:
        raise ConfigError(f"its environment cannot be made: {error}", file=str(lock.file)) from error


def _make_absolute(path: Path) -> Path:
    """What is run for it works elsewhere."""
    return path.absolute()


def digest_lock(lock: Lock) -> str:
    """Of all that decides what is in the environment."""
    python = (sys.implementation.cache_tag, sysconfig.get_config_var("SOABI"), sysconfig.get_platform())
    pins = [(pin.name, pin.version, pin.digests) for pin in lock.pins]
    return hashlib.sha256(msgspec.json.encode([_FORM, python, pins])).hexdigest()[:32]


# Finding one that is there


def _open(place: Path, digest: str) -> Environment | None:
    """`None` where there is none, or one that is not as it was made; that is removed."""
    folder = place / digest
    try:
        record = msgspec.json.decode((folder / _RECORD).read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        record = None
    if record is None or _list(folder / _SITE) != record.files:
        _remove(folder)
        return None
    return _describe(folder, digest, record)


def _describe(folder: Path, digest: str, record: Record) -> Environment:
    site = folder / _SITE
    return Environment(digest=digest, site_packages=site, read=(site,), packages=record.packages, native=record.native)


def _list(site: Path) -> dict[str, int]:
    """Every file with its size; what is no file has none."""
    found: dict[str, int] = {}
    for place, folders, files in os.walk(site):
        here = Path(place)
        for name in (*files, *(name for name in folders if (here / name).is_symlink())):
            status = (here / name).lstat()
            found[str((here / name).relative_to(site))] = status.st_size if stat.S_ISREG(status.st_mode) else -1
    return found


# Making one


async def _make(lock: Lock, brought: Path, place: Path, digest: str, supply: Supply) -> Environment:
    aside = Path(tempfile.mkdtemp(prefix=f".{digest}-", dir=place))
    try:
        paths = await _gather(lock, brought, aside, supply)
        wheels = await _finish(inspect_wheels, lock, paths)
        site = aside / _SITE
        site.mkdir()
        for wheel in wheels:
            await _finish(unpack_wheel, lock, wheel, site)
        await _compile(site, place / digest / _SITE)
        packages = tuple(f"{pin.name} {pin.version}" for pin in lock.pins)
        native = tuple(name for wheel in wheels for name in wheel.native)
        record = await _finish(_seal, aside, place / digest, packages, native)
    except BaseException:
        await _finish(_remove, aside)
        raise
    return _describe(place / digest, digest, record)


async def _gather(lock: Lock, brought: Path, aside: Path, supply: Supply) -> Mapping[str, Path]:
    """A wheel for each pin: of those that the plugin brought, else from the index."""
    paths = await _finish(choose_wheels, lock, brought)
    missing = tuple(pin for pin in lock.pins if pin.name not in paths)
    if not missing:
        return paths
    await _finish(_refuse_sources, lock, missing, brought, supply.offline)
    fetched = aside / _FETCHED
    await fetch_wheels(lock, missing, fetched, supply)
    found = await _finish(choose_wheels, Lock(lock.file, missing), fetched)
    for pin in missing:
        if pin.name not in found:
            raise lock.refuse(pin, "the package index gave no wheel of it")
    return {**paths, **found}


def _refuse_sources(lock: Lock, missing: Collection[Pin], brought: Path, offline: bool) -> None:
    for pin in missing:
        source = find_source(pin, brought)
        if source is not None:
            raise lock.refuse(pin, f"{source.name} would run code of its own to be installed: a wheel is needed")
        if offline:
            raise lock.refuse(pin, f"no wheel of it is in {brought.name}/, and packages are not fetched here")


async def _compile(site: Path, later: Path) -> None:
    """What does not compile, or not in time, is compiled at each start: its fault is told by who imports it."""
    arguments = ("-qq", "--invalidation-mode", "unchecked-hash", "-s", str(site), "-p", str(later), str(site))
    launch = Launch(
        argv=(_PYTHON, "-I", "-S", "-W", "ignore", "-m", "compileall", *arguments),
        cwd=str(site),
        environ={"LANG": "C.UTF-8"},
        read=(sys.base_prefix, *_SYSTEM),
        run=(_PYTHON, *_LINKERS),
        write=(str(site),),
        limits={"CORE": 1, "FSIZE": 64 * MB, "DATA": 1024 * MB, "NOFILE": 64},
    )
    try:
        await run_shut_in(launch, _COMPILE_S)
    except (LaunchFailed, TimeoutError):
        return


def _seal(aside: Path, place: Path, packages: tuple[str, ...], native: tuple[str, ...]) -> Record:
    shutil.rmtree(aside / _FETCHED, ignore_errors=True)
    record = Record(packages, native, _list(aside / _SITE))
    (aside / _RECORD).write_bytes(msgspec.json.encode(record))
    _set_modes(aside, 0o555, 0o444)
    aside.rename(place)
    return record


def _set_modes(folder: Path, folders: int, files: int) -> None:
    for place, _, names in os.walk(folder):
        os.chmod(place, folders)
        for file in (Path(place, name) for name in names):
            if not file.is_symlink():
                file.chmod(files)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        _set_modes(folder, 0o700, 0o600)
        shutil.rmtree(folder)


async def _finish(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a thread, which cannot be stopped: who is cancelled waits until it has written the last that it will."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


# One at a time


@asynccontextmanager
async def _hold(place: Path, digest: str, clock: Clock) -> AsyncIterator[None]:
    """Of all tasks and processes; who waits does so as long as its own deadline lets it."""
    file = place / f"{digest}.lock"
    while (descriptor := _try_hold(file)) is None:  # noqa: ASYNC110 - it may be a process that can tell us nothing
        await asyncio.sleep(_PAUSE_S)
    try:
        yield
    finally:
        now = clock.wall()
        os.utime(descriptor, (now, now))
        _drop_lock(place, digest)
        os.close(descriptor)


def _try_hold(file: Path) -> int | None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Not one that was removed between the two.
        if file.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _drop_lock(place: Path, digest: str) -> None:
    """Of nothing; for who holds it."""
    if not (place / digest).exists():
        (place / f"{digest}.lock").unlink(missing_ok=True)


# Sweeping


async def sweep_environments(
    data_dir: Path, keep: Collection[str], clock: Clock, grace_s: float = GRACE_S
) -> tuple[str, ...]:
    """Removes what a crash left half made, and what is neither among the digests to `keep` nor was used within the
    grace: the digests of those."""
    return await _finish(_sweep, data_dir / ENVIRONMENTS, keep, clock.wall() - grace_s)


def _sweep(place: Path, keep: Collection[str], oldest: float) -> tuple[str, ...]:
    if not place.is_dir():
        return ()
    swept: list[str] = []
    halves: dict[str, list[Path]] = {}
    for entry in sorted(place.iterdir()):
        digest = entry.name.lstrip(".").partition("-")[0].partition(".")[0]
        halves.setdefault(digest, []).extend([entry] if entry.name.startswith(".") else [])
    for digest, left in halves.items():
        used = _last_use(place, digest)
        descriptor = _try_hold(place / f"{digest}.lock")
        if descriptor is None:
            continue
        try:
            for half in left:
                _remove(half)
            if digest not in keep and used < oldest:
                _remove(place / digest)
                swept.append(digest)
        finally:
            _drop_lock(place, digest)
            os.close(descriptor)
    return tuple(swept)


def _last_use(place: Path, digest: str) -> float:
    """By its lock, else by itself."""
    for path in (place / f"{digest}.lock", place / digest):
        try:
            return path.stat().st_mtime
        except FileNotFoundError:
            continue
    return float("inf")
