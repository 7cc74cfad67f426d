"""Making an archive of a plugin: the same files make the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from packaging.version import InvalidVersion, Version

from jackfield.errors import ManifestError
from jackfield.sdk.manifest import Manifest
from jackfield.sources.archives import zipped
from jackfield.sources.archives.keys import SigningKey, TrustedKeys, is_private_key
from jackfield.sources.archives.label import (
    LABEL,
    PLUGIN,
    SBOM,
    SIGNATURE,
    TESTS,
    Label,
    Mark,
    sha256_of,
    write_label,
)
from jackfield.sources.archives.lock import (
    FILES,
    LOCK,
    REQUIREMENTS,
    Locked,
    decode_lock,
    packages_of,
    read_lock,
    read_requirements,
    write_lock,
)
from jackfield.sources.archives.names import check_names
from jackfield.sources.archives.parcel import open_parcel
from jackfield.sources.archives.sbom import write_sbom
from jackfield.sources.archives.wheels import ENDING, WHEELS, check_wheel, find_wheels, read_name
from jackfield.sources.base import Found


class Draft(msgspec.Struct, kw_only=True):
    """What is to be packed: `files` as they stand in a plugins folder, `base` the plugin's own folder in it, with a
    slash behind it or empty. `tests` stand elsewhere."""

    found: Found
    manifest: Manifest
    files: dict[str, bytes]
    base: str
    tests: Mapping[str, bytes] = {}

    @property
    def is_python(self) -> bool:
        return self.found.runtime in ("inprocess", "isolated")

    def add_wheels(self, wheels: Mapping[str, bytes]) -> None:
        """Those that are there already stay."""
        for name, data in wheels.items():
            self.files.setdefault(f"{self.base}{WHEELS}/{name}", data)


def pack(draft: Draft, key: SigningKey | None) -> tuple[Label, bytes]:
    """Raises `ManifestError` for what no archive may hold, and for requirements that are not locked: what
    is made can be opened."""
    manifest, place = draft.manifest, draft.found.place
    _refuse_keys(draft)
    _check_version(manifest, place)
    locked = _lock(draft) if draft.is_python else ()
    wheels = find_wheels(draft.files) if draft.is_python else []
    held = {f"{PLUGIN}{path}": data for path, data in draft.files.items()}
    held |= {f"{TESTS}{path}": data for path, data in draft.tests.items()}
    held[SBOM] = write_sbom(manifest.id, manifest.version, locked, held)
    label = Label(
        id=manifest.id,
        version=manifest.version,
        dialect=draft.found.dialect,
        name=draft.found.name,
        permissions=manifest.permissions,
        manifest=manifest.model_dump(mode="json", exclude_defaults=True),
        runtime=manifest.runtime if draft.is_python else draft.found.runtime,
        packages=packages_of(locked),
        tags=tuple(sorted({str(tag) for path in wheels for tag in read_name(path)[2]})),
        sbom=sha256_of(held[SBOM]),
        files={path: Mark(sha256_of(data), len(data)) for path, data in held.items()},
    )
    data = _seal(label, held, key, place)
    open_parcel(data, place, TrustedKeys((key.public,) if key is not None else ()), signed=key is not None, here=False)
    return label, data


def _seal(label: Label, held: dict[str, bytes], key: SigningKey | None, place: str) -> bytes:
    said = write_label(label)
    held[LABEL] = said
    if key is not None:
        held[SIGNATURE] = msgspec.json.encode(key.sign(said), order="sorted")
    check_names(held, place, hidden=False)
    try:
        return zipped.encode(held)
    except ValueError as error:
        raise ManifestError(str(error), file=place) from error


def _refuse_keys(draft: Draft) -> None:
    """Whoever gets the archive could sign in its author's name."""
    path = next((path for path, data in {**draft.files, **draft.tests}.items() if is_private_key(data)), None)
    if path is not None:
        raise ManifestError("is a private key, which its author keeps elsewhere", file=path)


def _check_version(manifest: Manifest, place: str) -> None:
    try:
        Version(manifest.version)
    except InvalidVersion as error:
        told = f"{manifest.version!r} is no version such as 1.2.0: nobody could tell whether another one is newer"
        raise ManifestError(told, file=place, field="version") from error


def _lock(draft: Draft) -> tuple[Locked, ...]:
    """What the plugin is locked to; makes the lock where wheels tell it. Raises `ManifestError`."""
    name = next((name for name in FILES if f"{draft.base}{name}" in draft.files), None)
    wheels = _weigh(draft)
    if name is None:
        if wheels:
            raise ManifestError(f"there are wheels, and no {LOCK} that names them", file=draft.found.place)
        return ()
    text = decode_lock(draft.files[draft.base + name], name)
    if name == REQUIREMENTS and wheels and not all(one.version and one.hashes for one in read_requirements(text, name)):
        text, name = _lock_to_wheels(read_requirements(text, name), wheels), LOCK
        draft.files[draft.base + LOCK] = text.encode()
    locked = read_lock(text, name)
    allowed = {(one.name, digest) for one in locked for digest in one.hashes}
    for wheel, _, digest in wheels:
        if (wheel, digest) not in allowed:
            raise ManifestError(f"does not lock the wheel of {wheel} with the SHA-256 {digest}", file=name)
    return locked


def _weigh(draft: Draft) -> list[tuple[str, str, str]]:
    """Package, version and digest of each wheel."""
    weighed = []
    for path in find_wheels(draft.files):
        check_wheel(draft.files[path], path)
        name, version, _ = read_name(path)
        weighed.append((name, version, sha256_of(draft.files[path])))
    return weighed


def _lock_to_wheels(wanted: Iterable[Locked], wheels: list[tuple[str, str, str]]) -> str:
    """Raises `ManifestError` for a requirement that no wheel meets."""
    made: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, version, digest in wheels:
        known_version, digests = made.get(name, (version, ()))
        if known_version != version:
            raise ManifestError(f"there are wheels of {name} {known_version} and {version}", file=f"{WHEELS}/")
        made[name] = version, (*digests, digest)
    for one in wanted:
        if one.name not in made or one.version not in ("", made[one.name][0]):
            told = f"{one.text}: has no SHA-256, and there is no {ENDING} file of it"
            raise ManifestError(told, file=REQUIREMENTS, line=one.line)
    return write_lock(made)
