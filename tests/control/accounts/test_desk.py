"""Signing in: each flow at a real server, and every state that is not good."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from jackfield.control.accounts.endpoints import challenge_of
from jackfield.errors import Conflict, JackfieldError, NotFound, Unprocessable

from .house import BACK, House, declare


async def refusal(coroutine: object) -> str:
    with pytest.raises(JackfieldError) as refused:
        await coroutine  # type: ignore[misc]
    return refused.value.code


async def test_signing_in_by_code_gives_an_account_whose_token_the_provider_knows(house: House) -> None:
    view = await house.sign_in()
    assert (view.provider, view.account, view.state, view.renewable) == ("acme", "account-1", "ready", True)
    assert view.scopes == ("chat", "offline")
    assert view.expires_at == house.clock.now + 3600
    used = await house.accounts.take("acme")
    assert used.name == "authorization"
    assert house.server.accepts(house.access(used.value))
    assert house.heard == ["oauth:token_request", "oauth:token_response"]


async def test_the_address_that_is_opened_has_a_challenge_and_not_what_it_is_of(house: House) -> None:
    begun = await house.desk.begin("acme", "loopback", actor="operator", redirect_url=BACK)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    pending = await house.pending.use(begun.state, begun.session, "acme", BACK, at=house.clock.now)
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] == challenge_of(pending.secret)
    assert pending.secret not in begun.url
    assert (asked["state"], asked["redirect_uri"], asked["scope"]) == (begun.state, BACK, "chat offline")


async def test_a_state_is_good_once(house: House) -> None:
    begun = await house.desk.begin("acme", "loopback", actor="operator", redirect_url=BACK)
    sent = await house.consent(begun.url)
    fields = {"state": sent["state"], "session": begun.session, "code": sent["code"], "redirect_url": BACK}
    await house.desk.finish("acme", **fields)
    assert await refusal(house.desk.finish("acme", **fields)) == "sign_in_state_used"
    assert house.server.asked["authorization_code"] == 1


async def test_a_state_lives_ten_minutes(house: House) -> None:
    begun = await house.desk.begin("acme", "loopback", actor="operator", redirect_url=BACK)
    fields = {"state": begun.state, "session": begun.session, "code": "a code", "redirect_url": BACK}
    house.clock.now += 600
    assert await refusal(house.desk.finish("acme", **fields)) == "sign_in_state_expired"
    assert house.server.asked["authorization_code"] == 0


async def test_a_stolen_state_is_refused_and_is_worth_nothing_afterwards(house: House) -> None:
    begun = await house.desk.begin("acme", "loopback", actor="operator", redirect_url=BACK)
    other = await house.desk.begin("acme", "loopback", actor="another", redirect_url=BACK)
    sent = await house.consent(begun.url)
    stolen = {"state": sent["state"], "code": sent["code"], "redirect_url": BACK}
    assert await refusal(house.desk.finish("acme", session=other.session, **stolen)) == "sign_in_other_session"
    assert await refusal(house.desk.finish("acme", session=begun.session, **stolen)) == "sign_in_state_used"
    assert not house.accounts.views()


async def test_a_state_of_another_provider_or_another_address_is_refused(house: House) -> None:
    house.declared.append(declare(house.server, "other"))
    for name, redirect_url, code in (
        ("other", BACK, "sign_in_other_provider"),
        ("acme", "http://127.0.0.1:7778/callback", "sign_in_other_redirect"),
    ):
        begun = await house.desk.begin("acme", "loopback", actor="operator", redirect_url=BACK)
        fields = {"state": begun.state, "session": begun.session, "code": "a code", "redirect_url": redirect_url}
        assert await refusal(house.desk.finish(name, **fields)) == code


async def test_a_state_that_nobody_made_is_unknown(house: House) -> None:
    assert await refusal(house.desk.finish("acme", state="made up", session="", code="x")) == "sign_in_state_unknown"
    assert await refusal(house.desk.poll("acme", state="made up", session="")) == "sign_in_state_unknown"


async def test_of_two_who_come_with_one_state_at_once_one_gets_in(house: House) -> None:
    begun = await house.desk.begin("acme", "loopback", actor="operator", redirect_url=BACK)
    sent = await house.consent(begun.url)
    worker = await house.hire()
    fields = {"state": sent["state"], "session": begun.session, "code": sent["code"], "redirect_url": BACK}
    ends = [one.desk.finish("acme", **fields) for one in (house, worker)]
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    codes = [one.code for one in outcomes if isinstance(one, JackfieldError)]
    assert (codes, len(outcomes)) == (["sign_in_state_used"], 2)
    assert house.server.asked["authorization_code"] == 1


async def test_what_one_worker_began_another_may_end(house: House) -> None:
    worker = await house.hire()
    begun = await house.desk.begin("acme", "callback", actor="operator")
    assert begun.redirect_url == "http://gateway.test/oauth/acme/callback"
    sent = await house.consent(begun.url)
    view = await worker.desk.finish("acme", state=sent["state"], session=begun.session, code=sent["code"])
    await house.accounts.catch_up()
    assert [one.id for one in house.accounts.views()] == [view.id]


async def test_a_user_who_says_no_is_told_so_and_leaves_no_account(house: House) -> None:
    house.server.user = None
    begun = await house.desk.begin("acme", "callback", actor="operator")
    sent = await house.consent(begun.url)
    assert sent["error"] == "access_denied"
    with pytest.raises(Conflict, match="acme refused: access_denied"):
        await house.desk.finish("acme", state=sent["state"], session=begun.session, code="", error=sent["error"])
    assert house.heard == ["oauth:error"]


async def test_a_code_that_the_provider_does_not_know_is_its_refusal(house: House) -> None:
    begun = await house.desk.begin("acme", "callback", actor="operator")
    with pytest.raises(Conflict, match="acme refused: invalid_grant"):
        await house.desk.finish("acme", state=begun.state, session=begun.session, code="made-up-code")
    assert house.heard == ["oauth:token_request", "oauth:error"]
    assert "made-up-code" not in str(house.told)


async def test_a_device_signs_in_once_the_user_has_typed_its_code(house: House) -> None:
    begun = await house.desk.begin("acme", "device", actor="operator", label="tv")
    assert begun.user_code
    assert begun.url == f"{house.server.url}/activate?user_code={begun.user_code}"
    poll = {"state": begun.state, "session": begun.session}
    assert await house.desk.poll("acme", **poll) == begun.interval_s == 3
    assert house.server.asked["device_code"] == 0
    house.clock.now += 3
    assert await house.desk.poll("acme", **poll) == 3
    await house.allow(begun.user_code)
    house.clock.now += 3
    view = await house.desk.poll("acme", **poll)
    assert not isinstance(view, float)
    assert (view.account, view.state) == ("tv", "ready")
    assert await refusal(house.desk.poll("acme", **poll)) == "sign_in_state_used"


async def test_a_device_that_asks_too_often_is_slowed_down(house: House) -> None:
    begun = await house.desk.begin("acme", "device", actor="operator")
    poll = {"state": begun.state, "session": begun.session}
    house.server.slow = True
    house.clock.now += 3
    assert await house.desk.poll("acme", **poll) == 8
    house.server.slow = False
    house.clock.now += 4
    assert await house.desk.poll("acme", **poll) == 4
    assert house.server.asked["device_code"] == 1


async def test_a_device_that_the_user_denies_ends(house: House) -> None:
    begun = await house.desk.begin("acme", "device", actor="operator")
    assert begun.user_code
    await house.allow(begun.user_code, allowed=False)
    house.clock.now += 3
    poll = {"state": begun.state, "session": begun.session}
    assert await refusal(house.desk.poll("acme", **poll)) == "sign_in_denied"
    assert await refusal(house.desk.poll("acme", **poll)) == "sign_in_state_used"
    begun = await house.desk.begin("acme", "device", actor="operator")
    assert await refusal(house.desk.poll("acme", state=begun.state, session="other")) == "sign_in_other_session"
    assert (
        await refusal(house.desk.finish("acme", state=begun.state, session=begun.session, code="x")) == "unprocessable"
    )


async def test_a_ticket_begins_one_sign_in_in_a_browser(house: House) -> None:
    given = await house.desk.begin("acme", "ticket", actor="operator", label="work")
    assert given.url.startswith("http://gateway.test/oauth/acme/login?ticket=")
    assert (given.state, given.session) == ("", "")
    ticket = given.url.partition("=")[2]
    begun = await house.desk.redeem("acme", ticket)
    sent = await house.consent(begun.url)
    view = await house.desk.finish("acme", state=sent["state"], session=begun.session, code=sent["code"])
    assert view.account == "work"
    assert await refusal(house.desk.redeem("acme", ticket)) == "sign_in_state_used"


async def test_a_ticket_is_no_state_and_a_state_no_ticket(house: House) -> None:
    given = await house.desk.begin("acme", "ticket", actor="operator")
    ticket = given.url.partition("=")[2]
    assert await refusal(house.desk.finish("acme", state=ticket, session=ticket, code="x")) == "unprocessable"
    begun = await house.desk.begin("acme", "callback", actor="operator")
    assert await refusal(house.desk.redeem("acme", begun.state)) == "sign_in_other_session"


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/callback",
        "https://127.0.0.1:7777/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:7777/elsewhere",
        "http://127.0.0.1:7777/callback?next=x",
        "http://user@127.0.0.1:7777/callback",
        "http://127.0.0.1.evil.example:7777/callback",
        "",
    ],
)
async def test_a_code_is_never_led_to_another_machine(house: House, url: str) -> None:
    with pytest.raises(Unprocessable, match="redirect_url must be"):
        await house.desk.begin("acme", "loopback", actor="operator", redirect_url=url)


async def test_signing_in_again_with_one_label_takes_the_place_of_the_former(house: House) -> None:
    first = await house.sign_in(label="work")
    second = await house.sign_in(label="work")
    assert [view.id for view in house.accounts.views()] == [second.id] != [first.id]


async def test_a_sign_in_that_nobody_declares_names_the_nearest(house: House) -> None:
    with pytest.raises(NotFound, match="there is no sign-in 'acne'; the nearest is 'acme'"):
        await house.desk.begin("acne", "loopback", actor="operator", redirect_url=BACK)


async def test_what_was_begun_with_one_declaration_does_not_end_with_another(house: House) -> None:
    begun = await house.desk.begin("acme", "callback", actor="operator")
    sent = await house.consent(begun.url)
    house.declared[:] = [declare(house.server, owner="an_impostor")]
    with pytest.raises(Conflict, match="declared otherwise"):
        await house.desk.finish("acme", state=sent["state"], session=begun.session, code=sent["code"])
    assert house.server.asked["authorization_code"] == 0
