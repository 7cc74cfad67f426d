"""The same on PostgreSQL, where workers really come at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.control.conftest import SetClock
from tests.oauth_server import OAuthServer

from jackfield.control.accounts.accounts import AccountView
from jackfield.control.accounts.pending import Pending
from jackfield.errors import Conflict, JackfieldError, RateLimited
from jackfield.stores.database import Database

from .house import BACK, House


@pytest.fixture
async def house(postgres_url: str, tmp_path: Path, clock: SetClock, oauth: OAuthServer) -> AsyncIterator[House]:
    database = await Database.open(postgres_url, tmp_path)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.dispose)
        yield House(stack, database, clock, oauth)


async def test_four_workers_renew_a_token_once_and_let_it_rest_together(house: House) -> None:
    view = await house.sign_in()
    workers = [house, *[await house.hire() for _ in range(3)]]
    house.clock.now += 3600
    used = await asyncio.gather(*(one.accounts.take("acme") for one in workers * 5))
    assert house.server.asked["refresh_token"] == 1
    assert len({one.value for one in used}) == 1
    house.accounts.report(used[0], 429, 100.0)
    await house.book.settle()
    for one in workers:
        await one.accounts.catch_up()
        with pytest.raises(RateLimited):
            await one.accounts.take("acme")
    await house.accounts.sign_out("acme", None, actor="operator")
    await workers[1].accounts.catch_up()
    assert view.id not in workers[1].book.accounts


@pytest.mark.parametrize(("label", "expected"), [(None, ["account-1", "account-2", "account-3"]), ("work", ["work"])])
async def test_who_signs_in_at_once_at_several_workers_gets_an_account(
    house: House, label: str | None, expected: list[str]
) -> None:
    workers = [house, await house.hire(), await house.hire()]
    begun = [await house.desk.begin("acme", "manual", actor="operator", label=label) for _ in workers]
    sent = [await house.consent(one.url) for one in begun]
    ends = await asyncio.gather(
        *(
            worker.desk.finish("acme", state=back["state"], session=one.session, code=back["code"])
            for worker, one, back in zip(workers, begun, sent, strict=True)
        ),
        return_exceptions=True,
    )
    assert all(isinstance(one, AccountView | Conflict) for one in ends), ends
    await house.accounts.catch_up()
    assert [view.account for view in house.accounts.views()] == expected


async def test_a_state_is_used_once_whoever_comes(house: House) -> None:
    begun = await house.desk.begin("acme", "loopback", actor="operator", redirect_url=BACK)
    sent = await house.consent(begun.url)
    workers = [house, await house.hire(), await house.hire()]
    fields = {"state": sent["state"], "session": begun.session, "code": sent["code"], "redirect_url": BACK}
    ends = await asyncio.gather(*(one.desk.finish("acme", **fields) for one in workers), return_exceptions=True)
    codes = [one.code for one in ends if isinstance(one, JackfieldError)]
    assert codes == ["sign_in_state_used"] * 2
    await house.pending.slow_down(await _device(house), 5, at=house.clock.now)


async def _device(house: House) -> Pending:
    begun = await house.desk.begin("acme", "device", actor="operator")
    pending, wait_s = await house.pending.poll(begun.state, begun.session, "acme", at=house.clock.now)
    assert wait_s == 3
    return pending
