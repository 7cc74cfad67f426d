"""The catalogues of an operator: asked anew where that can be, and the last index of each kept, so that an older one is
not taken for it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urljoin

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.errors import Conflict, JackfieldError, ManifestError, NotFound
from jackfield.settings import CatalogueSettings
from jackfield.sources.archives.catalogue import Index, read_index
from jackfield.sources.archives.fetching import Fetcher, is_url, read_file
from jackfield.sources.archives.keys import PublicKey
from jackfield.sources.archives.names import tell_problem

EVERY_S = 3600.0
LARGEST = 32 * 1024 * 1024

log = structlog.get_logger("jackfield.catalogues")


class Archived(Protocol):
    """What a plugin was installed from."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> str: ...


class Catalogue(msgspec.Struct, frozen=True):
    """Where an index is, and the key that it is signed with."""

    name: str
    place: str
    key: PublicKey

    @classmethod
    def of(cls, settings: CatalogueSettings) -> Catalogue:
        place = settings.url if settings.url is not None else str(settings.path)
        return cls(settings.name, place, PublicKey.of(settings.name, settings.key_text))

    def locate(self, url: str) -> str:
        """Where something is that the index names. Raises `ManifestError` for a file that is not below it."""
        if is_url(url):
            return url
        problem = tell_problem(url)
        if problem is not None:
            raise ManifestError(f"{url[:200]!r} {problem}", file=self.place)
        return urljoin(self.place, url) if is_url(self.place) else str(Path(self.place).parent / url)


class Shelf:
    """`folder` keeps the last index of each catalogue. An index is kept by `keep` alone: reading one writes nothing."""

    def __init__(self, catalogues: Iterable[Catalogue], folder: Path, fetcher: Fetcher, clock: Clock) -> None:
        self.catalogues = {one.name: one for one in catalogues}
        self._folder, self.fetcher, self._clock = folder, fetcher, clock
        # What of each was seen last: the bytes as they came, and what is in them.
        self._seen: dict[str, tuple[bytes, Index]] = {}
        # Set when a catalogue tells something else than before.
        self.news = asyncio.Event()
        for one in self.catalogues.values():
            self._recall(one)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)

    @property
    def known(self) -> Mapping[str, Index]:
        """The last index of each, those that have expired too: what was revoked stays so."""
        return {name: index for name, (_, index) in self._seen.items()}

    async def look(self, name: str) -> Index:
        """The index as it is now. Raises `NotFound`, `ManifestError` and `Conflict` for one that is older than what was
        seen, or has expired, and what goes wrong on the way."""
        catalogue = self.catalogues.get(name)
        if catalogue is None:
            raise NotFound(f"There is no catalogue {name[:100]!r}: known are {', '.join(self.catalogues) or 'none'}")
        data = await self._bring(catalogue)
        index = read_index(data, catalogue.place, catalogue.key)
        self._refuse_older(catalogue, index)
        if index.expires_at <= self.now:
            told = f"has expired on {index.expires_at:%Y-%m-%d}: nobody can tell what was revoked since"
            raise ManifestError(told, file=catalogue.place)
        if self._seen.get(name, (b"",))[0] != data:
            self.news.set()
        self._seen[name] = data, index
        return index

    async def keep(self, name: str) -> None:
        """So that an older one is refused after the next start too."""
        if name in self._seen:
            data = self._seen[name][0]
            await asyncio.to_thread(_write, self._file(name), data)

    def reason_against(self, plugin_id: str, version: str) -> str | None:
        """Why a version was revoked, by any catalogue."""
        for name, index in self.known.items():
            reason = index.reason_against(plugin_id, version)
            if reason is not None:
                return f"version {version} was revoked by the catalogue {name!r}: {reason}"
        return None

    def reason_to_withdraw(self, archive: Archived) -> str | None:
        """Why what was installed from an archive must not be started anew."""
        return self.reason_against(archive.id, archive.version)

    async def run(self) -> None:
        """Learns of what was revoked, for as long as the gateway runs."""
        while self.catalogues:
            await self.refresh()
            await asyncio.sleep(EVERY_S)

    async def refresh(self) -> dict[str, str]:
        """Looks at every catalogue and keeps what it finds. Tells, by name, why one could not be read."""
        problems: dict[str, str] = {}
        for name in self.catalogues:
            try:
                await self.look(name)
                await self.keep(name)
            except (JackfieldError, OSError) as error:
                problems[name] = str(error)
                log.warning("catalogue_not_read", catalogue=name, reason=str(error))
        return problems

    async def _bring(self, catalogue: Catalogue) -> bytes:
        if is_url(catalogue.place):
            return await self.fetcher.fetch(catalogue.place)
        return await asyncio.to_thread(read_file, Path(catalogue.place), LARGEST)

    def _refuse_older(self, catalogue: Catalogue, index: Index) -> None:
        if catalogue.name not in self._seen:
            return
        known = self._seen[catalogue.name][1]
        if index.name != known.name:
            told = f"it is the index {index.name!r}, and was {known.name!r} before"
            raise Conflict(f"{catalogue.place}: is refused: {told}")
        if index.sequence < known.sequence:
            told = f"its number {index.sequence} is lower than {known.sequence}, which was seen before"
            raise Conflict(f"{catalogue.place}: is refused: {told}")
        if index.sequence == known.sequence and index != known:
            raise Conflict(f"{catalogue.place}: is refused: two different indexes have the number {index.sequence}")

    def _recall(self, catalogue: Catalogue) -> None:
        """What was kept and is not this key's index is as if it were not there: the operator has changed the key."""
        with suppress(OSError, ManifestError):
            data = self._file(catalogue.name).read_bytes()
            self._seen[catalogue.name] = data, read_index(data, catalogue.place, catalogue.key)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _write(file: Path, data: bytes) -> None:
    """Whole, or not at all."""
    if file.is_file() and file.read_bytes() == data:
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(prefix=".", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.replace(aside, file)
    except BaseException:
        os.unlink(aside)
        raise
