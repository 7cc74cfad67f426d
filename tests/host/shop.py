"""A host with an installer, and a catalogue of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

import pytest

from jackfield.dialects.native import NativeDialect
from jackfield.errors import JackfieldError
from jackfield.host.installer import Installer, Offer, Wanted
from jackfield.host.installing import Wish
from jackfield.host.stage import Changed
from jackfield.settings import InstallSettings, PluginSettings
from jackfield.sources.archives.catalogue import Listed
from jackfield.sources.archives.fetching import Fetcher
from jackfield.sources.archives.shelf import Catalogue, Shelf
from parcels import NOW, digest_of, index_of, key_of, public_key, put_guest, put_index

from .world import World


class Clock:
    def wall(self) -> float:
        return NOW.timestamp()

    def monotonic(self) -> float:
        return 0.0


class Shop:
    """A host with an installer, and a catalogue of the one plugin `guest`."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.index = folder / "index.json"
        catalogue = Catalogue("main", str(self.index), public_key("shop"))
        self.shelf = Shelf([catalogue], world.data / "catalogues", Fetcher((), 10_000_000), Clock())
        world.withdrawn = self.shelf.reason_to_withdraw

    async def open(self, **settings: Any) -> None:
        self.prepared: list[str] = []
        await self.world.start()
        install = InstallSettings(max_mb=1, **settings)
        install.take_keys({name: key_of(name).public.text for name in ("alice", "bob")})
        dialects = {"native": NativeDialect()}
        self.installer = Installer(self.world.running, dialects, PluginSettings(), install, self.shelf, self.prepare)

    async def prepare(self, files: Mapping[str, bytes], place: str) -> None:
        """While it takes its time, others change what they like."""
        await self.world.running.reload(actor="other")
        self.prepared += [*sorted(files), place]

    def put(self, version: str = "1.0", **more: Any) -> Path:
        return put_guest(self.folder, f"guest-{version}.jackfield", version=version, **more)

    def publish(self, *plugins: Listed, **more: Any) -> None:
        put_index(self.index, index_of(*plugins, **more))

    async def install(self, source: Path | str | None = None, name: str | None = None, **more: Any) -> Changed:
        """In process, unless it is said otherwise."""
        wish = {key: more.pop(key) for key in list(more) if key in Wish.__struct_fields__}
        wanted = Wanted(source=str(source) if source is not None else None, name=name, **more)
        return await self.installer.install(wanted, Wish(**{"runtime": "inprocess", **wish}), actor="me")

    async def inspect(self, source: Path | None = None, name: str | None = None, **more: Any) -> Offer:
        wish = {key: more.pop(key) for key in list(more) if key in Wish.__struct_fields__}
        wanted = Wanted(source=str(source) if source is not None else None, name=name, **more)
        return await self.installer.inspect(wanted, Wish(**wish))

    async def refuse(self, work: Awaitable[Any], kind: type[JackfieldError], told: str) -> None:
        """And nothing is written, and nothing has changed."""
        before, plugins = digest_of(self.world.data), self.world.running.snapshot.plugins
        with pytest.raises(kind, match=told):
            await work
        assert self.world.running.snapshot.plugins is plugins
        assert digest_of(self.world.data) == before

    @property
    def version(self) -> str:
        return self.world.running.snapshot.plugins["guest"].version
