"""Signing in over HTTP: who may begin, where a browser is sent, and who may come back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.oauth_server import SECRET, SECRET_CLIENT, OAuthServer, run_oauth_server
from tests.signing_in import BACK, accounts, consent, sign_in, visit

from jackfield.sdk.events import EVENTS
from jackfield.testing import until
from jackfield.testing.gateway import RunningGateway

StartGateway = Callable[..., Awaitable[RunningGateway]]
PUBLIC = "http://gateway.test"


@pytest.fixture(scope="module")
def oauth() -> Iterator[OAuthServer]:
    with run_oauth_server() as server:
        yield server


@pytest.fixture
async def gateway(start_gateway: StartGateway, oauth: OAuthServer) -> RunningGateway:
    oauth.user, oauth.interval_s = "anna", 0
    return await start_gateway(
        sign_in={
            "acme": oauth.sign_in(),
            "secret": oauth.sign_in(client_id=SECRET_CLIENT, client_secret_env="THE_SECRET"),
            "device": {name: value for name, value in oauth.sign_in().items() if name != "authorize_url"},
        },
        accounts={"public_url": PUBLIC},
        environ={"THE_SECRET": SECRET},
    )


def here(gateway: RunningGateway, url: str) -> str:
    """As a browser reaches the gateway, whatever its public name is."""
    assert url.startswith(f"{PUBLIC}/oauth/"), url
    return gateway.url + url.removeprefix(PUBLIC)


async def open_ticket(gateway: RunningGateway, provider: str = "acme") -> tuple[str, str]:
    """What a browser has that began: where it is sent to, and its cookie."""
    given = await gateway.admin(f"/oauth/{provider}/login", "POST", {"account": "browser"})
    status, headers, _ = await visit(here(gateway, given.json["url"]))
    assert status == 302
    return headers["location"], headers["set-cookie"]


def pair(cookie: str) -> str:
    return cookie.partition(";")[0]


async def come_back(gateway: RunningGateway, location: str, cookie: str) -> tuple[int, str]:
    _, headers, _ = await visit(location)
    status, _, page = await visit(here(gateway, headers["location"]), cookie)
    return status, page


async def test_a_browser_signs_in_through_the_gateway(gateway: RunningGateway) -> None:
    location, cookie = await open_ticket(gateway)
    assert "; HttpOnly; SameSite=Lax" in cookie
    assert "; Path=/oauth/acme/" in cookie
    status, page = await come_back(gateway, location, pair(cookie))
    assert (status, "Signed in" in page) == (200, True)
    (account,) = (await accounts(gateway)).values()
    assert (account["provider"], account["account"], account["state"]) == ("acme", "browser", "ready")


async def test_a_browser_that_did_not_begin_is_turned_away_and_the_state_is_spent(gateway: RunningGateway) -> None:
    location, cookie = await open_ticket(gateway)
    _, headers, _ = await visit(location)
    back = here(gateway, headers["location"])
    _, other = await open_ticket(gateway)
    for sent, code in (
        (pair(other), "sign_in_other_session"),
        (pair(cookie), "sign_in_state_used"),
        ("", "sign_in_state_used"),
    ):
        status, _, page = await visit(back, sent)
        assert (status, code in page) == (400, True), page
    assert not await accounts(gateway)


async def test_a_state_of_one_provider_does_not_come_back_to_another(gateway: RunningGateway) -> None:
    location, cookie = await open_ticket(gateway)
    _, headers, _ = await visit(location)
    back = here(gateway, headers["location"]).replace("/oauth/acme/", "/oauth/secret/")
    status, _, page = await visit(back, pair(cookie))
    assert (status, "sign_in_other_provider" in page) == (400, True)


async def test_a_page_repeats_nothing_of_the_address(gateway: RunningGateway) -> None:
    location, cookie = await open_ticket(gateway)
    state = parse_qs(urlsplit(location).query)["state"][0]
    evil = "%3Cscript%3Ealert(1)%3C/script%3E"
    base = f"{gateway.url}/oauth/acme/callback"
    for query, status in (
        (f"state={state}&error={evil}", 409),
        (f"state={evil}", 400),
        (f"code={evil}", 400),
        ("", 400),
    ):
        told, headers, page = await visit(f"{base}?{query}", pair(cookie))
        assert (told, "<script>" in page) == (status, False)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("end", ["callback", "login"])
async def test_an_address_with_too_many_fields_is_refused_to_whoever_comes(gateway: RunningGateway, end: str) -> None:
    status, _, page = await visit(f"{gateway.url}/oauth/acme/{end}?{'&'.join(['state=1'] * 60)}")
    assert (status, "Traceback" in page) == (400, False)


async def test_everything_but_the_callback_needs_an_admin_key(gateway: RunningGateway) -> None:
    paths = [("GET", "/oauth/providers"), ("GET", "/oauth/acme/login")]
    paths += [("POST", f"/oauth/acme/{name}") for name in ("login", "finish", "poll", "refresh", "logout", "revoke")]
    for method, path in paths:
        async with gateway.caller("jf-unknown-key-0123456789abcdef") as caller:
            assert (await caller.call(method, path, body=b"{}" if method == "POST" else b"")).status == 401
        async with gateway.caller() as caller:
            assert (await caller.call(method, path, body=b"{}" if method == "POST" else b"")).status == 403


async def test_an_admin_key_itself_may_open_the_login(gateway: RunningGateway) -> None:
    called = await gateway.admin("/oauth/acme/login")
    assert called.status == 302
    status, _ = await come_back(gateway, called.headers["location"], pair(called.headers["set-cookie"]))
    assert status == 200


async def test_what_is_listed_tells_how_to_sign_in_and_no_token(gateway: RunningGateway, oauth: OAuthServer) -> None:
    await sign_in(gateway, oauth, "anna")
    told = await gateway.admin("/oauth/providers")
    flows = {one["name"]: one["flows"] for one in told.json["providers"]}
    by_code = ["loopback", "callback", "manual"]
    assert flows == {"acme": [*by_code, "device"], "device": ["device"], "secret": [*by_code, "device"]}
    for token in oauth.tokens:
        assert token.told["access_token"].encode() not in told.body
        assert token.told["refresh_token"].encode() not in told.body


async def test_a_client_secret_is_sent_as_one_and_shown_nowhere(gateway: RunningGateway, oauth: OAuthServer) -> None:
    await sign_in(gateway, oauth, "anna", "secret")
    assert (await gateway.admin("/oauth/secret/refresh", "POST", {})).status == 200
    assert SECRET.encode() not in (await gateway.admin("/oauth/providers")).body


async def test_a_device_is_polled_by_the_one_who_began(gateway: RunningGateway, oauth: OAuthServer) -> None:
    begun = (await gateway.admin("/oauth/device/login", "POST", {"flow": "device"})).json
    proof = {"state": begun["state"], "session": begun["session"]}
    waiting = await gateway.admin("/oauth/device/poll", "POST", proof)
    assert (waiting.status, waiting.json) == (202, {"retry_after_s": 0.0})
    oauth.granted[begun["user_code"]] = ("anna", True)
    signed_in = await gateway.admin("/oauth/device/poll", "POST", proof)
    assert (signed_in.status, signed_in.json["state"]) == (200, "ready")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/oauth/acme/login", {"flow": "by magic"}, 400),
        ("/oauth/acme/login", {"flow": "loopback", "surprise": 1}, 400),
        ("/oauth/acme/login", {"flow": "loopback", "redirect_url": "http://evil.example/callback"}, 422),
        ("/oauth/acme/login", {"account": "a/b"}, 422),
        ("/oauth/device/login", {"flow": "callback"}, 422),
        ("/oauth/acme/finish", {"state": "x"}, 400),
        ("/oauth/acme/refresh", {"account": "nobody"}, 404),
        ("/oauth/acme/logout", {}, 404),
        ("/oauth/acme/surprise", {}, 404),
        ("/oauth/nobody/login", {}, 404),
        ("/oauth/acme/login/more", {}, 404),
    ],
)
async def test_what_is_wrong_is_refused(gateway: RunningGateway, path: str, body: dict[str, Any], status: int) -> None:
    assert (await gateway.admin(path, "POST", body)).status == status


async def test_signing_in_and_out_is_audited(gateway: RunningGateway, oauth: OAuthServer) -> None:
    view = await sign_in(gateway, oauth, "anna")
    out = await gateway.admin("/oauth/acme/logout", "POST", {})
    assert (out.status, out.json["revoked"]) == (200, True)
    entries = (await gateway.admin("/api/v1/audit?kind=account")).json["data"]
    assert [(one["action"], one["object_id"]) for one in entries] == [("sign_out", view["id"]), ("sign_in", view["id"])]


async def test_without_a_public_address_browsers_are_not_sent_anywhere(
    start_gateway: StartGateway, oauth: OAuthServer
) -> None:
    gateway = await start_gateway(sign_in={"acme": oauth.sign_in()})
    refused = await gateway.admin("/oauth/acme/login", "POST", {})
    assert (refused.status, "accounts.public_url" in refused.json["error"]["message"]) == (422, True)
    # What a request calls the gateway counts for nothing.
    begun = await gateway.admin("/oauth/acme/login", "POST", {"flow": "loopback", "redirect_url": BACK})
    assert (await consent(begun.json["url"]))["code"]


async def test_a_plugin_may_have_the_other_paths_below(start_gateway: StartGateway, oauth: OAuthServer) -> None:
    source = """
        from fastapi import APIRouter
        from jackfield.sdk import Plugin, RouterSpec

        router = APIRouter()

        @router.get("/oauth/{provider}/login")
        async def login(provider: str) -> dict:
            return {"plugin's own": provider}

        class Own(Plugin):
            routers = (RouterSpec(router=router, at_root=True),)
    """
    gateway = await start_gateway(plugins={"own": source}, sign_in={"acme": oauth.sign_in()})
    async with gateway.caller() as caller:
        assert (await caller.get("/oauth/theirs/login")).json == {"plugin's own": "theirs"}
        assert (await caller.get("/oauth/acme/login")).status == 403


async def test_plugins_hear_of_it_and_are_told_no_token(
    start_gateway: StartGateway, oauth: OAuthServer, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    source = f"""
        import json
        from pathlib import Path
        from jackfield.sdk import EVENTS, Plugin, subscribe

        class Listener(Plugin):
            permissions = ("events:subscribe",)

            @subscribe(*(type for type in EVENTS if type.startswith("oauth:")))
            async def hear(self, event):
                with Path({str(notes)!r}).open("a") as file:
                    file.write(json.dumps([event.type, dict(event.data)]) + "\\n")
    """
    oauth.user = "anna"
    gateway = await start_gateway(plugins={"listener": source}, sign_in={"acme": oauth.sign_in()})
    view = await sign_in(gateway, oauth, "anna")
    assert (await gateway.admin("/oauth/acme/refresh", "POST", {})).status == 200
    oauth.tokens[-1].revoked = True
    assert (await gateway.admin("/oauth/acme/refresh", "POST", {})).status == 409

    async def heard() -> list[Any]:
        return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

    told = await until(heard, lambda lines: len(lines) == 6)
    assert [type_ for type_, _ in told] == [
        "oauth:token_request",
        "oauth:token_response",
        "oauth:refresh_request",
        "oauth:refresh_response",
        "oauth:refresh_request",
        "oauth:error",
    ]
    for type_, data in told:
        assert set(data) <= set(EVENTS[type_])
        assert data["provider"] == "acme"
    assert {data["accountId"] for _, data in told[1:]} == {view["id"]}
    for token in oauth.tokens:
        assert token.told["access_token"] not in str(told)
        assert token.told["refresh_token"] not in str(told)
