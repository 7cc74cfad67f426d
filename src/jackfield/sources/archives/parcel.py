"""Opening an archive: everything in it is checked before anybody gets any of it, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from pydantic import ValidationError

from jackfield.errors import ManifestError
from jackfield.sdk.manifest import Manifest
from jackfield.sources.archives import zipped
from jackfield.sources.archives.keys import LONGEST_SIGNATURE, PublicKey, Signature, TrustedKeys
from jackfield.sources.archives.label import (
    LABEL,
    LONGEST,
    PLUGIN,
    SBOM,
    SIGNATURE,
    TESTS,
    Label,
    read_label,
    sha256_of,
)
from jackfield.sources.archives.lock import packages_in
from jackfield.sources.archives.names import check_names
from jackfield.sources.archives.wheels import check_wheel, find_wheels, tell_misfits

ENDING = ".jackfield"
_REST = frozenset({LABEL, SIGNATURE, SBOM})
# Where code runs for which an environment is made of a lock.
_PYTHON = frozenset({"inprocess", "isolated", "grpc"})


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that is what it says. `manifest` is the one that its label tells; the one among its files is not read
    yet. `files` are the plugin's, as they stand in a plugins folder. `signer` is `None` where nobody has signed it whom
    the operator trusts; `key` is the fingerprint that it names."""

    label: Label
    manifest: Manifest
    files: Mapping[str, bytes]
    sha256: str
    place: str
    signer: PublicKey | None = None
    key: str | None = None


def open_parcel(data: bytes, place: str, trusted: TrustedKeys, *, signed: bool = True, here: bool = True) -> Parcel:
    """Raises `ManifestError` that says why it is refused. `signed` is whether somebody must have signed it who is
    trusted, `here` whether its wheels must fit this interpreter."""
    held = zipped.decode(data, place)
    check_names(held, place, hidden=False)
    said = _take(held, LABEL, LONGEST, place)
    signature = _read_signature(held, place)
    signer = trusted.check(said, signature, place) if signature is not None else None
    if signed and signer is None:
        raise ManifestError(_tell_stranger(signature), file=place)
    label = read_label(said, place)
    _check_files(label, held, place)
    files = {path[len(PLUGIN) :]: bytes(data) for path, data in held.items() if path.startswith(PLUGIN)}
    _check_wheels(files, place, here=here)
    _check_packages(label, files, place)
    key = signature.key if signature is not None else None
    return Parcel(
        label=label,
        manifest=_read_manifest(label, place),
        files=files,
        sha256=sha256_of(data),
        place=place,
        signer=signer,
        key=key,
    )


def _read_manifest(label: Label, place: str) -> Manifest:
    try:
        manifest = Manifest.model_validate(label.manifest)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ManifestError(f"is refused: its label: {field}: {first['msg']}", file=place) from error
    if (label.id, label.version, label.permissions) != (manifest.id, manifest.version, manifest.permissions):
        raise ManifestError("is refused: its label contradicts itself", file=place)
    return manifest


def _take(held: Mapping[str, memoryview], name: str, longest: int, place: str) -> bytes:
    data = held.get(name)
    if data is None:
        raise ManifestError(f"is refused: there is no {name} in it", file=place)
    if len(data) > longest:
        raise ManifestError(f"is refused: its {name} is longer than {longest // 1024} KB", file=place)
    return bytes(data)


def _read_signature(held: Mapping[str, memoryview], place: str) -> Signature | None:
    if SIGNATURE not in held:
        return None
    try:
        return msgspec.json.decode(_take(held, SIGNATURE, LONGEST_SIGNATURE, place), type=Signature)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"is refused: {SIGNATURE}: {error}", file=place) from error


def _tell_stranger(signature: Signature | None) -> str:
    if signature is None:
        return "is refused: nobody has signed it (install.require_signature)"
    return f"is refused: it is signed with the key {signature.key[:64]}, which is not among install.trusted_keys"


def _check_files(label: Label, held: Mapping[str, memoryview], place: str) -> None:
    """Exactly the files that the label names are there, and each is what it says."""
    present = held.keys() - {LABEL, SIGNATURE}
    more, fewer = sorted(present - label.files.keys()), sorted(label.files.keys() - present)
    if more or fewer:
        told = f"{more[0]!r}, which its label does not name" if more else f"no {fewer[0]!r}, which its label names"
        raise ManifestError(f"is refused: it holds {told}", file=place)
    stray = next((path for path in sorted(present) if not path.startswith((PLUGIN, TESTS)) and path not in _REST), None)
    if stray is not None:
        raise ManifestError(f"is refused: {stray[:200]!r} has no place in it", file=place)
    spoiled = next((path for path, mark in sorted(label.files.items()) if not mark.fits(held[path])), None)
    if spoiled is not None:
        raise ManifestError(f"is refused: {spoiled[:200]!r} is not what its label says", file=place)
    if SBOM not in held or label.files[SBOM].sha256 != label.sbom:
        raise ManifestError("is refused: its bill of materials is not the one that its label names", file=place)


def _check_wheels(files: Mapping[str, bytes], place: str, *, here: bool) -> None:
    try:
        wheels = find_wheels(files)
        for path in wheels:
            check_wheel(files[path], path)
        misfits = sorted(tell_misfits(wheels)) if here else []
    except ManifestError as error:
        raise ManifestError(f"is refused: {error}", file=place) from error
    if misfits:
        raise ManifestError(f"is refused: its wheels of {', '.join(misfits)} are not for this interpreter", file=place)


def _check_packages(label: Label, files: Mapping[str, bytes], place: str) -> None:
    """What people are told that it brings is what it is locked to."""
    try:
        locked = packages_in(files) if label.runtime in _PYTHON else ()
    except ManifestError as error:
        raise ManifestError(f"is refused: {error}", file=place) from error
    if label.packages != locked:
        raise ManifestError("is refused: its label tells of other packages than its lock", file=place)
