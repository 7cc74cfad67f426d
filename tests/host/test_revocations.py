"""A version that runs and is revoked: the gateway says so wherever it is looked for, and stops it where it shall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from jackfield.clock import SystemClock
from jackfield.errors import Conflict, ManifestError, Unavailable
from jackfield.host.host import Host
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.revocations import Revocations
from jackfield.host.stage import Changed
from jackfield.stores.audit import AuditLog, Entry
from jackfield.testing.waiting import until
from parcels import NOW, listed, revoke

from .shop import Shop

REASON = "version 1.0 was revoked by the catalogue 'main': it leaks keys"
Run = Callable[..., Awaitable[Revocations]]


@pytest.fixture
async def run(shop: Shop) -> AsyncIterator[Run]:
    """With version 1.0 of `guest` installed from the catalogue, which revokes nothing yet."""
    tasks: list[asyncio.Task[None]] = []

    async def begin(*, stops: bool = False) -> Revocations:
        one = listed(shop.put(), NOW - timedelta(days=9))
        shop.publish(one)
        await shop.install(name="guest")
        assert shop.world.database is not None
        audit = AuditLog(shop.world.database)
        made = Revocations(shop.world.running, shop.shelf, audit, SystemClock(), stops=stops)
        tasks.append(asyncio.create_task(made.run()))
        return made

    yield begin
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def announce(shop: Shop, sequence: int = 2, *, is_revoked: bool = True) -> None:
    one = listed(shop.put(), NOW - timedelta(days=9))
    shop.publish(one, sequence=sequence, revoked=(revoke(),) if is_revoked else ())
    assert await shop.shelf.refresh() == {}


def guest(shop: Shop) -> LoadedPlugin:
    return shop.world.running.snapshot.plugins["guest"]


async def when(shop: Shop, state: str) -> LoadedPlugin:
    await until(lambda: asyncio.sleep(0, guest(shop)), lambda found: found.state == state, within=10)
    return guest(shop)


async def noted(shop: Shop) -> list[Entry]:
    assert shop.world.database is not None
    entries = await AuditLog(shop.world.database).list(kind="plugin", object_id="guest")
    return [entry for entry in entries if entry.action == "revoked"]


async def test_it_runs_on_and_is_never_well(shop: Shop, run: Run) -> None:
    revocations = await run()
    serving = guest(shop)
    assert (serving.state, revocations.running) == ("active", 0)
    await announce(shop)
    found = await when(shop, "degraded")
    assert found is serving
    assert (found.reason, found.running, revocations.running) == (REASON, True, 1)
    found.note_health(True)
    assert (found.state, found.reason) == ("degraded", REASON)
    (entry,) = await until(lambda: noted(shop), bool, within=10)
    assert (entry.actor, entry.changes) == ("catalogue", (REASON,))


async def test_what_is_revoked_no_longer_is_well_again(shop: Shop, run: Run) -> None:
    revocations = await run()
    await announce(shop)
    await when(shop, "degraded")
    await announce(shop, 3, is_revoked=False)
    assert (await when(shop, "active")).reason is None
    assert revocations.running == 0


async def test_several_workers_write_it_down_once(shop: Shop, run: Run) -> None:
    first, second = await run(), await run()
    await announce(shop)
    await when(shop, "degraded")
    await first.look()
    guest(shop).revoked = None
    await second.look()
    await until(lambda: noted(shop), bool, within=10)
    assert len(await noted(shop)) == 1


async def test_where_it_shall_be_stopped_it_is_disabled(shop: Shop, run: Run) -> None:
    await run(stops=True)
    await announce(shop)
    await when(shop, "disabled")
    assert shop.world.running.world.entry("guest").enabled is False
    (latest, *_) = await shop.world.running.history()
    assert (latest.actor, latest.action) == ("catalogue", "disable")
    await until(lambda: noted(shop), bool, within=10)


async def test_what_could_not_be_stopped_is_tried_again(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def fail(self: Host, name: str, enabled: bool, *, actor: str) -> Changed:
        asked.append(name)
        raise Conflict("the plugins were changed by somebody else meanwhile")

    with monkeypatch.context() as patch:
        patch.setattr(Host, "toggle", fail)
        await run(stops=True)
        await announce(shop)
        await until(lambda: asyncio.sleep(0, asked), bool, within=10)
        assert (await when(shop, "degraded")).running
    # Anything new that a catalogue tells, though it is nothing about this one.
    await announce(shop, 3)
    await when(shop, "disabled")
    assert len(await noted(shop)) == 1


@pytest.mark.parametrize("way", ["configure", "rollback", "enable"])
async def test_one_that_was_stopped_is_not_begun_again(shop: Shop, run: Run, way: str) -> None:
    await run(stops=True)
    await announce(shop)
    await when(shop, "disabled")
    host = shop.world.running
    # It rests in memory, as it was.
    await host.drained()
    await until(lambda: noted(shop), bool, within=10)
    ways = {
        "configure": lambda: host.configure("guest", {"enabled": True}, actor="me"),
        "rollback": lambda: host.rollback(actor="me"),
        "enable": lambda: host.toggle("guest", True, actor="me"),
    }
    await shop.refuse(ways[way](), ManifestError, REASON)
    assert guest(shop).state == "disabled"


async def test_what_is_required_is_never_stopped(shop: Shop, run: Run) -> None:
    shop.world.required = ("guest",)
    await shop.world.stop()
    await shop.open()
    await run(stops=True)
    await announce(shop)
    assert (await when(shop, "degraded")).running
    await until(lambda: noted(shop), bool, within=10)
    await shop.world.running.drained()
    assert guest(shop).running


async def test_a_store_that_fails_keeps_nobody_from_hearing_of_it(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: AuditLog, entry: Entry) -> None:
        raise Unavailable("the store is gone")

    monkeypatch.setattr(AuditLog, "note_once", fail)
    await run()
    await announce(shop)
    assert (await when(shop, "degraded")).reason == REASON
