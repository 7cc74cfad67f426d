"""Renewing: once for all who wait, by one worker at a time, and never lost."""

from __future__ import annotations

import asyncio

import pytest
from tests.control.conftest import SetClock

from jackfield.control.accounts import renewal
from jackfield.errors import Conflict, RateLimited, Unavailable

from .house import House, Worker

LIFE_S = 3600


async def reached(house: House) -> None:
    assert await asyncio.to_thread(house.server.reached.wait, 10)


async def test_fifty_requests_with_an_ended_token_renew_it_once(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    used = await asyncio.gather(*(house.accounts.take("acme") for _ in range(50)))
    assert house.server.asked["refresh_token"] == 1
    assert {one.issue for one in used} == {2}
    assert all(house.server.accepts(house.access(one.value)) for one in used)
    assert house.heard[-2:] == ["oauth:refresh_request", "oauth:refresh_response"]


async def test_fifty_requests_of_two_workers_renew_it_once(house: House) -> None:
    await house.sign_in()
    worker = await house.hire()
    house.clock.now += LIFE_S
    takers: list[Worker] = [house, worker] * 25
    used = await asyncio.gather(*(one.accounts.take("acme") for one in takers))
    assert house.server.asked["refresh_token"] == 1
    assert len({one.value for one in used}) == 1


async def test_a_token_that_is_still_good_is_renewed_beside_the_requests(house: House) -> None:
    await house.sign_in()
    house.server.gate.clear()
    house.clock.now += LIFE_S - 60
    former = await house.accounts.take("acme")
    assert former.issue == 1
    await reached(house)
    assert (await house.accounts.take("acme")).issue == 1
    house.server.gate.set()
    (account,) = house.book.accounts.values()
    assert account.task is not None
    await account.task
    assert (await house.accounts.take("acme")).issue == 2
    assert house.server.asked["refresh_token"] == 1


async def test_a_token_that_is_not_due_is_given_without_asking_anybody(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S - 121
    await house.accounts.take("acme")
    (account,) = house.book.accounts.values()
    assert account.task is None


async def test_a_request_that_leaves_does_not_end_what_others_wait_for(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    house.server.gate.clear()
    leaving = asyncio.create_task(house.accounts.take("acme"))
    staying = asyncio.create_task(house.accounts.take("acme"))
    await reached(house)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    house.server.gate.set()
    assert (await staying).issue == 2
    assert house.server.asked["refresh_token"] == 1


async def test_when_a_worker_dies_in_the_middle_another_renews_once_its_lease_has_ended(house: House) -> None:
    await house.sign_in()
    worker = await house.hire()
    house.clock.now += LIFE_S
    (account,) = house.book.accounts.values()
    # As it stands in the store when a worker is killed: the lease is held, and nobody will give it back.
    assert await house.renewal._hold(account, account.issue)
    waiting = asyncio.create_task(worker.accounts.take("acme"))
    await asyncio.sleep(0)
    assert house.server.asked["refresh_token"] == 0
    house.clock.now += renewal.LEASE_S
    assert (await waiting).issue == 2
    assert house.server.asked["refresh_token"] == 1
    await house.accounts.catch_up()
    assert (await house.accounts.take("acme")).issue == 2


async def test_who_is_killed_after_the_provider_has_answered_costs_that_account_and_no_other(house: House) -> None:
    await house.sign_in(label="one")
    await house.sign_in("bert", label="two")
    house.clock.now += LIFE_S
    one = next(account for account in house.book.accounts.values() if account.row.label == "one")
    assert one.tokens is not None
    assert one.tokens.refresh is not None
    # Its refresh token was used, and what came of it never stored.
    token = house.server.by_refresh(one.tokens.refresh)
    assert token is not None
    token.revoked = True
    used = await house.accounts.take("acme")
    assert house.book.accounts[used.account].row.label == "two"
    states = {view.account: (view.state, view.reason) for view in house.accounts.views()}
    assert states["two"] == ("ready", None)
    assert states["one"][0] == "signed_out"
    assert "invalid_grant" in (states["one"][1] or "")


async def test_a_refused_renewal_needs_the_operator_and_is_not_tried_again(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    house.server.tokens[0].revoked = True
    for _ in range(3):
        with pytest.raises(Unavailable, match="no account of acme is signed in: `jackfield auth login acme`"):
            await house.accounts.take("acme")
    assert house.server.asked["refresh_token"] == 1
    assert house.heard[-1] == "oauth:error"
    await house.sign_in(label="account-1")
    assert (await house.accounts.take("acme")).issue == 1


@pytest.mark.parametrize(
    ("broken", "rests_s"),
    [
        ((503, {}, "down"), renewal.QUIET_S),
        ((200, {}, "<html>"), renewal.QUIET_S),
        ((200, {}, '{"access_token": "two\\nlines"}'), renewal.QUIET_S),
        ((429, {"retry-after": "77"}, "{}"), 77.0),
        ((400, {}, '{"error": "unsupported_grant_type"}'), renewal.REFUSED_RESTS_S),
    ],
)
async def test_an_account_rests_while_it_cannot_be_renewed(
    house: House, broken: tuple[int, dict[str, str], str], rests_s: float
) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    house.server.broken = [broken]
    with pytest.raises(RateLimited) as refused:
        await house.accounts.take("acme")
    assert refused.value.retry_after_s == rests_s
    with pytest.raises(RateLimited):
        await house.accounts.take("acme")
    assert house.server.asked["refresh_token"] == 1
    house.clock.now += rests_s
    assert (await house.accounts.take("acme")).issue == 2


async def test_while_the_endpoint_is_down_a_good_token_is_used_on_and_it_is_asked_rarely(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S - 100
    house.server.broken = [(503, {}, "")]
    (account,) = house.book.accounts.values()
    for _ in range(5):
        assert (await house.accounts.take("acme")).issue == 1
        assert account.task is not None
        await account.task
    assert house.server.asked["refresh_token"] == 1
    house.clock.now += renewal.QUIET_S
    await house.accounts.take("acme")
    await account.task
    assert house.server.asked["refresh_token"] == 2
    assert account.issue == 2


async def test_new_tokens_are_used_also_while_they_cannot_be_stored(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    store = house.book._rows

    async def fail(*args: object, **kwargs: object) -> bool:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(store, "renew", fail)
        assert (await house.accounts.take("acme")).issue == 2
    worker = await house.hire()
    assert [account.issue for account in worker.book.accounts.values()] == [1]
    await house.accounts.catch_up()
    await worker.accounts.catch_up()
    assert [account.issue for account in worker.book.accounts.values()] == [2]
    assert (await worker.accounts.take("acme")).value == (await house.accounts.take("acme")).value


async def test_an_account_without_a_refresh_token_ends_with_its_token(house: House, clock: SetClock) -> None:
    await house.sign_in()
    (account,) = house.book.accounts.values()
    assert account.tokens is not None
    account.tokens = type(account.tokens)(access=account.tokens.access, expires_at=clock.now + 10)
    await house.accounts.take("acme")
    clock.now += 10
    with pytest.raises(Unavailable, match="no account of acme is signed in"):
        await house.accounts.take("acme")


async def test_an_operator_may_renew_at_once_and_is_told_where_that_fails(house: House) -> None:
    view = await house.sign_in()
    house.clock.now += 5
    renewed = await house.accounts.refresh("acme", None)
    assert (renewed.id, renewed.renewed_at) == (view.id, house.clock.now)
    house.server.tokens[-1].revoked = True
    with pytest.raises(Conflict, match="acme/account-1 was not renewed: acme refused: invalid_grant"):
        await house.accounts.refresh("acme", "account-1")


async def test_signing_out_forgets_here_and_at_the_provider(house: House) -> None:
    view = await house.sign_in()
    worker = await house.hire()
    _, trouble = await house.accounts.sign_out("acme", None, actor="operator")
    assert trouble is None
    assert all(token.revoked for token in house.server.tokens)
    await worker.accounts.catch_up()
    assert not worker.accounts.views()
    assert not house.accounts.views()
    with pytest.raises(Unavailable):
        await house.accounts.take("acme")
    assert view.id not in house.book.accounts


async def test_who_signs_out_while_it_is_renewed_stays_signed_out(house: House) -> None:
    await house.sign_in()
    worker = await house.hire()
    house.clock.now += LIFE_S
    house.server.gate.clear()
    taking = asyncio.create_task(worker.accounts.take("acme"))
    await reached(house)
    await house.book.remove(next(iter(house.book.accounts.values())), actor="operator")
    house.server.gate.set()
    await asyncio.gather(taking, return_exceptions=True)
    await worker.accounts.catch_up()
    assert not worker.accounts.views()


async def test_who_closes_waits_for_what_was_asked(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S - 60
    house.server.gate.clear()
    await house.accounts.take("acme")
    await reached(house)
    closing = asyncio.create_task(house.accounts.aclose())
    await asyncio.sleep(0)
    house.server.gate.set()
    await closing
    worker = await house.hire()
    assert [account.issue for account in worker.book.accounts.values()] == [2]
