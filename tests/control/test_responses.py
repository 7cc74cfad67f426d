"""Whose kept answers are whose, and how long they stay."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.control.credentials import Credentials
from jackfield.control.directory import Directory
from jackfield.control.responses import DAY_S, KeptResponses, is_own, name_response, owner_of
from jackfield.errors import NotFound, Unavailable
from jackfield.sdk.outcomes import Identity
from jackfield.settings import ResponseSettings
from jackfield.stores.database import Database
from jackfield.stores.responses import Responses
from jackfield.testing.waiting import until

from .conftest import SECRET, SetClock

ANN = Identity(credential="key_ann")
ID = name_response()


@pytest.fixture
def kept(database: Database, clock: SetClock) -> KeptResponses:
    return KeptResponses(database, ResponseSettings(max_mb=0.001), clock)


async def keep(kept: KeptResponses, identity: Identity | None = ANN, response: str = ID, body: bytes = b"{}") -> bool:
    return await kept.keep(identity, response, b"[]", body)


async def is_kept(kept: KeptResponses, identity: Identity | None = ANN, response: str = ID) -> bool:
    try:
        return bool(await kept.find(identity, response))
    except NotFound:
        return False


def test_ids_are_our_own_and_unlike_one_another() -> None:
    assert is_own(ID)
    assert not is_own("resp_68a1")
    assert name_response() != ID


@pytest.mark.parametrize(
    "other",
    [
        Identity(credential="key_bob"),
        Identity(credential="key_ann", user="x"),
        Identity(app="key_ann"),
        Identity(user="key_ann"),
        Identity(credential="key_ann", namespace="other"),
        Identity(),
        None,
    ],
    ids=["another key", "a user of it", "an app", "a user", "another namespace", "nobody", "no identity"],
)
async def test_only_who_asked_for_it_finds_it(kept: KeptResponses, other: Identity | None) -> None:
    assert await keep(kept)
    assert await is_kept(kept)
    assert not await is_kept(kept, other)
    with pytest.raises(NotFound):
        await kept.delete(other, ID)


def test_a_key_that_moves_to_another_app_keeps_its_own() -> None:
    assert owner_of(Identity(credential="k", app="a")) == owner_of(Identity(credential="k", app="b"))
    assert owner_of(Identity(app="a")) != owner_of(Identity(app="b"))


async def test_nothing_is_kept_for_nobody(kept: KeptResponses) -> None:
    assert not await keep(kept, Identity())
    assert not await keep(kept, None)


async def test_what_is_too_large_is_not_kept(kept: KeptResponses) -> None:
    assert kept.fits(b"x" * 1048)
    assert not kept.fits(b"x" * 1048, b"x")
    assert not await keep(kept, body=b"x" * 1047)
    assert kept.lost == 0


async def test_what_is_too_old_is_not_told_and_then_gone(kept: KeptResponses, clock: SetClock) -> None:
    await keep(kept)
    clock.now += 31 * DAY_S
    assert not await is_kept(kept)
    assert await kept.forget_old() == 1


async def test_what_is_too_old_goes_at_the_start(kept: KeptResponses, database: Database, clock: SetClock) -> None:
    await keep(kept)
    clock.now += 31 * DAY_S
    async with kept:
        await until(lambda: Responses(database).find(owner_of(ANN) or "", ID), lambda found: found is None)


async def test_what_the_store_does_not_take_is_counted(
    kept: KeptResponses, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise Unavailable("the store failed")

    monkeypatch.setattr(database, "writing", refuse)
    assert not await keep(kept)
    assert kept.lost == 1


@pytest.mark.parametrize("way", ["reading", "writing"])
@pytest.mark.parametrize("problem", [Unavailable("the store at /srv/secret-place failed"), TimeoutError()])
async def test_a_store_out_of_reach_is_told_without_where_it_is(
    kept: KeptResponses, database: Database, monkeypatch: pytest.MonkeyPatch, way: str, problem: Exception
) -> None:
    def refuse(*_: Any) -> Any:
        raise problem

    monkeypatch.setattr(database, way, refuse)
    with pytest.raises(Unavailable) as caught:
        await (kept.find(ANN, ID) if way == "reading" else kept.delete(ANN, ID))
    assert "secret-place" not in str(caught.value)


async def test_what_belongs_to_a_revoked_key_goes_at_once(
    kept: KeptResponses, database: Database, clock: SetClock, credentials: Credentials
) -> None:
    leaving, staying = [await credentials.create(name=name, actor="test") for name in ("leaving", "staying")]
    identities = [Identity(credential=issued.credential.id) for issued in (leaving, staying)]
    ids = [name_response(), name_response()]
    directory = Directory(database, SECRET, clock, followers=(kept,))
    await directory.refresh()
    async with kept:
        for identity, response in zip(identities, ids, strict=True):
            await keep(kept, identity, response)
        await credentials.revoke("leaving", actor="test")
        await directory.refresh()
        await until(lambda: is_kept(kept, identities[0], ids[0]), lambda there: not there)
        assert await is_kept(kept, identities[1], ids[1])


async def test_what_was_under_way_when_its_key_went_is_not_kept(
    kept: KeptResponses, database: Database, clock: SetClock, credentials: Credentials
) -> None:
    leaving = await credentials.create(name="leaving", actor="test")
    await credentials.revoke("leaving", actor="test")
    await Directory(database, SECRET, clock, followers=(kept,)).refresh()
    assert not await keep(kept, Identity(credential=leaving.credential.id))
    assert (await kept.forget_gone(), kept.lost) == (0, 0)


async def test_what_another_process_kept_before_it_knew_goes_later(
    kept: KeptResponses, database: Database, clock: SetClock, credentials: Credentials
) -> None:
    leaving = await credentials.create(name="leaving", actor="test")
    await credentials.revoke("leaving", actor="test")
    await Directory(database, SECRET, clock, followers=(kept,)).refresh()
    await kept.forget_gone()
    assert await keep(KeptResponses(database, kept.settings, clock), Identity(credential=leaving.credential.id))
    assert await kept.forget_gone() == 1


def test_no_room_is_no_keeping(database: Database, clock: SetClock) -> None:
    assert not KeptResponses(database, ResponseSettings(max_count=0), clock).enabled
