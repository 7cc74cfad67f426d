"""Requests to an upstream that accounts are signed in to: which is used, and what happens where one is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.oauth_server import OAuthServer, run_oauth_server
from tests.signing_in import accounts, sign_in

from jackfield.testing import Answer, Upstream
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]
CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[OAuthServer]:
    with run_oauth_server() as server:
        yield server


@pytest.fixture
def oauth(server: OAuthServer) -> OAuthServer:
    server.asked.clear()
    server.tokens.clear()
    server.life_s = 3600
    return server


class Stage:
    def __init__(self, gateway: RunningGateway, upstream: Upstream, oauth: OAuthServer) -> None:
        self.gateway, self.upstream, self.oauth = gateway, upstream, oauth

    async def chat(self, **more: Any) -> Any:
        async with self.gateway.caller() as caller:
            return await caller.post("/v1/chat/completions", CHAT | more)

    def used(self) -> list[str]:
        """Whose token came with each request."""
        sent = [(request.header("authorization") or "").removeprefix("Bearer ") for request in self.upstream.requests]
        users = {token.told["access_token"]: token.user for token in self.oauth.tokens}
        return [users[token] for token in sent]


@pytest.fixture
async def stage(start_gateway: StartGateway, upstream: Upstream, oauth: OAuthServer) -> Stage:
    gateway = await start_gateway(
        upstreams=[link(upstream, name="main", account="acme", max_retries=0)], sign_in={"acme": oauth.sign_in()}
    )
    return Stage(gateway, upstream, oauth)


async def test_each_request_has_the_token_of_the_account_whose_turn_it_is(stage: Stage) -> None:
    for label in ("anna", "bert"):
        await sign_in(stage.gateway, stage.oauth, label)
    for _ in range(4):
        assert (await stage.chat()).status == 200
    used = stage.used()
    assert sorted(used[:2]) == ["anna", "bert"]
    assert used[2:] == used[:2]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_account_at_its_limit_is_passed_by_within_the_request(stage: Stage, stream: bool) -> None:
    for label in ("anna", "bert"):
        await sign_in(stage.gateway, stage.oauth, label)
    stage.upstream.script(Answer.status(429, retry_after=60), Answer.text("served"))
    called = await stage.chat(stream=stream)
    assert (called.status, b"served" in called.body) == (200, True)
    first, second = stage.used()
    assert {first, second} == {"anna", "bert"}
    states = {label: one["state"] for label, one in (await accounts(stage.gateway)).items()}
    assert states == {first: "resting", second: "ready"}
    for _ in range(3):
        assert (await stage.chat()).status == 200
    assert stage.used()[2:] == [second] * 3
    record = (await stage.gateway.records(4))[-1]
    assert (record["status"], record["attempts"]) == (200, 1)


async def test_when_all_are_at_their_limit_the_client_is_told_the_shortest_wait(stage: Stage) -> None:
    for label in ("anna", "bert", "carl"):
        await sign_in(stage.gateway, stage.oauth, label)
    stage.upstream.script(*(Answer.status(429, retry_after=seconds) for seconds in (500, 90, 3000)))
    for asked in (3, 3):
        called = await stage.chat()
        assert called.status == 429
        assert 85 <= int(called.headers["retry-after"]) <= 90
        assert called.json["error"]["message"] == "upstream main is at the limit of all its accounts"
        assert called.json["error"]["code"] == "rate_limit_exceeded"
        assert len(stage.upstream.requests) == asked


async def test_a_limit_of_a_week_is_kept_to(stage: Stage) -> None:
    await sign_in(stage.gateway, stage.oauth, "anna")
    stage.upstream.script(Answer.status(429, retry_after=600_000))
    called = await stage.chat()
    assert (called.status, 599_990 <= int(called.headers["retry-after"]) <= 600_000) == (429, True)
    assert (await accounts(stage.gateway))["anna"]["state"] == "resting"


async def test_a_token_that_is_refused_is_renewed_within_the_request(stage: Stage) -> None:
    await sign_in(stage.gateway, stage.oauth, "anna")
    stage.upstream.script(Answer.status(401), Answer.text("served"))
    called = await stage.chat()
    assert (called.status, called.json["choices"][0]["message"]["content"]) == (200, "served")
    first, second = [request.header("authorization") for request in stage.upstream.requests]
    assert first != second
    assert stage.oauth.asked["refresh_token"] == 1


async def test_fifty_requests_at_once_with_an_ended_token_renew_it_once(stage: Stage) -> None:
    stage.oauth.life_s = 0
    await sign_in(stage.gateway, stage.oauth, "anna")
    stage.oauth.life_s = 3600
    called = await asyncio.gather(*(stage.chat() for _ in range(50)))
    assert {one.status for one in called} == {200}
    assert stage.oauth.asked["refresh_token"] == 1
    assert len({request.header("authorization") for request in stage.upstream.requests}) == 1


async def test_without_an_account_the_client_is_told_and_the_upstream_not_asked(stage: Stage) -> None:
    for _ in range(8):
        called = await stage.chat()
        assert (called.status, called.json["error"]["message"]) == (
            503,
            "upstream main has no account that can be used",
        )
    assert not stage.upstream.requests
    # That says nothing of the upstream's health: it serves as soon as somebody signs in.
    await sign_in(stage.gateway, stage.oauth, "anna")
    assert (await stage.chat()).status == 200


async def test_another_upstream_serves_while_the_accounts_rest(
    start_gateway: StartGateway, upstream: Upstream, oauth: OAuthServer
) -> None:
    async with Upstream() as spare:
        gateway = await start_gateway(
            upstreams=[link(upstream, name="main", account="acme"), link(spare, name="spare", priority=1)],
            sign_in={"acme": oauth.sign_in()},
        )
        stage = Stage(gateway, upstream, oauth)
        assert (await stage.chat()).headers["x-jackfield-upstream"] == "spare"
        await sign_in(gateway, oauth, "anna")
        assert (await stage.chat()).headers["x-jackfield-upstream"] == "main"
        upstream.script(Answer.status(429, retry_after=60))
        assert (await stage.chat()).headers["x-jackfield-upstream"] == "spare"
        assert all(request.header("authorization") is None for request in spare.requests)


async def test_hooks_see_no_token_and_cannot_lead_it_elsewhere(
    start_gateway: StartGateway, upstream: Upstream, oauth: OAuthServer
) -> None:
    source = """
        from jackfield.sdk import Plugin, Replace, hook
        import msgspec

        class Curious(Plugin):
            @hook("attempt")
            async def look(self, exchange):
                outgoing = exchange.outgoing
                seen = (b"x-seen", repr(outgoing.headers).encode())
                return Replace(msgspec.structs.replace(outgoing, headers=(*outgoing.headers, seen)))
    """
    gateway = await start_gateway(
        plugins={"curious": source},
        upstreams=[link(upstream, name="main", account="acme")],
        sign_in={"acme": oauth.sign_in()},
    )
    await sign_in(gateway, oauth, "anna")
    assert (await Stage(gateway, upstream, oauth).chat()).status == 200
    (request,) = upstream.requests
    token = oauth.tokens[0].told["access_token"]
    assert request.header("authorization") == f"Bearer {token}"
    assert token not in (request.header("x-seen") or token)


@pytest.mark.parametrize("runtime", ["inprocess", "isolated"])
async def test_a_plugin_gets_the_header_of_a_sign_in_that_it_declares_and_of_no_other(
    start_gateway: StartGateway, upstream: Upstream, oauth: OAuthServer, runtime: str
) -> None:
    declared = json.dumps(oauth.sign_in(name="own") | {"scopes": ["chat"]})
    source = f"""
        import json
        from jackfield.sdk import NotGranted, Plugin, SignIn, route

        class Asker(Plugin):
            permissions = ("credentials:use",)
            sign_ins = (SignIn(**json.loads('''{declared}''')),)

            @route("/ask/{{name}}")
            async def ask(self, name: str) -> dict:
                try:
                    used = await self.services.credentials.header(name)
                except Exception as error:
                    return {{"error": type(error).__name__, "message": str(error)}}
                again = await self.services.credentials.report(used, 200)
                return {{"value": used.value, "again": again, "shown": str(used)}}
    """
    other = source.replace("Asker", "Other").replace('"own"', '"others"').replace('"name": "own"', '"name": "others"')
    gateway = await start_gateway(
        plugins={"asker": source, "other": other},
        sign_in={"lent": oauth.sign_in(), "acme": oauth.sign_in()},
        accounts={"plugins": {"lent": ["asker"]}},
        environ={"JACKFIELD_PLUGINS__CONFIG__ASKER__RUNTIME": runtime},
    )
    for provider in ("lent", "acme"):
        await sign_in(gateway, oauth, "anna", provider)
    async with gateway.caller() as caller:
        lent = (await caller.get("/plugins/asker/ask/lent")).json
        assert (lent["value"], lent["again"]) == (f"Bearer {oauth.tokens[0].told['access_token']}", False)
        assert lent["value"] not in lent["shown"]
        assert oauth.tokens[0].told["refresh_token"] not in str(lent)
        for plugin, name in (("asker", "acme"), ("other", "lent"), ("asker", "nonsense")):
            refused = (await caller.get(f"/plugins/{plugin}/ask/{name}")).json
            assert refused["error"] == "ValueError"
            assert "does not declare the sign-in" in refused["message"]
        own = (await caller.get("/plugins/asker/ask/own")).json
        assert own == {
            "error": "Unavailable",
            "message": "no account of own is signed in: `jackfield auth login own`",
        }


async def test_a_token_that_an_upstream_says_back_is_shown_to_nobody(stage: Stage) -> None:
    await sign_in(stage.gateway, stage.oauth, "anna")
    token = stage.oauth.tokens[0].told["access_token"]
    echoed = json.dumps({"error": {"message": f"no such plan for {token}", "type": "invalid_request_error"}}).encode()
    stage.upstream.script(Answer.body(echoed, status=400))
    with capture_logs() as logged:
        called = await stage.chat()
    assert called.status == 400
    assert token.encode() not in called.body
    assert "no such plan for ***" in called.json["error"]["message"]
    assert token not in str(logged)
    assert token not in str((await stage.gateway.admin("/api/v1/traces")).body)


async def test_an_upstream_may_use_the_sign_in_of_a_plugin(
    start_gateway: StartGateway, upstream: Upstream, oauth: OAuthServer
) -> None:
    source = f"""
        import json
        from jackfield.sdk import Plugin, SignIn

        class Declarer(Plugin):
            sign_ins = (SignIn(**json.loads('''{json.dumps(oauth.sign_in(name="own"))}''')),)
    """
    gateway = await start_gateway(plugins={"declarer": source}, upstreams=[link(upstream, account="own")])
    told = (await gateway.admin("/oauth/providers")).json["providers"]
    assert [(one["name"], one["declared_by"]) for one in told] == [("own", "declarer")]
    # What a plugin declares must be public: a code never goes to this machine, nor to another inside.
    asked = {"flow": "device"}
    refused = await gateway.admin("/oauth/own/login", "POST", asked)
    assert refused.status == 409
    assert "is a loopback address, not a public one" in refused.json["error"]["message"]
    assert not oauth.devices


async def test_a_plugin_that_cannot_say_what_it_lists_stops_nobody_elses_accounts(
    start_gateway: StartGateway, upstream: Upstream, oauth: OAuthServer
) -> None:
    declared = json.dumps(oauth.sign_in(name="own"))
    plugins = {
        "ailing": """
            from jackfield.sdk import Plugin, route

            class Ailing(Plugin):
                is_ill = False

                @route("/fall-ill")
                async def fall_ill(self) -> dict:
                    self.is_ill = True
                    return {}

                @property
                def sign_ins(self):
                    if self.is_ill:
                        raise RuntimeError("not now")
                    return ()
        """,
        "declarer": f"""
            import json
            from jackfield.sdk import Plugin, SignIn

            class Declarer(Plugin):
                sign_ins = (SignIn(**json.loads('''{declared}''')),)
        """,
    }
    gateway = await start_gateway(plugins=plugins, upstreams=[link(upstream, name="main", account="own")])
    async with gateway.caller() as caller:
        assert (await caller.get("/plugins/ailing/fall-ill")).status == 200
    told = (await gateway.admin("/oauth/providers")).json["providers"]
    assert [one["name"] for one in told] == ["own"]
    called = await Stage(gateway, upstream, oauth).chat()
    assert (called.status, called.json["error"]["message"]) == (503, "upstream main has no account that can be used")
