"""What a plugin's code needs besides Jackfield, as its author locked it: exact versions, each with the digests of its
wheels.

Of a lock nothing is taken but names, versions and digests. Where a wheel is fetched from is the operator's to say, so
addresses and options in a lock are refused, or not looked at where its format demands them.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from jackfield.errors import ConfigError

# The first that is there counts: the others are what it was made from.
LOCKS = ("requirements.lock", "pylock.toml", "requirements.txt")
LONGEST = 1024 * 1024
MOST_PINS = 500
_LONGEST_REQUIREMENT = 500
_HASH = re.compile(r"--hash[= ]\s*sha256:([0-9a-f]{64})")
_OPTION = re.compile(r"\s+(?=--)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_TABLE = re.compile(r"^\s*\[\[\s*packages\s*\]\]", re.MULTILINE)
_ADVICE = "pip-compile --generate-hashes and uv pip compile --generate-hashes write such a lock"
_BAD_MARKER = (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, RecursionError)


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One package. `name` and `version` are in their normal form; `digests` are SHA-256, in hexadecimal and sorted."""

    name: str
    version: str
    digests: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


class Lock(msgspec.Struct, frozen=True):
    """`pins` are what this Python on this machine needs of it, in the order of their names."""

    file: Path
    pins: tuple[Pin, ...]

    def refuse(self, pin: Pin, message: str) -> ConfigError:
        return ConfigError(message, file=str(self.file), line=pin.line, field=str(pin))


def read_lock(folder: Path) -> Lock | None:
    """`None` where the folder has no lock, or one that needs nothing. Raises `ConfigError`."""
    for name in LOCKS:
        file = folder / name
        text = _read(file)
        if text is not None:
            read = _read_pylock if name.endswith(".toml") else _read_requirements
            return _gather(file, read(file, text))
    return None


def _read(file: Path) -> str | None:
    """Not through a link: what an error says of a line is shown to whoever installs."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LONGEST:
            raise ConfigError(f"is no file of at most {LONGEST // 1024} KB", file=str(file))
        try:
            return opened.read(LONGEST).decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"is not UTF-8: {error}", file=str(file)) from error


def _gather(file: Path, pins: Iterator[Pin]) -> Lock | None:
    found: dict[str, Pin] = {}
    for pin in pins:
        other = found.setdefault(pin.name, pin)
        if other is not pin:
            raise Lock(file, ()).refuse(pin, f"{other} is pinned already, at line {other.line}")
        if len(found) > MOST_PINS:
            raise ConfigError(f"holds more than {MOST_PINS} packages", file=str(file))
    return Lock(file, tuple(found[name] for name in sorted(found))) if found else None


# requirements.lock and requirements.txt


def _read_requirements(file: Path, text: str) -> Iterator[Pin]:
    for line, statement in _statements(text):
        pin = _read_statement(file, line, statement)
        if pin is not None:
            yield pin


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """With the number of the line that each begins at."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", line).rstrip()
        first = first if parts else number
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            whole = " ".join(parts).strip()
            parts = []
            if whole:
                yield first, whole
    if whole := " ".join(parts).strip():
        yield first, whole


def _read_statement(file: Path, line: int, statement: str) -> Pin | None:
    head, *options = _OPTION.split(statement)

    def refuse(message: str) -> ConfigError:
        return ConfigError(message, file=str(file), line=line, field=head[:80])

    if head.startswith("-"):
        raise refuse("is an option, and where packages come from is the operator's to say; a lock holds packages only")
    requirement = _parse(head, refuse_as=refuse)
    if not _applies(requirement.marker, refuse_as=refuse):
        return None
    version = _exact_version(requirement)
    if version is None:
        raise refuse(f"is not pinned to one version by ==; {_ADVICE}")
    digests = [found[1] for option in options if (found := _HASH.fullmatch(option.strip()))]
    if not digests or len(digests) < len(options):
        raise refuse(f"needs --hash=sha256:… for each of its wheels, and no other option; {_ADVICE}")
    return Pin(
        name=canonicalize_name(requirement.name), version=version, digests=tuple(sorted(set(digests))), line=line
    )


def _parse(text: str, refuse_as: Any) -> Requirement:
    if len(text) > _LONGEST_REQUIREMENT:
        raise refuse_as(f"is longer than {_LONGEST_REQUIREMENT} characters")
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        raise refuse_as(f"is no requirement: {str(error).splitlines()[0]}") from error
    if requirement.url is not None:
        raise refuse_as("names an address; a lock holds names, versions and digests only")
    return requirement


def _applies(marker: Marker | None, refuse_as: Any) -> bool:
    try:
        return marker is None or marker.evaluate({"extra": ""})
    except _BAD_MARKER as error:
        raise refuse_as(f"has a condition that cannot be judged: {error}") from error


def _exact_version(requirement: Requirement) -> str | None:
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith("*"):
        return None
    return str(Version(specifiers[0].version))


# pylock.toml, as PEP 751 says


def _read_pylock(file: Path, text: str) -> Iterator[Pin]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"is no TOML: {error}", file=str(file)) from error
    version = document.get("lock-version")
    if not isinstance(version, str) or version.split(".")[0] != "1":
        raise ConfigError(f"is {str(version)[:20]!r}, and 1.0 is understood", file=str(file), field="lock-version")
    packages = document.get("packages")
    if not isinstance(packages, list) or not all(isinstance(package, dict) for package in packages):
        raise ConfigError("is no list of tables", file=str(file), field="packages")
    lines = [text.count("\n", 0, found.end()) + 1 for found in _TABLE.finditer(text)]
    for at, package in enumerate(packages):
        pin = _read_package(file, lines[at] if at < len(lines) else 1, package)
        if pin is not None:
            yield pin


def _read_package(file: Path, line: int, package: dict[str, Any]) -> Pin | None:
    name, version = package.get("name"), package.get("version")

    def refuse(message: str) -> ConfigError:
        return ConfigError(message, file=str(file), line=line, field=f"packages.{str(name)[:80]}")

    if not isinstance(name, str) or not isinstance(version, str):
        raise refuse("needs a name and a version: what is fetched from a repository or a folder is not locked")
    if not _applies(_marker_of(package, refuse), refuse_as=refuse):
        return None
    try:
        normal = str(Version(version))
    except InvalidVersion as error:
        raise refuse(f"{version[:40]!r} is no version") from error
    wheels = package.get("wheels")
    if not isinstance(wheels, list) or not wheels:
        raise refuse("has no wheel, and whatever else it has would run code of its own to be installed")
    digests = {_digest_of(wheel, refuse) for wheel in wheels}
    return Pin(name=canonicalize_name(name), version=normal, digests=tuple(sorted(digests)), line=line)


def _marker_of(package: dict[str, Any], refuse_as: Any) -> Marker | None:
    text = package.get("marker")
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > _LONGEST_REQUIREMENT:
        raise refuse_as("has a condition that is no short text")
    try:
        return Marker(text)
    except _BAD_MARKER as error:
        raise refuse_as(f"has a condition that cannot be judged: {str(error).splitlines()[0]}") from error


def _digest_of(wheel: Any, refuse_as: Any) -> str:
    hashes = wheel.get("hashes") if isinstance(wheel, dict) else None
    digest = hashes.get("sha256") if isinstance(hashes, dict) else None
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise refuse_as("has a wheel without a sha256 among its hashes")
    return digest
