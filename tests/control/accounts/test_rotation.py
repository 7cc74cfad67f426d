"""Of several accounts the one that rested longest has its turn, and those that the provider turned away rest."""

from __future__ import annotations

import asyncio

import pytest

from jackfield.control.accounts import renewal
from jackfield.errors import RateLimited, Unavailable
from jackfield.sdk.sign_in import CredentialHeader

from .house import House, declare


def label_of(house: House, used: CredentialHeader) -> str:
    return house.book.accounts[used.account].row.label


async def three(house: House) -> None:
    for label in ("a", "b", "c"):
        await house.sign_in(label, label=label)


async def test_accounts_take_turns(house: House) -> None:
    await three(house)
    turns = [label_of(house, await house.accounts.take("acme")) for _ in range(6)]
    assert sorted(turns[:3]) == ["a", "b", "c"]
    assert turns[3:] == turns[:3]


async def test_one_of_them_may_be_asked_for_by_name(house: House) -> None:
    await three(house)
    assert {label_of(house, await house.accounts.take("acme/b")) for _ in range(3)} == {"b"}
    with pytest.raises(Unavailable, match="no account of acme/x is signed in"):
        await house.accounts.take("acme/x")


async def test_an_account_rests_as_long_as_the_provider_says_and_a_minute_where_it_says_nothing(house: House) -> None:
    await three(house)
    began = house.clock.now
    for label, retry_after_s in (("a", 500.0), ("b", None), ("c", 90.0)):
        used = await house.accounts.take(f"acme/{label}")
        assert house.accounts.report(used, 429, retry_after_s)
    with pytest.raises(RateLimited, match="all accounts of acme rest") as refused:
        await house.accounts.take("acme")
    assert refused.value.retry_after_s == renewal.RESTS_S
    rests = {view.account: view.rests_until for view in house.accounts.views()}
    assert rests == {"a": began + 500, "b": began + 60, "c": began + 90}
    house.clock.now += 60
    assert label_of(house, await house.accounts.take("acme")) == "b"


async def test_other_workers_let_it_rest_too(house: House) -> None:
    await three(house)
    worker = await house.hire()
    house.accounts.report(await house.accounts.take("acme/a"), 429, 300.0)
    await house.book.settle()
    await worker.accounts.catch_up()
    assert {label_of(house, await worker.accounts.take("acme")) for _ in range(4)} == {"b", "c"}


async def test_nobody_waits_for_one_that_is_being_renewed_while_another_is_ready(house: House) -> None:
    await house.sign_in(label="ended")
    house.clock.now += 3600
    await house.sign_in("bert", label="ready")
    house.server.gate.clear()
    for _ in range(3):
        async with asyncio.timeout(5):
            assert label_of(house, await house.accounts.take("acme")) == "ready"
    house.server.gate.set()
    ended = next(account for account in house.book.accounts.values() if account.row.label == "ended")
    assert ended.task is not None
    await ended.task
    assert label_of(house, await house.accounts.take("acme")) == "ended"
    assert house.server.asked["refresh_token"] == 1


async def test_who_is_signed_in_at_one_worker_serves_at_all_of_them_at_once(house: House) -> None:
    worker = await house.hire()
    await house.sign_in()
    used = await asyncio.gather(*(worker.accounts.take("acme") for _ in range(20)))
    assert {one.value for one in used} == {(await house.accounts.take("acme")).value}
    await house.accounts.sign_out("acme", None, actor="operator")
    await worker.accounts.catch_up()
    with pytest.raises(Unavailable, match="no account of acme is signed in"):
        await worker.accounts.take("acme")


async def test_a_rest_is_over_also_after_a_restart_only_when_it_is(house: House) -> None:
    await house.sign_in(label="a")
    house.accounts.report(await house.accounts.take("acme"), 429, 300.0)
    await house.book.settle()
    again = await house.hire()
    with pytest.raises(RateLimited):
        await again.accounts.take("acme")
    house.clock.now += 300
    await again.accounts.take("acme")


async def test_a_token_that_is_refused_is_renewed_and_one_that_is_refused_again_rests(house: House) -> None:
    await house.sign_in(label="a")
    used = await house.accounts.take("acme")
    assert house.accounts.report(used, 401)
    renewed = await house.accounts.take("acme")
    assert (used.issue, renewed.issue) == (1, 2)
    assert house.accounts.report(renewed, 401)
    with pytest.raises(RateLimited) as refused:
        await house.accounts.take("acme")
    assert refused.value.retry_after_s == renewal.REFUSED_RESTS_S
    assert house.server.asked["refresh_token"] == 1


async def test_what_is_reported_late_of_a_former_token_harms_nothing(house: House) -> None:
    await house.sign_in(label="a")
    late = await house.accounts.take("acme")
    await house.accounts.refresh("acme", "a")
    assert house.accounts.report(late, 401)
    assert house.accounts.report(late, 429, 1000.0)
    assert (await house.accounts.take("acme")).issue == 2
    assert house.server.asked["refresh_token"] == 1


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500, 503])
async def test_other_answers_say_nothing_of_the_account(house: House, status: int) -> None:
    await house.sign_in()
    used = await house.accounts.take("acme")
    assert not house.accounts.report(used, status, 10.0)
    assert (await house.accounts.take("acme")).issue == 1


async def test_accounts_that_a_request_has_tried_are_passed_by(house: House) -> None:
    await three(house)
    tried: set[str] = set()
    for _ in range(3):
        tried.add((await house.accounts.take("acme", tried)).account)
    assert len(tried) == 3
    with pytest.raises(Unavailable):
        await house.accounts.take("acme", tried)


@pytest.mark.parametrize("more", [{"token_url": "https://evil.example/token"}, {"client_id": "another"}])
async def test_who_declares_a_sign_in_otherwise_gets_none_of_its_accounts(house: House, more: dict[str, str]) -> None:
    await house.sign_in()
    house.declared[:] = [declare(house.server, **more)]
    with pytest.raises(Unavailable, match="no account of acme is signed in"):
        await house.accounts.take("acme")
    (view,) = house.accounts.views()
    assert view.state == "undeclared"


async def test_another_plugin_that_takes_the_name_gets_none_of_its_accounts(house: House) -> None:
    await house.sign_in()
    house.declared[:] = [declare(house.server, owner="an_impostor")]
    with pytest.raises(Unavailable):
        await house.accounts.take("acme")
    house.declared[:] = []
    with pytest.raises(Unavailable, match="nobody declares the sign-in 'acme' now"):
        await house.accounts.take("acme")


async def test_the_header_is_as_the_sign_in_says(house: House) -> None:
    house.declared[:] = [declare(house.server, header=("x-token", "token={};v=1"), headers=(("x-beta", "oauth"),))]
    await house.sign_in()
    used = await house.accounts.take("acme")
    assert (used.name, used.headers) == ("x-token", (("x-beta", "oauth"),))
    access = used.value.removeprefix("token=").removesuffix(";v=1")
    assert house.server.accepts(access)
    assert access not in repr(used)
