"""Wheels, and what they bring: looked at whole before any of it is written.

Nothing of a wheel is run to install it, and nothing that it brings may run by being there.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import msgspec
from packaging.tags import sys_tags
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, canonicalize_name, parse_sdist_filename
from packaging.utils import parse_wheel_filename as parse_name
from packaging.version import InvalidVersion, Version

from jackfield.errors import ConfigError
from jackfield.runtimes.isolated.locks import Lock, Pin

MB = 1024 * 1024
LARGEST_WHEEL = 512 * MB
MOST_BYTES = 1024 * MB
MOST_FILES = 50_000
_LARGEST_DIRECTORY = 8 * MB
_LARGEST_METADATA = 4 * MB
_LONGEST_NAME, _DEEPEST = 512, 32
_CHUNK = MB
_END = struct.Struct("<4s4H2LH")
_END_MARK, _LARGE_MARK, _LARGE_SIZE = b"PK\5\6", b"PK\6\7", 20
_ENCRYPTED = 1
# By being there these are imported, or name what is.
_STARTED = frozenset({"sitecustomize", "usercustomize"})
_LIBRARY = "jackfield"
_INSIDE = ("purelib", "platlib")
# What no import needs, and is left where it is.
_LEFT = ("scripts", "headers")
_NATIVE = re.compile(r"\.(?:so(?:\.[0-9.]+)?|dylib|dll|pyd)$")
_DAMAGED = (BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, struct.error)


class Member(msgspec.Struct, frozen=True):
    """A file of a wheel: where it goes below site-packages, and what it is in the archive."""

    name: str
    info: ZipInfo


class Wheel(msgspec.Struct, frozen=True):
    """A wheel that was looked at. Nothing of it was written."""

    pin: Pin
    path: Path
    members: tuple[Member, ...]

    @property
    def native(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members if _NATIVE.search(member.name))


# Which wheel is for which pin


def choose_wheels(lock: Lock, folder: Path) -> Mapping[str, Path]:
    """By the name of the pin, of what is in the folder. Raises `ConfigError` where a wheel is there for a pin, and none
    that the lock allows."""
    if not folder.is_dir():
        return {}
    order = {tag: at for at, tag in enumerate(sys_tags())}
    named: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        try:
            name, version, _, tags = parse_name(path.name)
        except (InvalidWheelFilename, InvalidVersion):
            continue
        rank = min((order[tag] for tag in tags if tag in order), default=len(order))
        named.setdefault((name, str(version)), []).append((rank, path))
    found: dict[str, Path] = {}
    for pin in lock.pins:
        candidates = sorted(named.get((canonicalize_name(pin.name), pin.version), ()))
        if candidates:
            found[pin.name] = _choose(lock, pin, candidates, len(order))
    return found


def _choose(lock: Lock, pin: Pin, candidates: Sequence[tuple[int, Path]], none: int) -> Path:
    fitting = [path for rank, path in candidates if rank < none]
    if not fitting:
        raise lock.refuse(pin, f"{candidates[0][1].name} is not for this Python on this machine")
    for path in fitting:
        digest = _digest_file(lock, pin, path)
        if digest in pin.digests:
            return path
    raise lock.refuse(pin, f"{fitting[-1].name} has the digest sha256:{digest}, which is none of those in the lock")


def _digest_file(lock: Lock, pin: Pin, path: Path) -> str:
    digest = hashlib.sha256()
    with _open(lock, pin, path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _open(lock: Lock, pin: Pin, path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise lock.refuse(pin, f"{path.name} cannot be read: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_WHEEL:
        os.close(descriptor)
        raise lock.refuse(pin, f"{path.name} is no file of at most {LARGEST_WHEEL // MB} MB")
    return os.fdopen(descriptor, "rb")


def find_source(pin: Pin, folder: Path) -> Path | None:
    """The source distribution that is there in place of a wheel."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            name, version = parse_sdist_filename(path.name)
        except (InvalidSdistFilename, InvalidVersion):
            continue
        if (name, str(version)) == (pin.name, pin.version):
            return path
    return None


# What is in a wheel


def inspect_wheels(lock: Lock, paths: Mapping[str, Path]) -> tuple[Wheel, ...]:
    """All of them fit together and into what an environment may hold. Raises `ConfigError`."""
    wheels = tuple(inspect_wheel(lock, pin, paths[pin.name]) for pin in lock.pins)
    size = sum(member.info.file_size for wheel in wheels for member in wheel.members)
    count = sum(len(wheel.members) for wheel in wheels)
    if size > MOST_BYTES or count > MOST_FILES:
        raise ConfigError(
            f"its packages unpack to {size // MB:,} MB in {count:,} files; at most {MOST_BYTES // MB:,} MB in"
            f" {MOST_FILES:,} files are taken",
            file=str(lock.file),
        )
    _refuse_twice(lock, wheels)
    return wheels


def _refuse_twice(lock: Lock, wheels: Sequence[Wheel]) -> None:
    """A file that two packages bring is one only where it is the same in both."""
    places: dict[str, tuple[Pin, ZipInfo]] = {}
    for wheel in wheels:
        for member in wheel.members:
            other, info = places.setdefault(member.name, (wheel.pin, member.info))
            if (info.CRC, info.file_size) != (member.info.CRC, member.info.file_size):
                raise lock.refuse(wheel.pin, f"brings {member.name}, and so does {other}")


def inspect_wheel(lock: Lock, pin: Pin, path: Path) -> Wheel:
    """Raises `ConfigError` naming what is wrong with it."""
    with _open(lock, pin, path) as file:
        try:
            _check_end(file)
            with ZipFile(file) as archive:
                members = tuple(_members(archive))
                _check_metadata(pin, archive, members)
        except _DAMAGED as error:
            raise lock.refuse(pin, f"{path.name} is refused: {error}") from error
    return Wheel(pin, path, members)


def _check_end(file: BinaryIO) -> None:
    """Before the directory is read: it may be made to fill the memory. Wheels have no comment and no need of the form
    for large archives, either of which could hide another directory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _LARGE_SIZE))
    tail = file.read()
    if len(tail) < _END.size:
        raise ValueError("it is no zip archive")
    mark, *_, directory, _, comment = _END.unpack(tail[-_END.size :])
    if mark != _END_MARK or comment:
        raise ValueError("it does not end as a zip archive without a comment does")
    if tail[:4] == _LARGE_MARK or directory > _LARGEST_DIRECTORY:
        raise ValueError(f"its directory is larger than {_LARGEST_DIRECTORY // MB} MB")
    file.seek(0)


def _members(archive: ZipFile) -> Iterator[Member]:
    """What is compiled comes anew from the sources: that of a wheel could be other code."""
    seen: set[str] = set()
    size = 0
    for info in archive.infolist():
        raw = info.orig_filename
        _check_name(raw)
        _check_kind(info)
        if info.is_dir():
            continue
        name = _place_of(raw)
        if name is None:
            continue
        if name in seen:
            raise ValueError(f"it holds {name!r} twice")
        seen.add(name)
        size += info.file_size
        if size > MOST_BYTES or len(seen) > MOST_FILES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES // MB:,} MB or {MOST_FILES:,} files")
        if "__pycache__" not in name.split("/"):
            yield Member(name, info)


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    if len(name) > _LONGEST_NAME or len(parts) > _DEEPEST:
        raise ValueError(f"it holds a file whose name is longer than {_LONGEST_NAME} characters or {_DEEPEST} folders")
    if "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"it holds {name!r}, which is no path below its folder")


def _check_kind(info: ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"it holds {info.filename!r}, which is neither a file nor a folder")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError(f"it holds {info.filename!r}, which is encrypted or packed in a way that wheels are not")


def _place_of(name: str) -> str | None:
    """Below site-packages; `None` for what is not unpacked. Raises `ValueError` for what goes elsewhere, and for what
    would run by being there."""
    first, _, rest = name.partition("/")
    if first.endswith(".data"):
        scheme, _, rest = rest.partition("/")
        if scheme in _LEFT and rest:
            return None
        if scheme not in _INSIDE or not rest:
            raise ValueError(f"it installs {name!r} outside of site-packages")
        name = rest
        first, _, rest = name.partition("/")
    stem = first.partition(".")[0]
    if not rest and first.endswith(".pth"):
        raise ValueError(f"it holds {first!r}, which would run code at every start")
    if stem in _STARTED:
        raise ValueError(f"it holds {name!r}, which would run at every start")
    if stem == _LIBRARY:
        raise ValueError(f"it holds {name!r}, and {_LIBRARY} is the gateway's own")
    return name


def _check_metadata(pin: Pin, archive: ZipFile, members: Sequence[Member]) -> None:
    found = [member for member in members if re.fullmatch(r"[^/]+\.dist-info/METADATA", member.name)]
    if len(found) != 1 or found[0].info.file_size > _LARGEST_METADATA:
        raise ValueError("it says in no one place what it is (METADATA)")
    headers = BytesHeaderParser().parsebytes(archive.read(found[0].info))
    name, version = str(headers.get("Name", "")), str(headers.get("Version", ""))
    if canonicalize_name(name) != pin.name or str(Version(version)) != pin.version:
        raise ValueError(f"it says that it is {name[:80]} {version[:40]}")


# Writing


def unpack_wheel(lock: Lock, wheel: Wheel, folder: Path) -> None:
    """Raises `ConfigError` where it is damaged, and `OSError` where the disk is."""
    with _open(lock, wheel.pin, wheel.path) as file:
        try:
            with ZipFile(file) as archive:
                for member in wheel.members:
                    _write(archive, member, folder / member.name)
        except _DAMAGED as error:
            raise lock.refuse(wheel.pin, f"{wheel.path.name} is damaged: {error}") from error


def _write(archive: ZipFile, member: Member, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        # The same file of another package.
        return
    left = member.info.file_size
    with os.fdopen(descriptor, "wb") as target, archive.open(member.info) as source:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise BadZipFile(f"{member.name!r} is larger than it says")
            target.write(chunk)
