"""A provider, a plugin or a clock that does what it should not: an account may suffer, and nothing else does."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
from tests.oauth_server import OAuthServer

from jackfield.control.accounts import renewal
from jackfield.control.accounts.book import MOST_RESTS_S
from jackfield.control.accounts.rows import AccountRow
from jackfield.control.accounts.sealing import Sealer
from jackfield.control.accounts.tokens import MOST_S
from jackfield.errors import ConfigError, Conflict, RateLimited, Unavailable
from jackfield.telemetry.masking import masked

from .house import House, declare

LIFE_S = 3600
DEEP = "[" * 100_000
GREAT = "1" + "0" * 400
NONSENSE = [
    (200, {}, DEEP),
    (200, {}, '{"access_token": "\udcff"}'),
    (400, {}, '{"error": ' + DEEP),
    (429, {"retry-after": "\u00b2"}, "{}"),
]


def token(**more: str) -> tuple[int, dict[str, str], str]:
    fields = {"access_token": '"a-new-access-token"', "refresh_token": '"a-new-refresh-token"'} | more
    return 200, {}, "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"


async def renewed(house: House) -> None:
    (account,) = house.book.accounts.values()
    assert account.task is not None
    await account.task


@pytest.mark.parametrize("broken", NONSENSE)
async def test_an_answer_that_is_none_lets_the_account_rest(house: House, broken: Any) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    house.server.broken = [raw(broken)]
    for _ in range(2):
        with pytest.raises(RateLimited):
            await house.accounts.take("acme")
    assert house.server.asked["refresh_token"] == 1


@pytest.mark.parametrize("broken", NONSENSE)
async def test_an_answer_that_is_none_ends_signing_in_with_a_reason(house: House, broken: Any) -> None:
    house.server.broken = [raw(broken)]
    with pytest.raises(Conflict) as refused:
        await house.sign_in()
    assert refused.value.code == "sign_in_failed"
    assert not house.accounts.views()


def raw(broken: Any) -> Any:
    status, headers, body = broken
    return status, headers, body.encode("utf-8", "surrogateescape")


async def test_a_life_beyond_all_numbers_is_as_good_as_none(house: House) -> None:
    house.server.broken = [token(expires_in=GREAT)]
    assert (await house.sign_in()).expires_at is None
    assert (await house.accounts.take("acme")).value == "Bearer a-new-access-token"


async def test_a_token_that_ends_as_it_comes_is_not_asked_for_with_every_request(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    house.server.broken = [token(expires_in="0")]
    for _ in range(5):
        with pytest.raises(RateLimited) as refused:
            await house.accounts.take("acme")
    assert refused.value.retry_after_s == renewal.RESTS_S
    assert house.server.asked["refresh_token"] == 1
    (view,) = house.accounts.views()
    assert "had ended when it came" in (view.reason or "")
    house.server.broken = [token(expires_in="3600")]
    house.clock.now += renewal.RESTS_S
    assert (await house.accounts.take("acme")).value == "Bearer a-new-access-token"


async def test_a_provider_that_is_unwell_takes_no_good_token_out_of_use(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S - 60
    house.server.broken = [(400, {}, '{"error": "temporarily_unavailable"}')]
    for _ in range(3):
        assert (await house.accounts.take("acme")).issue == 1
        await renewed(house)
    assert house.server.asked["refresh_token"] == 1


async def test_tokens_of_before_stay_masked_while_requests_with_them_are_under_way(house: House) -> None:
    await house.sign_in()
    seen = []
    for _ in range(3):
        seen.append((await house.accounts.take("acme")).value)
        await house.accounts.refresh("acme", None)
    seen.append((await house.accounts.take("acme")).value)
    shown = [masked(value.removeprefix("Bearer ")) == "***" for value in seen]
    # The last that was replaced may still be under way; those before it are worth nothing.
    assert shown == [False, False, True, True]


async def test_a_clock_that_was_set_back_keeps_nobody_from_renewing(house: House) -> None:
    house.clock.now += 60 * 86_400
    await house.sign_in()
    await house.accounts.refresh("acme", None)
    house.clock.now -= 30 * 86_400
    await asyncio.wait_for(house.accounts.refresh("acme", None), 5)
    assert house.server.asked["refresh_token"] == 2


async def test_a_rest_that_no_provider_can_have_asked_for_is_a_clock_that_was_wrong(house: House) -> None:
    await house.sign_in()
    used = await house.accounts.take("acme")
    house.clock.now += 10 * 366 * 86_400
    house.accounts.report(used, 429, 60.0)
    house.clock.now -= 10 * 366 * 86_400
    assert (await house.accounts.take("acme")).account == used.account
    (view,) = house.accounts.views()
    assert (view.state, view.rests_until) == ("ready", None)


async def test_a_device_waits_no_longer_than_it_was_told_though_the_clock_is_set_back(house: House) -> None:
    begun = await house.desk.begin("acme", "device", actor="operator")
    house.clock.now -= 3600
    waits_s = await house.desk.poll("acme", state=begun.state, session=begun.session)
    assert waits_s == begun.interval_s


async def test_two_who_sign_in_at_once_without_a_name_get_an_account_each(house: House) -> None:
    one, other = await asyncio.gather(house.sign_in(), house.sign_in("bert"))
    assert {one.account, other.account} == {"account-1", "account-2"}
    assert len(house.accounts.views()) == 2


async def test_who_is_overtaken_by_another_with_the_same_name_is_told_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = house.book._rows.put

    async def put_and_be_overtaken(row: AccountRow) -> None:
        await put(row)
        await put(msgspec.structs.replace(row, id="acc_of_another"))

    monkeypatch.setattr(house.book._rows, "put", put_and_be_overtaken)
    with pytest.raises(Conflict, match="somebody else signed in to acme with this name"):
        await house.sign_in(label="work")


@pytest.mark.parametrize("does", ["sign_in", "sign_out"])
async def test_what_was_read_before_is_not_taken_for_what_is_stored_now(
    house: House, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    await house.sign_in(label="first")
    all_of_them, has_read, may_end = house.book._rows.all, asyncio.Event(), asyncio.Event()

    async def read_and_dawdle() -> list[AccountRow]:
        rows = await all_of_them()
        if not has_read.is_set():
            has_read.set()
            await may_end.wait()
        return rows

    monkeypatch.setattr(house.book._rows, "all", read_and_dawdle)
    loading = asyncio.create_task(house.book.load())
    await has_read.wait()
    doing = asyncio.create_task(_do(house, does))
    # Who does not wait for what is being read is done by then.
    await asyncio.wait((doing,), timeout=0.1)
    may_end.set()
    await asyncio.gather(loading, doing)
    found = [view.account for view in house.accounts.views()]
    assert found == (["first", "second"] if does == "sign_in" else [])


async def _do(house: House, what: str) -> None:
    if what == "sign_in":
        await house.sign_in("bert", label="second")
    else:
        await house.accounts.sign_out("acme", None, actor="operator")


async def test_an_error_that_repeats_a_token_is_not_repeated(house: House) -> None:
    house.server.broken = [token(refresh_token='"canary_of_small_letters"', expires_in="3600")]
    await house.sign_in()
    house.clock.now += LIFE_S
    house.server.broken = [(400, {}, '{"error": "canary_of_small_letters"}')]
    with pytest.raises(RateLimited):
        await house.accounts.take("acme")
    await house.book.settle()
    (row,) = await house.book._rows.all()
    assert row.trouble == "it could not be renewed: acme: its endpoint answered 400, and not as expected"
    assert "canary" not in str((house.told, house.accounts.views()))


async def test_while_one_is_being_renewed_nobody_is_told_to_wait_for_another_that_rests(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "PATIENCE_S", 0.0)
    await house.sign_in(label="one")
    house.accounts.report(await house.accounts.take("acme"), 429, 2 * LIFE_S)
    await house.sign_in("bert", label="two")
    house.clock.now += LIFE_S
    house.server.gate.clear()
    with pytest.raises(Unavailable) as told:
        await house.accounts.take("acme")
    assert told.value.retry_after_s == 1.0
    house.server.gate.set()


async def test_who_signs_out_at_another_worker_has_the_newest_tokens_forgotten(house: House) -> None:
    await house.sign_in()
    worker = await house.hire()
    await house.accounts.refresh("acme", None)
    _, trouble = await worker.accounts.sign_out("acme", None, actor="operator")
    assert trouble is None
    assert all(one.revoked for one in house.server.tokens)


async def test_who_signs_out_while_another_worker_renews_has_those_tokens_forgotten_too(house: House) -> None:
    await house.sign_in()
    worker = await house.hire()
    house.clock.now += LIFE_S
    house.server.gate.clear()
    taking = asyncio.create_task(worker.accounts.take("acme"))
    assert await asyncio.to_thread(house.server.reached.wait, 10)
    leaving = asyncio.create_task(house.accounts.sign_out("acme", None, actor="operator"))
    await asyncio.sleep(0)
    house.server.gate.set()
    _, trouble = await leaving
    await asyncio.gather(taking, return_exceptions=True)
    assert trouble is None
    assert [one.revoked for one in house.server.tokens] == [True, True]


async def test_tokens_that_are_not_stored_yet_are_stored_before_they_are_renewed_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.sign_in()

    async def fail(*args: object, **kwargs: object) -> bool:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(house.book._rows, "renew", fail)
        await house.accounts.refresh("acme", None)
    renewed = await house.accounts.refresh("acme", None)
    assert renewed.state == "ready"
    worker = await house.hire()
    assert house.server.accepts(house.access((await worker.accounts.take("acme")).value))
    assert house.server.accepts(house.access((await house.accounts.take("acme")).value))


async def test_a_plugin_that_has_tokens_revoked_elsewhere_gets_none_of_those_it_had(
    house: House, oauth: OAuthServer
) -> None:
    await house.sign_in()
    house.declared[:] = [declare(oauth, revoke_url="https://elsewhere.example/revoke")]
    (view,) = house.accounts.views()
    assert view.state == "undeclared"
    _, trouble = await house.accounts.sign_out("acme", None, actor="operator")
    assert trouble == "it is no longer declared as it was"


@pytest.mark.parametrize("told", [float("nan"), float("inf"), -1.0, MOST_S])
async def test_no_report_lets_an_account_rest_for_ever_or_breaks_it(house: House, told: float) -> None:
    await house.sign_in()
    used = await house.accounts.take("acme")
    assert house.accounts.report(used, 429, told)
    await house.book.settle()
    (view,) = (await house.hire()).accounts.views()
    assert view.rests_until is not None
    assert 0 < view.rests_until - house.clock.now <= MOST_RESTS_S


async def test_an_account_that_cannot_be_read_says_so_to_who_signs_out(house: House) -> None:
    await house.sign_in()
    (account,) = house.book.accounts.values()
    account.tokens = None
    _, trouble = await house.accounts.sign_out("acme", None, actor="operator")
    assert trouble == "its tokens cannot be read"
    assert not house.accounts.views()


async def test_a_worker_without_a_key_follows_the_others_all_the_same(house: House) -> None:
    worker = await house.hire()

    def refuse() -> Sealer:
        raise ConfigError("accounts.key can be read by others", field="store.data_dir")

    worker.book._sealer = refuse
    await house.sign_in()
    await worker.accounts.catch_up()
    (view,) = worker.accounts.views()
    assert view.state == "unreadable"
    assert "accounts.key can be read by others" in (view.reason or "")


async def test_where_the_key_is_lost_all_who_ask_are_told_so_and_not_to_sign_in(house: House) -> None:
    await house.sign_in()
    (account,) = house.book.accounts.values()
    account.tokens, account.trouble = None, "its tokens cannot be read: restore the key"
    with pytest.raises(Unavailable, match="acme/account-1: its tokens cannot be read: restore the key"):
        await house.accounts.take("acme")
    with pytest.raises(Conflict, match="acme/account-1: its tokens cannot be read: restore the key"):
        await house.accounts.refresh("acme", None)


@pytest.mark.parametrize(
    ("status", "headers", "body", "told"),
    [
        (307, {"location": "http://127.0.0.1:9/"}, "", "acme: its endpoint answered 307, and not as expected"),
        (404, {}, "<html>", "acme: its endpoint answered 404, and not as expected"),
        (401, {}, '{"error": "invalid_client"}', "acme refused: invalid_client"),
        (429, {}, "", "acme wants to be asked later"),
        (400, {}, '{"error": "invalid_token"}', None),
        (204, {}, "", None),
    ],
)
async def test_a_token_is_revoked_only_where_the_provider_says_so(
    house: House, status: int, headers: dict[str, str], body: str, told: str | None
) -> None:
    await house.sign_in()
    house.server.unwilling = [(status, headers, body)] * 2
    _, trouble = await house.accounts.sign_out("acme", None, actor="operator")
    assert trouble == told


async def test_a_provider_may_say_when_to_come_back_by_a_date(house: House) -> None:
    await house.sign_in()
    house.clock.now += LIFE_S
    house.server.broken = [(429, {"retry-after": formatdate(house.clock.now + 500, usegmt=True)}, "{}")]
    with pytest.raises(RateLimited) as refused:
        await house.accounts.take("acme")
    assert refused.value.retry_after_s == 500.0
