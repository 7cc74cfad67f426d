"""From what an operator names to what is installed: a folder, an archive, an address, or a name in a catalogue."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from jackfield.dialects.base import Dialect
from jackfield.errors import Conflict, ManifestError, NotFound, Unprocessable, UpstreamError
from jackfield.host.host import Host
from jackfield.host.installing import Wish, draw_up, is_approved, runtime_of
from jackfield.host.sealed import digest, read
from jackfield.host.stage import Changed
from jackfield.host.survey import Sighting, find_only
from jackfield.host.world import Code, Origin, World
from jackfield.settings import InstallSettings, PluginSettings
from jackfield.sources.archives.catalogue import Listed, choose
from jackfield.sources.archives.fetching import explain, is_url, read_file, show_url
from jackfield.sources.archives.keys import TrustedKeys
from jackfield.sources.archives.parcel import Parcel, open_parcel
from jackfield.sources.archives.shelf import Shelf
from jackfield.sources.base import Found


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator names: a `source`, or a `name` on disk or in a catalogue. `sha256` is what it must have.
    `no_cooldown` takes a `version` that was published only just."""

    source: str | None = None
    name: str | None = None
    version: str | None = None
    sha256: str | None = None
    no_cooldown: bool = False


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What it turned out to be: a folder, or an archive that was checked."""

    folder: Path | None = None
    parcel: Parcel | None = None
    catalogue: str | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What would be installed. `sha256` is what it has; `runtime` where it would run.
    `upgrades` is the version that it takes the place of, `asked_before` what that asks
    for and `approved` what it was allowed."""

    seen: Sighting
    sha256: str
    runtime: str
    upgrades: str | None
    approved: tuple[str, ...]
    asked_before: tuple[str, ...]
    parcel: Parcel | None = None
    catalogue: str | None = None


Prepare = Callable[[Mapping[str, bytes], str], Awaitable[None]]


async def prepare_nothing(files: Mapping[str, bytes], place: str) -> None:
    """Where nothing runs isolated."""


class Installer:
    """`prepare` brings what a plugin of these files needs before it can run isolated, however long that takes."""

    def __init__(
        self,
        host: Host,
        dialects: Mapping[str, Dialect],
        plugins: PluginSettings,
        install: InstallSettings,
        shelf: Shelf,
        prepare: Prepare = prepare_nothing,
    ) -> None:
        """Raises `ValueError` where a trusted key is none."""
        self._host, self._dialects, self._plugins, self._install = host, dialects, plugins, install
        self.shelf, self._prepare = shelf, prepare
        self._trusted = TrustedKeys.of(install.key_texts)

    async def install(self, wanted: Wanted, wish: Wish, *, actor: str) -> Changed:
        """Raises what `Host` raises, and `ManifestError` that says why an archive is refused."""
        if await self._is_on_disk(wanted):
            _refuse_beside_name(wanted, wish)
            return await self._host.install(wanted.name or "", approve=wish.approve, actor=actor)
        brought = await self._bring(wanted)
        if brought.parcel is None:
            assert brought.folder is not None
            return await self._host.install_folder(brought.folder, sha256=wanted.sha256, wish=wish, actor=actor)
        seen = sketch(brought.parcel)
        world, runtime = self._foresee(seen, wish)
        # Before any change is under way: none has to wait for a package index.
        if runtime == "isolated" and is_approved(world, seen):
            await self._prepare(brought.parcel.files, brought.parcel.place)
        changed = await self._host.install_parcel(brought.parcel, catalogue=brought.catalogue, wish=wish, actor=actor)
        if brought.catalogue is not None:
            await self.shelf.keep(brought.catalogue)
        return changed

    async def inspect(self, wanted: Wanted, wish: Wish) -> Offer:
        """What `install` would take, as far as that can be told without running it. Raises what would refuse it;
        changes nothing."""
        brought = Brought() if await self._is_on_disk(wanted) else await self._bring(wanted)
        seen, sha256 = await self._see(wanted, brought)
        known = self._host.snapshot.plugins.get(seen.stated_id)
        runtime = runtime_of(seen)
        if brought.folder is not None or brought.parcel is not None:
            _, runtime = self._foresee(seen, wish)
        return Offer(
            seen=seen,
            sha256=sha256,
            runtime=runtime,
            upgrades=known.version if known is not None else None,
            approved=known.approved if known is not None else (),
            asked_before=known.asked if known is not None else (),
            parcel=brought.parcel,
            catalogue=brought.catalogue,
        )

    def _foresee(self, seen: Sighting, wish: Wish) -> tuple[World, str]:
        """The world with it, and where it would run. Raises what would refuse it."""
        world = draw_up(self._host.world, self._host.snapshot.plugins.get(seen.stated_id), seen, wish)
        config = self._plugins.config.get(seen.stated_id)
        return world, (config.runtime if config else None) or world.entry(seen.stated_id).runtime or runtime_of(seen)

    async def _see(self, wanted: Wanted, brought: Brought) -> tuple[Sighting, str]:
        if brought.parcel is not None:
            return sketch(brought.parcel), brought.parcel.sha256
        if brought.folder is None:
            here = await self._host.find_on_disk(wanted.name or "")
            if here is None:
                raise NotFound(f"The plugin {wanted.name!r} is not on the disk any more")
            return here, here.digest or ""
        seen, sha256 = await asyncio.to_thread(_look, brought.folder, self._dialects.values())
        _check_sha256(wanted, sha256)
        return seen, sha256

    async def _is_on_disk(self, wanted: Wanted) -> bool:
        """What is on disk wins, unless a version is named: those are in catalogues."""
        if (wanted.name is None) == (wanted.source is None):
            raise Unprocessable("give either name or source", param="name" if wanted.name is None else "source")
        if wanted.name is None or wanted.version is not None:
            return False
        if await self._host.find_on_disk(wanted.name) is not None:
            return True
        if not self.shelf.catalogues:
            self._host.find(wanted.name)
            raise NotFound(f"The plugin {wanted.name[:100]!r} is not on the disk, and there is no catalogue")
        return False

    async def _bring(self, wanted: Wanted) -> Brought:
        if wanted.name is not None:
            return await self._bring_listed(wanted, wanted.name)
        source = wanted.source or ""
        if is_url(source):
            return Brought(parcel=await self._open(await self._fetch(source), show_url(source), wanted))
        path = await asyncio.to_thread(_find, source)
        if path.is_folder:
            return Brought(folder=path.path)
        data = await asyncio.to_thread(read_file, path.path, self._install.max_bytes)
        return Brought(parcel=await self._open(data, str(path.path), wanted))

    async def _bring_listed(self, wanted: Wanted, name: str) -> Brought:
        catalogue, listed = await self._choose(wanted, name)
        place = self.shelf.catalogues[catalogue].locate(listed.url)
        if listed.size > self._install.max_bytes:
            raise Unprocessable(f"{place} is larger than install.max_mb allows", param="name")
        data = await (self._fetch(place) if is_url(place) else asyncio.to_thread(read_file, Path(place), listed.size))
        parcel = await self._open(data, place, wanted, listed, catalogue)
        return Brought(parcel=parcel, catalogue=catalogue)

    async def _choose(self, wanted: Wanted, name: str) -> tuple[str, Listed]:
        """By the first catalogue that has it."""
        if wanted.no_cooldown and wanted.version is None:
            raise Unprocessable("no_cooldown: goes with a version that is named", param="no_cooldown")
        cooldown = timedelta(days=0 if wanted.no_cooldown else self._install.cooldown_days)
        missing: NotFound | None = None
        for catalogue in self.shelf.catalogues:
            try:
                index = await self.shelf.look(catalogue)
            except UpstreamError as error:
                raise explain(error) from error
            try:
                return catalogue, choose(index, name, wanted.version, self.shelf.now, cooldown)
            except NotFound as error:
                missing = missing or error
        raise missing or NotFound("There is no catalogue: install.catalogues names none")

    async def _fetch(self, url: str) -> bytes:
        try:
            return await self.shelf.fetcher.fetch(url)
        except UpstreamError as error:
            raise explain(error) from error

    async def _open(
        self, data: bytes, place: str, wanted: Wanted, listed: Listed | None = None, catalogue: str | None = None
    ) -> Parcel:
        trusted = self._trusted
        if catalogue is not None:
            trusted |= TrustedKeys([self.shelf.catalogues[catalogue].key])
        signed = self._install.require_signature
        parcel = await asyncio.to_thread(partial(open_parcel, data, place, trusted, signed=signed))
        _check_sha256(wanted, parcel.sha256)
        if listed is not None and (listed.id, listed.version, listed.sha256) != _mark_of(parcel):
            raise ManifestError("is refused: it is not what the catalogue lists", file=place)
        reason = self.shelf.reason_against(parcel.label.id, parcel.label.version)
        if reason is not None:
            raise Conflict(f"{place}: is refused: {reason}", plugin=parcel.label.id)
        return parcel


def sketch(parcel: Parcel) -> Sighting:
    """What an archive holds, as its label tells: nothing of it is on any disk yet."""
    label = parcel.label
    signer = parcel.signer.fingerprint if parcel.signer is not None else None
    origin = Origin(label.id, label.version, parcel.sha256, signer)
    code = Code(digest(dict(parcel.files)), label.dialect, label.name, parcel.place, "", origin)
    found = Found(
        name=label.name,
        source="archive",
        dialect=label.dialect,
        place=parcel.place,
        load=partial(_refuse_to_load, parcel.place),
        runtime="inprocess" if label.runtime in ("isolated", "grpc") else label.runtime,
    )
    return Sighting(found=found, code=code, manifest=parcel.manifest)


class Named(NamedTuple):
    path: Path
    is_folder: bool


def _find(source: str) -> Named:
    """Raises `Unprocessable` where there is nothing."""
    path = Path(source).absolute()
    try:
        return Named(path, stat.S_ISDIR(path.stat().st_mode))
    except (OSError, ValueError) as error:
        told = f"source: there is no folder or file {source[:200]!r} on the gateway's machine"
        reason = f" ({error.strerror})" if isinstance(error, OSError) else ""
        raise Unprocessable(told + reason, param="source") from error


def _refuse_to_load(place: str) -> object:
    raise ManifestError("is not installed", file=place)


def _look(folder: Path, dialects: Collection[Dialect]) -> tuple[Sighting, str]:
    """What a folder holds, and the digest of its contents: nothing is copied."""
    found = find_only(folder, dialects)
    if found.contents is None:
        raise ManifestError("there is nothing to copy", file=str(folder))
    return Sighting(found=found, manifest=found.manifest()), digest(read(found.contents()))


def _mark_of(parcel: Parcel) -> tuple[str, str, str]:
    return parcel.label.id, parcel.label.version, parcel.sha256


def _check_sha256(wanted: Wanted, sha256: str) -> None:
    if wanted.sha256 is not None and wanted.sha256.lower() != sha256:
        named = wanted.source or wanted.name or ""
        raise Unprocessable(f"{show_url(named) if is_url(named) else named} has the SHA-256 {sha256}", param="sha256")


def _refuse_beside_name(wanted: Wanted, wish: Wish) -> None:
    """What is on the operator's own disk is taken as it is there."""
    given = {"sha256": wanted.sha256, "runtime": wish.runtime}
    field = next((name for name, value in given.items() if value is not None), None)
    if field is not None:
        told = f"{field}: goes with source, or with a name in a catalogue; {wanted.name} is in a plugins folder"
        raise Unprocessable(told, param=field)
