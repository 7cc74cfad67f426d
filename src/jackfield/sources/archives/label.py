"""`PACK.json`: what an archive says of the plugin in it, and of each of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from jackfield.errors import ManifestError

FORMAT = "jackfield-pack/1"
LABEL, SIGNATURE, SBOM = "PACK.json", "SIGNATURE", "sbom.cdx.json"
# Below the first are the plugin's own files, as they stand in a plugins folder; below the second tests that stand
# elsewhere, which are not installed.
PLUGIN, TESTS = "plugin/", "tests/"
LONGEST = 8 * 1024 * 1024

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Prose = Annotated[str, msgspec.Meta(max_length=10_000)]
Size = Annotated[int, msgspec.Meta(ge=0)]


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: Digest
    size: Size

    def fits(self, data: bytes | memoryview) -> bool:
        return len(data) == self.size and sha256_of(data) == self.sha256


class Package(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Word
    version: Word


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` is what the plugin's dialect finds it by. `runtime` is where its code runs if nobody chooses. `manifest`
    is all that it says of itself, without what goes without saying. `packages` are locked, `tags` say what its wheels
    are made for. `sbom` is the digest of the bill of materials."""

    format: str = FORMAT
    id: Word
    version: Word
    dialect: Word
    name: Word
    permissions: tuple[Word, ...] = ()
    manifest: Mapping[str, Any]
    runtime: Word = "inprocess"
    packages: tuple[Package, ...] = ()
    tags: tuple[Word, ...] = ()
    sbom: Digest
    files: Mapping[str, Mark]


class _Format(msgspec.Struct):
    format: str = ""


def write_label(label: Label) -> bytes:
    """The one form in which it is signed and read."""
    return msgspec.json.encode(label, order="sorted")


def read_label(data: bytes, place: str) -> Label:
    """Raises `ManifestError` for one of another version, and for one that says anything twice or in another form."""
    try:
        stated = msgspec.json.decode(data, type=_Format).format
        if stated != FORMAT:
            raise ManifestError(f"has the format {stated[:50]!r}; this version reads {FORMAT!r}", file=place)
        label = msgspec.json.decode(data, type=Label)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"{LABEL}: {error}", file=place) from error
    if write_label(label) != data:
        raise ManifestError(f"{LABEL} is not written in its one form", file=place)
    return label


def sha256_of(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()
