"""Seeing what plugins there are, without running any of their code: found, copied and named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

import msgspec
import structlog

from jackfield.dialects.base import Dialect
from jackfield.errors import JackfieldError, ManifestError, Unavailable, Unprocessable
from jackfield.host.sealed import SealedCode
from jackfield.host.world import NOTHING, Code, Entry, Origin
from jackfield.sdk.manifest import Manifest
from jackfield.sources.archives.parcel import Parcel
from jackfield.sources.base import Contents, Found, Source
from jackfield.telemetry.text import describe_error

log = structlog.get_logger("jackfield.host")


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin that was found. `problem` is set where what it says of itself is wrong. `code` is `None` for what is
    installed in the interpreter. `find_again` finds the same anew, so that its modules get names of their own."""

    found: Found
    code: Code | None = None
    find_again: Callable[[], Found] | None = None
    manifest: Manifest | None = None
    problem: str | None = None

    @property
    def digest(self) -> str | None:
        return self.code.digest if self.code is not None else None

    @property
    def stated_id(self) -> str:
        """What it is called, as far as can be told without running its code."""
        return self.manifest.id if self.manifest is not None else self.found.name


class Settled(msgspec.Struct, frozen=True):
    """`lifted` are the plugins that a hold has ended for, `held` those that it holds."""

    sightings: list[Sighting]
    lifted: frozenset[str]
    held: frozenset[str]


Withdrawn = Callable[[Origin], str | None]


def keep_all(origin: Origin) -> str | None:
    """Why it must not be started anew: nobody has revoked anything."""
    return None


class Surveyor:
    """Looks at the sources, in their order. `dialects` by name. Its methods touch the disk: not for the event loop."""

    def __init__(
        self,
        sources: Iterable[Source],
        dialects: Mapping[str, Dialect],
        sealed: SealedCode,
        withdrawn: Withdrawn = keep_all,
    ) -> None:
        self._sources, self._dialects, self.sealed = tuple(sources), dialects, sealed
        self._withdrawn = withdrawn

    def look(self) -> list[Sighting]:
        """Raises `ConfigError` where a plugins folder cannot be read."""
        return [self.see(found) for source in self._sources for found in source.find()]

    def see_folder(self, folder: Path, sha256: str | None = None) -> Sighting:
        """The one plugin that `folder` is, or that it holds as a plugins folder. Raises `ManifestError`, and
        `Unprocessable` where its contents have not the digest `sha256`."""
        seen = self.see(find_only(folder, self._dialects.values()))
        if seen.problem is not None:
            raise ManifestError(seen.problem, file=str(folder))
        if seen.code is None:
            raise ManifestError("there is nothing to copy", file=str(folder))
        if sha256 is not None and sha256.lower() != seen.code.digest:
            raise Unprocessable(f"the contents of {folder} have the SHA-256 {seen.code.digest}", param="sha256")
        return self.unseal(seen.code)

    def see_parcel(self, parcel: Parcel, catalogue: str | None = None) -> Sighting:
        """What an archive holds, copied. Raises `ManifestError` where that is not the plugin that its label tells
        of, and `Unavailable` where it cannot be written."""
        label = parcel.label
        signer = parcel.signer.fingerprint if parcel.signer is not None else None
        origin = Origin(label.id, label.version, parcel.sha256, signer, catalogue)
        place = parcel.place
        try:
            digest = self.sealed.keep(dict(parcel.files))
        except OSError as error:
            raise Unavailable(f"the data folder does not take it: {error.strerror or error}") from error
        seen = self._sight(Code(digest, label.dialect, label.name, place, str(Path(place).parent), origin), None)
        if seen.manifest != parcel.manifest:
            raise ManifestError("is refused: its label tells of another plugin than its manifest", file=place)
        runtime = seen.found.runtime
        if label.runtime != (parcel.manifest.runtime if runtime == "inprocess" else runtime):
            raise ManifestError("is refused: its code does not run where its label says", file=place)
        return seen

    def restore(self, entries: Mapping[str, Entry]) -> list[Sighting]:
        """What another worker has taken, whatever the disk says by now."""
        installed = [one for one in self.look() if one.code is None and one.problem is None]
        return [*(one for name in entries for one in self._kept(name, entries)), *installed]

    def refuse_withdrawn(self, code: Code | None) -> None:
        """Raises `ManifestError` for what was revoked since it was installed: it is not started anew."""
        reason = self._withdrawn(code.origin) if code is not None and code.origin is not None else None
        if code is not None and reason is not None:
            raise ManifestError(reason, file=code.place)

    def see(self, found: Found) -> Sighting:
        """A boundary: a dialect reads what strangers wrote, and whatever that leads to is that plugin's problem. What
        runs is the copy, under the paths of what it was copied from."""
        try:
            if found.contents is None:
                return Sighting(found=found, manifest=found.manifest())
            contents = found.contents()
            code = Code(self.sealed.seal(contents), found.dialect, found.name, found.place, _root_of(contents, found))
            return self._sight(code, Path(code.root))
        except JackfieldError as error:
            return Sighting(found=found, problem=str(error))
        except Exception as error:  # the boundary of the docstring
            log.exception("plugin_not_read", place=found.place)
            return Sighting(found=found, problem=describe_error(error))

    def unseal(self, code: Code) -> Sighting:
        """The plugin as it was when its copy was made; its files are the copy's too. Raises `ManifestError` where the
        copy is no longer that."""
        self.sealed.check(code.digest)
        return self._sight(code, None)

    def _sight(self, code: Code, shown: Path | None) -> Sighting:
        find_again = partial(self._find_checked, code, shown)
        found = self._find_copy(code, shown)
        return Sighting(found=found, code=code, find_again=find_again, manifest=found.manifest())

    def _find_checked(self, code: Code, shown: Path | None) -> Found:
        """For a start."""
        self.refuse_withdrawn(code)
        self.sealed.check(code.digest)
        return self._find_copy(code, shown)

    def _find_copy(self, code: Code, shown: Path | None) -> Found:
        dialect = self._dialects.get(code.dialect)
        found = dialect.find(self.sealed.place(code.digest), shown) if dialect is not None else ()
        if len(found) != 1:
            raise ManifestError(f"its copy holds {len(found)} plugins and not one", file=code.place)
        # Its name leads to folders; that of an archive is a stranger's word.
        if code.origin is not None and found[0].name != code.name:
            raise ManifestError(
                f"is refused: it is called {found[0].name!r}, and not as its label says", file=code.place
            )
        source = found[0].source if code.origin is None else "archive"
        return msgspec.structs.replace(found[0], place=code.place, name=code.name, source=source)

    def settle(self, sightings: Iterable[Sighting], entries: Mapping[str, Entry], taken: Collection[str]) -> Settled:
        """What is to run of what was seen: what a rollback holds stands in for what the disk has, unless it is `taken`
        from the disk on purpose; what is installed joins."""
        places = {entry.hold.place: name for name, entry in entries.items() if entry.hold is not None}
        chosen: list[Sighting] = []
        lifted, held = set[str](), set[str]()
        for seen in sightings:
            name = places.get(seen.found.place, seen.stated_id)
            hold = entries.get(name, NOTHING).hold
            if hold is None or name in taken or hold.disk != seen.digest:
                chosen.append(seen)
                lifted |= {name} if hold is not None else set()
            else:
                held.add(name)
                chosen += self._kept(name, entries)
        present = held | {seen.stated_id for seen in chosen}
        for name, entry in entries.items():
            if name not in present and (entry.installed or (entry.hold is not None and entry.hold.disk is None)):
                chosen += self._kept(name, entries)
        return Settled(chosen, frozenset(lifted), frozenset(held))

    def _kept(self, name: str, entries: Mapping[str, Entry]) -> list[Sighting]:
        code = entries[name].code
        if code is None:
            return []
        try:
            return [self.unseal(code)]
        except ManifestError as error:
            gone = Found(name=name, source="folder", dialect=code.dialect, place=code.place, load=lambda: None)
            return [Sighting(found=gone, code=code, problem=str(error))]


def find_only(folder: Path, dialects: Collection[Dialect]) -> Found:
    """The one plugin that `folder` is, or that it holds as a plugins folder. Raises `ManifestError`."""
    if not folder.is_dir():
        raise ManifestError("is not a folder", file=str(folder))
    found = [one for dialect in dialects for one in dialect.find(folder.parent) if one.place == str(folder)]
    found = found or [one for dialect in dialects for one in dialect.find(folder)]
    if len(found) != 1:
        raise ManifestError(f"holds {len(found)} plugins and not one", file=str(folder))
    return found[0]


def _root_of(contents: Contents, found: Found) -> str:
    """The plugins folder that the contents stand in."""
    for path, file in contents.items():
        if isinstance(file, Path):
            return str(file).removesuffix(path).rstrip("/") or "/"
    return str(Path(found.place).parent)


def mixed(current: list[Sighting], seen: list[Sighting], places: Iterable[str]) -> list[Sighting]:
    """What is, but for what stands at `places`: that is as it was seen now, or gone."""
    chosen = set(places)
    fresh = {one.found.place: one for one in seen if one.found.place in chosen}
    mixed = [
        fresh.pop(one.found.place, one) for one in current if one.found.place not in chosen or one.found.place in fresh
    ]
    # Of two with one id the earlier wins: what is new in a folder comes before what is installed and built in.
    order = {one.found.place: rank for rank, one in enumerate(seen)}
    return sorted([*mixed, *fresh.values()], key=lambda one: order.get(one.found.place, len(order)))


def notes(settled: Settled) -> tuple[str, ...]:
    return tuple(
        f"{name} stays at the version that was rolled back to: its folder has not changed since;"
        f" reload it by name to take what is there"
        for name in sorted(settled.held)
    )
