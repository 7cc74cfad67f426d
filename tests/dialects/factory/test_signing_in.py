"""Sign-in plugins, and providers that use an account of the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.oauth_server import OAuthServer, run_oauth_server
from tests.signing_in import sign_in

from jackfield.dialects.factory.signing_in import read_sign_in
from jackfield.testing import Upstream, until

from .guide import system
from .test_events import EVENTS, WATCH
from .test_providing import PROVIDER, SECRET

SIGNS_IN = """
from ccproxy.plugins import AuthProviderPluginFactory, AuthProviderPluginRuntime, PluginManifest
from pydantic import BaseModel

class Config(BaseModel):
    authorize_url: str = "https://id.example.com/authorize"
    token_url: str = "https://id.example.com/token"
    client_id: str = "client-1"
    scopes: list[str] = ["chat", "offline"]
    callback_port: int = 54545

class Provider:
    provider_name, provider_display_name = "shop", "The shop"

    def __init__(self, config):
        self.config = config

class Factory(AuthProviderPluginFactory):
    def create_auth_provider(self, context=None):
        return Provider(context.config)

factory = Factory(PluginManifest(name="oauth_shop", version="1.0.0", is_provider=True, config_class=Config))
"""


@pytest.fixture(scope="module")
def oauth() -> Iterator[OAuthServer]:
    with run_oauth_server() as server:
        yield server


async def test_a_sign_in_plugins_provider_is_signed_in_to_through_the_gateway(open_house: Any) -> None:
    house = await open_house(plugins={"oauth_shop": SIGNS_IN})
    listed = (await house.gateway.admin("/oauth/providers")).json["providers"]
    (shop,) = [one for one in listed if one["name"] == "shop"]
    assert (shop["declared_by"], shop["title"], shop["scopes"]) == ("oauth_shop", "The shop", ["chat", "offline"])
    assert shop["callback"]["port"] == 54545
    back = "http://localhost:54545/callback"
    begun = await house.gateway.admin("/oauth/shop/login", "POST", {"flow": "loopback", "redirect_url": back})
    assert begun.status == 200, begun.body
    url = urlsplit(begun.json["url"])
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (url.hostname, asked["client_id"], asked["code_challenge_method"]) == ("id.example.com", "client-1", "S256")
    assert (await house.described("oauth_shop"))["type"] == "auth_provider"
    assert not hasattr(house.member("oauth_shop"), "target")


async def test_a_provider_uses_an_account_that_it_is_lent(
    open_house: Any, upstream: Upstream, oauth: OAuthServer
) -> None:
    source = (
        PROVIDER.replace("__FORMAT__", "FORMAT_OPENAI_CHAT")
        .replace("__ENDPOINT__", "None")
        .replace("__URL__", upstream.openai_url)
        .replace('"Bearer __SECRET__"', '"Bearer " + await self.auth_manager.get_access_token()')
        .replace("config, context):", "config, context, auth_manager):\n        self.auth_manager = auth_manager")
        .replace("    routers = [", '    auth_manager_name = "acme"\n    routers = [')
    )
    plugins = {"acme": source, "watcher": system("watcher", WATCH, before=EVENTS)}
    house = await open_house(
        plugins=plugins, sign_in={"acme": oauth.sign_in()}, accounts={"plugins": {"acme": ["acme"]}}
    )
    await house.settle()
    house.module("watcher").seen.clear()
    assert (await house.chat(model="acme-1")).status == 503
    await sign_in(house.gateway, oauth, "anna")
    assert (await house.chat(model="acme-1")).status == 200
    sent = upstream.requests[-1].header("authorization")
    assert (sent.startswith("Bearer "), SECRET in sent, len(sent) > 20) == (True, False, True)
    await until(partial(_heard, house), lambda heard: len(heard) >= 2)
    heard = await _heard(house)
    assert [one.event.value for one in heard][:2] == ["oauth.token.request", "oauth.token.response"]
    assert {one.provider for one in heard} == {"acme"}
    assert sent.removeprefix("Bearer ") not in repr([vars(one) for one in house.module("watcher").seen])


async def _heard(house: Any) -> list[Any]:
    return [one for one in house.module("watcher").seen if one.event.value.startswith("oauth.")]


def test_what_is_not_said_makes_no_sign_in() -> None:
    told: dict[str, Any] = {"token_url": "https://x.test/t", "authorize_url": "https://x.test/a"}
    provider = SimpleNamespace(provider_name="x", **told)
    assert read_sign_in(provider, None) is None
    assert read_sign_in(None, SimpleNamespace(client_id="c", **told)) is None
    found = read_sign_in(provider, SimpleNamespace(client_id="c"))
    assert found is not None
    assert (found.name, found.client_id, found.scopes) == ("x", "c", ())
    with pytest.raises(ValueError, match="token_url must begin with"):
        read_sign_in(SimpleNamespace(provider_name="x", token_url="ftp://x", client_id="c"), None)
