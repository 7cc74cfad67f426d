"""A catalogue: a signed index of plugins, their versions, and those that were revoked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from platform import python_version
from typing import Annotated, Literal

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from jackfield import __version__
from jackfield.errors import Conflict, ManifestError, NotFound
from jackfield.sources.archives.keys import PublicKey, Signature, SigningKey, is_signed
from jackfield.sources.archives.label import Digest, Prose, Size, Word

FORMAT: Literal["jackfield-catalogue/1"] = "jackfield-catalogue/1"
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Listed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One version. `url` may be relative to the index. `python` and `jackfield` are the versions that it runs with."""

    id: Word
    version: Word
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    sha256: Digest
    size: Size
    published_at: Moment
    title: Prose = ""
    description: Prose = ""
    author: Prose = ""
    permissions: tuple[Word, ...] = ()
    python: str = ""
    jackfield: str = ""

    @property
    def runs_here(self) -> bool:
        return _admits(self.python, python_version()) and _admits(self.jackfield, __version__)


class Revoked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`version` is `None` for all versions."""

    id: Word
    version: Word | None = None
    reason: Word
    at: Moment


class Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each one that is made has a higher `sequence` than the one before."""

    format: Literal["jackfield-catalogue/1"] = FORMAT
    name: Word
    sequence: Annotated[int, msgspec.Meta(ge=1)]
    expires_at: Moment
    plugins: tuple[Listed, ...] = ()
    revoked: tuple[Revoked, ...] = ()

    def reason_against(self, plugin_id: str, version: str) -> str | None:
        """Why a version was revoked; `None` where it was not."""
        return next(
            (one.reason for one in self.revoked if one.id == plugin_id and _is_same(one.version, version)), None
        )

    def versions(self, plugin_id: str) -> list[Listed]:
        """Newest first."""
        return sorted((one for one in self.plugins if one.id == plugin_id), key=_order, reverse=True)


class SignedIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed is the index with its keys in order and without spaces, however it stands in the file."""

    index: Index
    signature: Signature


def write_index(index: Index, key: SigningKey) -> bytes:
    signed = SignedIndex(index, key.sign(_signed_bytes(index)))
    return msgspec.json.format(msgspec.json.encode(signed, order="sorted"), indent=1) + b"\n"


def read_index(data: bytes, place: str, key: PublicKey) -> Index:
    """Raises `ManifestError`; an index that has expired is read."""
    try:
        signed = msgspec.json.decode(data, type=SignedIndex)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(f"is no catalogue: {error}", file=place) from error
    if not is_signed(_signed_bytes(signed.index), signed.signature, key):
        raise ManifestError(f"is refused: {key.name!r} has not signed what it holds", file=place)
    _check_versions(signed.index, place)
    return signed.index


def _signed_bytes(index: Index) -> bytes:
    return msgspec.json.encode(index, order="sorted")


def _check_versions(index: Index, place: str) -> None:
    seen: set[tuple[str, Version]] = set()
    for one in index.plugins:
        try:
            mark = one.id, Version(one.version)
            SpecifierSet(one.python), SpecifierSet(one.jackfield)
        except (InvalidVersion, InvalidSpecifier) as error:
            raise ManifestError(f"{one.id}: {error}", file=place) from error
        if mark in seen:
            raise ManifestError(f"lists {one.id} {one.version} twice", file=place)
        seen.add(mark)


def choose(index: Index, plugin_id: str, version: str | None, now: datetime, cooldown: timedelta) -> Listed:
    """The version that was named, else the newest that may be installed. Raises `NotFound`, and `Conflict` that says
    why none may be."""
    known = index.versions(plugin_id)
    wanted = known if version is None else [one for one in known if _is_same(one.version, version)]
    if not wanted:
        missing = f"The catalogue {index.name!r} has no {plugin_id[:100]!r}"
        raise NotFound(missing if not known else f"{missing} {(version or '')[:100]}")
    told: list[str] = []
    for one in wanted:
        reason = _tell_hindrance(index, one, now, cooldown)
        if reason is None:
            return one
        told.append(f"{one.version} {reason}")
    raise Conflict(f"{plugin_id}: {'; '.join(told[:5])}", plugin=plugin_id)


def _tell_hindrance(index: Index, one: Listed, now: datetime, cooldown: timedelta) -> str | None:
    revoked = index.reason_against(one.id, one.version)
    if revoked is not None:
        return f"was revoked: {revoked}"
    if not one.runs_here:
        return f"needs Python {one.python or '*'} and Jackfield {one.jackfield or '*'}"
    if now - one.published_at < cooldown:
        days = f"{cooldown / timedelta(days=1):g}"
        return (
            f"was published {one.published_at:%Y-%m-%d %H:%M} UTC, less than {days} days ago: "
            f"name it, and say no_cooldown, to install it all the same"
        )
    return None


def search(index: Index, words: list[str]) -> Iterator[Listed]:
    """The newest version of each plugin in which all words occur, by id."""
    for plugin_id in sorted({one.id for one in index.plugins}):
        newest = index.versions(plugin_id)[0]
        text = " ".join((newest.id, newest.title, newest.description, newest.author)).casefold()
        if all(word.casefold() in text for word in words):
            yield newest


def _admits(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


def _order(one: Listed) -> Version:
    return Version(one.version)


def _is_same(named: str | None, version: str) -> bool:
    """Whether a version is the one that is named; `None` names all."""
    if named is None or named == version:
        return True
    try:
        return Version(named) == Version(version)
    except InvalidVersion:
        return False
