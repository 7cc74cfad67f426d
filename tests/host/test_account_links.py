"""Upstreams that use accounts: the sign-in must be there, and the provider one that asks over HTTP."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from jackfield.control.accounts.accounts import Accounts
from jackfield.errors import ConfigError
from jackfield.host.links import Links
from jackfield.plugins.echo import Echo
from jackfield.plugins.openai import OpenAI
from jackfield.sdk.plugin import PluginConfig
from jackfield.sdk.sign_in import SignIn
from jackfield.settings import Upstream

from .world import StillClock

ACCOUNTS = cast(Accounts, SimpleNamespace(sign_ins=SimpleNamespace(own={"acme": None})))
OURS = SignIn(name="ours", client_id="c", device_url="https://x.example/d", token_url="https://x.example/t")


class Declaring(OpenAI):
    sign_ins = (OURS,)


async def link_of(account: str, failed: frozenset[str] = frozenset(), provider: str = "openai") -> Any:
    upstream = Upstream(name="far", provider=provider, models={"m": "m"}, account=account)
    links = Links((upstream,), StillClock(), lambda: ACCOUNTS)
    plugins = {"openai": Declaring("openai", PluginConfig()), "echo": Echo("echo", cast(Any, PluginConfig()))}
    try:
        return links.routes(plugins, failed).links["far"].account
    finally:
        await links.aclose()


@pytest.mark.parametrize("account", ["acme", "acme/work", "ours"])
async def test_it_asks_for_the_credential_by_name(account: str) -> None:
    assert (await link_of(account)).name == account


async def test_a_sign_in_that_nobody_declares_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"upstream far\.account: there is no sign-in 'acne'; the nearest is 'acme'"):
        await link_of("acne")


async def test_while_a_plugin_does_not_run_it_may_be_the_one_that_declares_it() -> None:
    with capture_logs() as logged:
        assert (await link_of("acne", frozenset({"gone"}))).name == "acne"
    assert [(line["event"], line["sign_in"]) for line in logged] == [("upstream_without_sign_in", "acne")]


async def test_a_provider_in_process_needs_no_account() -> None:
    with pytest.raises(ConfigError, match="provider echo does not ask over HTTP, and needs no account"):
        await link_of("acme", provider="echo")
