"""Kept answers of the Responses API, in every kind of database."""

from __future__ import annotations

import msgspec
import pytest

from jackfield.errors import Unavailable
from jackfield.stores.responses import KeptResponse, Responses, Room

from .conftest import Place

ROOM = Room(count=3, size=1000)


def response(name: str, owner: str = "ann", at: float = 1.0, size: int = 4, **more: str) -> KeptResponse:
    body = b'{"\\u0000":"\xc3\xa9"}'.ljust(size - 2)
    return KeptResponse(id=name, owner=owner, at=at, items=b"[]", body=body, **more)


async def kept(responses: Responses, *names: str, owner: str = "ann") -> list[str]:
    return [name for name in names if await responses.find(owner, name) is not None]


async def test_what_is_kept_is_found_as_it_was(place: Place) -> None:
    async with place.open() as database:
        responses = Responses(database)
        given = response("r1", credential="key_1")
        await responses.keep(given, ROOM)
        assert await responses.find("ann", "r1") == given
    async with place.open() as database:
        assert await Responses(database).find("ann", "r1") == given


async def test_only_its_owner_finds_or_deletes_it(place: Place) -> None:
    async with place.open() as database:
        responses = Responses(database)
        await responses.keep(response("r1"), ROOM)
        assert await responses.find("bob", "r1") is None
        assert not await responses.delete("bob", "r1")
        assert await responses.delete("ann", "r1")
        assert not await responses.delete("ann", "r1")


async def test_an_id_is_taken_once(place: Place) -> None:
    async with place.open() as database:
        responses = Responses(database)
        await responses.keep(response("r1"), ROOM)
        with pytest.raises(Unavailable):
            await responses.keep(response("r1", owner="bob"), ROOM)
        assert await kept(responses, "r1") == ["r1"]


async def test_the_oldest_go_where_there_are_too_many(place: Place) -> None:
    names = [f"r{number}" for number in range(5)]
    async with place.open() as database:
        responses = Responses(database)
        await responses.keep(response("other", owner="bob"), ROOM)
        for name in names:
            await responses.keep(response(name), ROOM)
        assert await kept(responses, *names) == names[2:]
        assert await kept(responses, "other", owner="bob") == ["other"]


async def test_the_oldest_go_where_they_are_too_large(place: Place) -> None:
    async with place.open() as database:
        responses = Responses(database)
        for name in ("r1", "r2", "r3"):
            await responses.keep(response(name, size=400), ROOM)
        assert await kept(responses, "r1", "r2", "r3") == ["r2", "r3"]
        await responses.keep(response("large", size=1200), ROOM)
        assert await kept(responses, "r1", "r2", "r3", "large") == ["large"]


async def test_what_is_old_goes(place: Place) -> None:
    async with place.open() as database:
        responses = Responses(database)
        for number in range(3):
            await responses.keep(response(f"r{number}", at=float(number)), ROOM)
        assert await responses.delete_older_than(2.0) == 2
        assert await kept(responses, "r0", "r1", "r2") == ["r2"]


async def test_what_belongs_to_a_credential_goes_with_it(place: Place) -> None:
    async with place.open() as database:
        responses = Responses(database)
        for name, key in (("r1", "key_1"), ("r2", "key_2"), ("r3", "key_3")):
            await responses.keep(response(name, credential=key), ROOM)
        gone = ["key_1", "key_3", *(f"key_of_nobody_{number}" for number in range(300))]
        assert await responses.delete_of(gone) == 2
        assert await kept(responses, "r1", "r2", "r3") == ["r2"]
        assert await responses.delete_of([]) == 0


def test_its_size_is_that_of_all_it_holds() -> None:
    assert response("r1", size=40).size == 40
    assert msgspec.structs.replace(response("r1", size=40), items=b"[1]").size == 41
