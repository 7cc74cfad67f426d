"""An index that is older than one that was seen is not taken for the newest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from jackfield.errors import Conflict, ManifestError, NotFound
from jackfield.sources.archives.catalogue import Index
from jackfield.sources.archives.fetching import Fetcher
from jackfield.sources.archives.shelf import Catalogue, Shelf
from parcels import NOW, digest_of, index_of, public_key, put_index, revoke


class Clock:
    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


Open = Callable[..., Shelf]


@pytest.fixture
def open_shelf(tmp_path: Path) -> Open:
    def make(key: str = "shop") -> Shelf:
        catalogue = Catalogue("main", str(tmp_path / "shop" / "index.json"), public_key(key))
        return Shelf([catalogue], tmp_path / "data", Fetcher((), 1000), Clock())

    return make


def publish(tmp_path: Path, index: Index, key: str = "shop") -> None:
    put_index(tmp_path / "shop" / "index.json", index, key)


async def test_looking_writes_nothing_and_keeping_outlives_a_restart(tmp_path: Path, open_shelf: Open) -> None:
    publish(tmp_path, index_of(sequence=5))
    shelf = open_shelf()
    assert (await shelf.look("main")).sequence == 5
    assert not (tmp_path / "data").exists()
    await shelf.keep("main")
    publish(tmp_path, index_of(sequence=4))
    for one in (shelf, open_shelf()):
        with pytest.raises(Conflict, match="its number 4 is lower than 5"):
            await one.look("main")


async def test_two_indexes_of_one_number_are_refused(tmp_path: Path, open_shelf: Open) -> None:
    publish(tmp_path, index_of(sequence=5))
    shelf = open_shelf()
    await shelf.look("main")
    await shelf.look("main")
    publish(tmp_path, index_of(sequence=5, revoked=(revoke(),)))
    with pytest.raises(Conflict, match="two different indexes have the number 5"):
        await shelf.look("main")


async def test_one_that_has_expired_installs_nothing_and_its_revocations_stay(tmp_path: Path, open_shelf: Open) -> None:
    publish(tmp_path, index_of(sequence=5, revoked=(revoke(),), days=1))
    shelf = open_shelf()
    await shelf.look("main")
    await shelf.keep("main")
    publish(tmp_path, index_of(sequence=6, days=-1))
    with pytest.raises(ManifestError, match="has expired on 2026-02-28"):
        await shelf.look("main")
    told = "version 1.0 was revoked by the catalogue 'main': it leaks keys"
    assert [one.reason_against("guest", "1.0") for one in (shelf, open_shelf())] == [told, told]


async def test_a_wrong_signer_is_refused_and_nothing_is_kept(tmp_path: Path, open_shelf: Open) -> None:
    publish(tmp_path, index_of(), "mallory")
    shelf = open_shelf()
    assert "'shop' has not signed" in (await shelf.refresh())["main"]
    assert (shelf.known, (tmp_path / "data").exists()) == ({}, False)


async def test_what_was_kept_for_another_key_is_forgotten(tmp_path: Path, open_shelf: Open) -> None:
    publish(tmp_path, index_of(sequence=9))
    assert await open_shelf().refresh() == {}
    publish(tmp_path, index_of(sequence=1), "new")
    assert (await open_shelf("new").look("main")).sequence == 1


async def test_the_same_index_is_not_written_twice(tmp_path: Path, open_shelf: Open) -> None:
    publish(tmp_path, index_of())
    shelf = open_shelf()
    await shelf.refresh()
    before = (digest_of(tmp_path / "data"), (tmp_path / "data" / "main.json").stat().st_mtime_ns)
    await shelf.refresh()
    assert (digest_of(tmp_path / "data"), (tmp_path / "data" / "main.json").stat().st_mtime_ns) == before


async def test_one_that_is_not_there_is_told_of(open_shelf: Open) -> None:
    shelf = open_shelf()
    assert "No such file" in (await shelf.refresh())["main"]
    with pytest.raises(NotFound, match="no catalogue 'other': known are main"):
        await shelf.look("other")


def test_archives_lie_below_the_index() -> None:
    near = Catalogue("main", "/srv/shop/index.json", public_key("shop"))
    far = Catalogue("main", "https://shop.example/all/index.json", public_key("shop"))
    assert near.locate("a/b.jackfield") == "/srv/shop/a/b.jackfield"
    assert far.locate("a/b.jackfield") == "https://shop.example/all/a/b.jackfield"
    assert far.locate("https://other.example/b") == "https://other.example/b"
    for url in ("../b", "/etc/passwd", "a/../../b", "file:b"):
        with pytest.raises(ManifestError, match=r"index\.json: "):
            near.locate(url)


async def test_the_index_of_another_catalogue_is_not_taken_for_it(tmp_path: Path, open_shelf: Open) -> None:
    """One signer may have several: what one of them revokes the other does not tell."""
    publish(tmp_path, index_of(sequence=5, revoked=(revoke(),)))
    shelf = open_shelf()
    await shelf.look("main")
    publish(tmp_path, structs.replace(index_of(sequence=9), name="other"))
    with pytest.raises(Conflict, match="it is the index 'other', and was 'main' before"):
        await shelf.look("main")
    assert shelf.reason_against("guest", "1.0") is not None
