"""`jackfield auth` beside a running gateway and a real OAuth server: each flow, and what is said where it fails."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs
from tests.oauth_server import OAuthServer, run_oauth_server
from tests.signing_in import accounts, visit

from jackfield.cli import auth_login
from jackfield.cli.auth_callback import Callback
from jackfield.errors import ConfigError
from jackfield.testing.gateway import RunningGateway

from .conftest import Outcome, Run

StartGateway = Callable[..., Awaitable[RunningGateway]]


@pytest.fixture(scope="module")
def server() -> Iterator[OAuthServer]:
    with run_oauth_server() as server:
        yield server


@pytest.fixture
def oauth(server: OAuthServer) -> OAuthServer:
    server.user, server.interval_s = "anna", 0
    server.tokens.clear()
    return server


class Shell:
    """A command runs in a thread, with an event loop of its own; `opened` are the addresses that it shows."""

    def __init__(self, run: Run, gateway: RunningGateway, patched: pytest.MonkeyPatch) -> None:
        self._run, self.gateway = run, gateway
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        show = auth_login.Login._show

        def note(login: Any, url: str) -> None:
            show(login, url)
            loop.call_soon_threadsafe(self.opened.put_nowait, url)

        patched.setattr(auth_login.Login, "_show", note)

    async def auth(self, *arguments: str) -> Outcome:
        return await asyncio.to_thread(self._run, "auth", *arguments)

    def begin(self, *arguments: str) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self.auth("login", *arguments))

    async def address(self) -> str:
        async with asyncio.timeout(10):
            return await self.opened.get()

    async def refused(self, *arguments: str) -> str:
        outcome = await self.auth(*arguments)
        assert outcome.code == 1, outcome
        return outcome.err.splitlines()[-1].removeprefix("jackfield: ")


@pytest.fixture
async def shell(
    run: Run, start_gateway: StartGateway, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
) -> Any:  # AsyncIterator[Shell]
    with capture_logs():
        gateway = await start_gateway(sign_in={"acme": oauth.sign_in()}, accounts={"public_url": "http://gateway.test"})
        monkeypatch.setenv("JACKFIELD_URL", gateway.url)
        monkeypatch.setenv("JACKFIELD_ADMIN_KEY", gateway.admin_key)
        yield Shell(run, gateway, monkeypatch)


async def follow(url: str) -> tuple[int, str]:
    """Opens the provider's page, and goes where it leads."""
    _, headers, _ = await visit(url)
    status, _, page = await visit(headers["location"])
    return status, page


async def test_a_browser_on_this_machine_signs_in(shell: Shell, oauth: OAuthServer) -> None:
    login = shell.begin("acme", "--account", "work")
    status, page = await follow(await shell.address())
    outcome = await login
    assert (outcome.code, outcome.out) == (0, "signed in: acme/work\n")
    assert (status, "Signed in" in page) == (200, True)
    assert (await accounts(shell.gateway))["work"]["state"] == "ready"
    for token in oauth.tokens:
        assert token.told["access_token"] not in str(outcome)
        assert token.told["refresh_token"] not in str(outcome)


async def test_a_page_that_comes_with_another_state_is_turned_away_and_waited_on(shell: Shell) -> None:
    login = shell.begin("acme", "--json")
    url = await shell.address()
    back = re.search(r"redirect_uri=([^&]+)", url)
    assert back is not None
    base = back[1].replace("%3A", ":").replace("%2F", "/")
    for wrong in (f"{base}?state=made-up&code=x", base, base.replace("/callback", "/")):
        status, _, _ = await visit(wrong)
        assert status == 404
    await follow(url)
    outcome = await login
    assert (outcome.code, json.loads(outcome.out)["account"]) == (0, "account-1")


async def test_an_address_that_is_none_is_turned_away_too() -> None:
    async with asyncio.timeout(10), Callback("127.0.0.1", 0, "/callback") as callback:
        waiting = asyncio.create_task(callback.wait("the-state", 10))
        await asyncio.sleep(0)
        for target in ("//[", "/callback?state=other", "*"):
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(callback.url).port)
            writer.write(f"GET {target} HTTP/1.1\r\n\r\n".encode())
            assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
            writer.close()
        waiting.cancel()


async def test_a_user_who_says_no_is_told_so_here_and_in_the_browser(shell: Shell, oauth: OAuthServer) -> None:
    oauth.user = None
    login = shell.begin("acme")
    _, page = await follow(await shell.address())
    outcome = await login
    assert (outcome.code, outcome.err.splitlines()[-1]) == (1, "jackfield: acme refused: access_denied")
    assert "Not signed in: acme refused: access_denied" in page


async def test_a_code_is_typed_on_another_device(shell: Shell, oauth: OAuthServer) -> None:
    login = shell.begin("acme", "--flow", "device")
    user_code = (await shell.address()).partition("user_code=")[2]
    oauth.granted[user_code] = ("anna", True)
    outcome = await login
    assert outcome.code == 0
    assert outcome.out == f"and type this code: {user_code}\nsigned in: acme/account-1\n"


async def test_an_address_is_pasted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    pasted: list[str] = []

    def paste(*args: Any, **kwargs: Any) -> str:
        url = asyncio.run_coroutine_threadsafe(shell.address(), loop).result(10)
        _, headers, _ = asyncio.run_coroutine_threadsafe(visit(url), loop).result(10)
        pasted.append(headers["location"])
        return headers["location"]

    monkeypatch.setattr("typer.prompt", paste)
    outcome = await shell.auth("login", "acme", "--flow", "manual")
    assert (outcome.code, outcome.out) == (0, "signed in: acme/account-1\n")
    monkeypatch.setattr("typer.prompt", lambda *args, **kwargs: pasted[0])
    assert await shell.refused("login", "acme", "--flow", "manual") == (
        "what was pasted belongs to another sign-in: begin anew"
    )


def test_what_is_pasted_must_have_its_state() -> None:
    assert auth_login.read_pasted(" code#state ") == ("state", "code", "")
    assert auth_login.read_pasted("http://x/cb?code=a&state=b") == ("b", "a", "")
    assert auth_login.read_pasted("http://x/cb?error=access_denied&state=b") == ("b", "", "access_denied")
    for text in ("code", "http://x/cb?code=a", "http://x/cb?code=a&state=b&state=c", "", "http://[x"):
        with pytest.raises(ConfigError, match="the state is missing"):
            auth_login.read_pasted(text)


async def test_any_browser_that_reaches_the_gateway_may_be_used(shell: Shell) -> None:
    outcome = await shell.auth("login", "acme", "--flow", "gateway")
    assert outcome.code == 0
    assert (await shell.address()).startswith("http://gateway.test/oauth/acme/login?ticket=")


async def test_accounts_are_listed_renewed_and_signed_out(shell: Shell, oauth: OAuthServer) -> None:
    assert "not signed in" in (await shell.auth("status")).out
    login = shell.begin("acme", "--account", "work")
    await follow(await shell.address())
    await login
    listed = await shell.auth("status")
    assert re.search(r"acme +work +ready +\d{4}-\d\d-\d\d \d\d:\d\d +yes", listed.out)
    told = json.loads((await shell.auth("status", "--json")).out)
    assert [one["account"] for one in told["accounts"]] == ["work"]
    renewed = await shell.auth("refresh", "acme")
    assert renewed.out.startswith("renewed: acme/work, good until ")
    assert await shell.refused("refresh", "acme", "--account", "home") == "no account is signed in as acme/home"
    ended = await shell.auth("logout", "acme", "--account", "work")
    assert (ended.code, ended.out, ended.err) == (0, "signed out: acme/work\n", "")
    assert all(token.revoked for token in oauth.tokens)
    assert await shell.refused("logout", "acme") == "no account is signed in as acme"


async def test_a_provider_that_is_not_declared_is_named_with_those_that_are(shell: Shell) -> None:
    assert await shell.refused("login", "acne") == "there is no sign-in 'acne': there are acme"


async def test_a_port_that_is_taken_is_said_so(
    run: Run, start_gateway: StartGateway, oauth: OAuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken, capture_logs():
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        gateway = await start_gateway(sign_in={"acme": oauth.sign_in(callback_port=port)})
        monkeypatch.setenv("JACKFIELD_URL", gateway.url)
        monkeypatch.setenv("JACKFIELD_ADMIN_KEY", gateway.admin_key)
        refused = await Shell(run, gateway, monkeypatch).refused("login", "acme")
        assert refused.startswith(f"cannot listen on port {port} for the browser (")


async def test_an_inference_key_signs_nobody_in(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACKFIELD_ADMIN_KEY", shell.gateway.api_key)
    assert "admin key" in await shell.refused("login", "acme")
