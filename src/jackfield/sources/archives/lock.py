"""The packages that a plugin was locked to: which file says so, and what it says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jackfield.errors import ManifestError
from jackfield.sources.archives.label import Package

LOCK, REQUIREMENTS, PYLOCK = "requirements.lock", "requirements.txt", "pylock.toml"
FILES = (LOCK, PYLOCK, REQUIREMENTS)
LONGEST = 1024 * 1024
_HASH = re.compile(r"\s--hash=(\S+)")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_COMMENT = re.compile(r"(^|\s)#.*$")


class Locked(msgspec.Struct, frozen=True):
    """`version` is empty where none is pinned; `hashes` are SHA-256 of what may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]
    line: int = 0
    text: str = ""


def base_of(paths: Iterable[str]) -> str:
    """The one folder that all stand in, else none."""
    tops = {path.partition("/")[0] if "/" in path else "" for path in paths}
    return f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""


def packages_in(files: Mapping[str, bytes]) -> tuple[Package, ...]:
    """What a plugin is locked to whose files stand as in a plugins folder. Raises `ManifestError`."""
    base = base_of(files)
    name = next((name for name in FILES if base + name in files), None)
    return packages_of(read_lock(decode_lock(files[base + name], name), name)) if name is not None else ()


def packages_of(locked: Iterable[Locked]) -> tuple[Package, ...]:
    return tuple(sorted({Package(one.name, one.version) for one in locked}, key=lambda one: (one.name, one.version)))


def decode_lock(data: bytes, file: str) -> str:
    if len(data) > LONGEST:
        raise ManifestError(f"is longer than {LONGEST // 1024} KB", file=file)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(str(error), file=file) from error


def read_lock(text: str, file: str) -> tuple[Locked, ...]:
    """What a lock of either kind pins, by its file's name. Raises `ManifestError` naming file and line, for a
    requirement without a version or a hash too."""
    locked = _read_pylock(text, file) if file.endswith(PYLOCK) else read_requirements(text, file)
    for one in locked:
        if not one.version:
            raise ManifestError(f"{one.text}: is not pinned to one version", file=file, line=one.line or None)
        if not one.hashes:
            raise ManifestError(f"{one.name}: has no SHA-256 to know it by", file=file, line=one.line or None)
    return locked


def read_requirements(text: str, file: str) -> tuple[Locked, ...]:
    """As pip reads them. Raises `ManifestError` for an option, and for what is not a package of an index."""
    return tuple(_read_line(line, number, file) for number, line in _lines(text))


def write_lock(locked: Mapping[str, tuple[str, tuple[str, ...]]]) -> str:
    """By name: the version, and the hashes of its wheels."""
    lines = []
    for name, (version, hashes) in sorted(locked.items()):
        told = (f"    --hash=sha256:{digest}" for digest in sorted(hashes))
        lines.append(" \\\n".join((f"{name}=={version}", *told)))
    return "\n".join(lines) + "\n"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first."""
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if begun else number
        begun += " " + _COMMENT.sub("", line)
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        if begun.strip():
            yield first, begun.strip()
        begun = ""
    if begun.strip():
        yield first, begun.strip()


def _read_line(line: str, number: int, file: str) -> Locked:
    stated = _HASH.sub("", line).strip()
    if stated.startswith("-") or " --" in stated:
        raise ManifestError(f"{stated[:80]}: no options but --hash", file=file, line=number)
    try:
        wanted = Requirement(stated)
    except InvalidRequirement as error:
        raise ManifestError(f"{stated[:80]}: {str(error).splitlines()[0]}", file=file, line=number) from error
    if wanted.url is not None:
        raise ManifestError(f"{wanted.name}: is named by an address, not by a version", file=file, line=number)
    pins = [pin for pin in wanted.specifier if pin.operator in ("==", "===") and not pin.version.endswith(".*")]
    version = pins[0].version if len(pins) == 1 and len(wanted.specifier) == 1 else ""
    hashes = tuple(digest[1] for given in _HASH.findall(line) if (digest := _SHA256.fullmatch(given)))
    return Locked(canonicalize_name(wanted.name), version, hashes, number, stated[:80])


def _read_pylock(text: str, file: str) -> tuple[Locked, ...]:
    try:
        packages = tomllib.loads(text).get("packages", [])
        return tuple(_read_package(package) for package in packages)
    except (tomllib.TOMLDecodeError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"is no lock file: {type(error).__name__}: {error}", file=file) from error


def _read_package(package: Mapping[str, Any]) -> Locked:
    name, version = str(package["name"]), str(package.get("version", ""))
    given = [str(wheel["hashes"]["sha256"]) for wheel in package.get("wheels", ()) if "sha256" in wheel["hashes"]]
    return Locked(canonicalize_name(name), version, tuple(given), text=name)
