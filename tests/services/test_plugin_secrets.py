"""Secrets that a plugin names: where they go, and that they go nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from jackfield.services.http import PluginHttp
from jackfield.services.secrets import Secrets
from jackfield.settings import NamedSecret, Secret

from .conftest import MakeHttp
from .internet import Internet, redirected, said, within

TOKEN, OTHER_TOKEN = "tok-0123456789", "other-9876543210"
URL = "https://api.example/"
PLACE = {"Authorization": "Bearer {secret:weather}"}


def named(value: str, plugins: tuple[str, ...], hosts: tuple[str, ...]) -> NamedSecret:
    secret = NamedSecret(env="IT", plugins=plugins, hosts=hosts)
    secret.take_value(Secret(value))
    return secret


SECRETS = Secrets(
    {
        "weather": named(TOKEN, ("scout",), ("api.example", "*.wide.example")),
        "maps": named(OTHER_TOKEN, ("scout", "rambler"), ("API.example",)),
        "unread": NamedSecret(env="IT", plugins=("scout",), hosts=("api.example",)),
    }
)


@pytest.fixture
async def internet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
    async with Internet() as internet:
        await internet.secure()
        internet.watch(monkeypatch)
        yield internet


@pytest.fixture
def http(make_http: MakeHttp) -> PluginHttp:
    return make_http(secrets=SECRETS)


async def test_a_place_is_filled_on_the_way_out(http: PluginHttp, internet: Internet) -> None:
    headers = PLACE | {"x-both": "{secret:maps}:{secret:weather}", "x-plain": "{secret weather}"}
    await within(http.post(URL, "body of {secret:weather}", headers=headers))
    (request,) = internet.requests
    assert request.secure
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["x-both"] == f"{OTHER_TOKEN}:{TOKEN}"
    assert request.headers["x-plain"] == "{secret weather}"
    assert request.body == b"body of {secret:weather}"


async def test_every_name_below_a_listed_one_may_have_it(http: PluginHttp, internet: Internet) -> None:
    await within(http.get("https://a.wide.example/", headers=PLACE))
    assert internet.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("url", "value", "why"),
    [
        ("https://other.example/", "{secret:weather}", "secret 'weather': other.example is not among the hosts"),
        ("https://wide.example/", "{secret:weather}", "secret 'weather': wide.example is not among the hosts"),
        ("https://api.example.evil.example/", "{secret:weather}", "is not among the hosts that it is for"),
        ("https://a.wide.example/", "{secret:maps}", "secret 'maps': a.wide.example is not among the hosts"),
        ("http://api.example/", "{secret:weather}", "secret 'weather': it is sent over https only"),
        (URL, "{secret:wether}", "there is no secret 'wether'"),
        (URL, "{secret:Weather}", "there is no secret 'Weather'"),
        (URL, "{secret:}", "there is no secret ''"),
        (URL, "{secret:unread}", "there is no secret 'unread'"),
        (URL, "{secret:weather", "goes on with the secret's name"),
    ],
)
async def test_elsewhere_it_is_refused_by_name_and_reason(
    http: PluginHttp, internet: Internet, url: str, value: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        await within(http.get(url, headers={"x-key": value}))
    assert TOKEN not in str(refused.value)
    assert internet.connected == []


async def test_what_was_filled_in_is_not_looked_at_again(http: PluginHttp, internet: Internet) -> None:
    await within(http.get(URL, headers={"x-key": "{secret:{secret:weather}}"}))
    assert internet.requests[0].headers["x-key"] == f"{{secret:{TOKEN}}}"


async def test_another_plugin_does_not_get_it(make_http: MakeHttp, internet: Internet) -> None:
    http = make_http(plugin="rambler", secrets=SECRETS)
    with pytest.raises(ValueError, match="secret 'weather': plugin rambler is not among those that may use it"):
        await within(http.get(URL, headers=PLACE))
    await within(http.get(URL, headers={"x-key": "{secret:maps}"}))
    assert [request.headers.get("x-key") for request in internet.requests] == [OTHER_TOKEN]


async def test_it_has_no_place_in_a_url(http: PluginHttp, internet: Internet) -> None:
    with pytest.raises(ValueError, match="a secret stands in the value of a header"):
        await http.get(URL + "?key={secret:weather}")
    assert internet.connected == []


@pytest.mark.parametrize(
    "location",
    ["https://other.example/", "https://a.wide.example/", "http://api.example/", "https://api.example:8443/"],
)
async def test_it_does_not_follow_a_redirect_to_another_origin(
    http: PluginHttp, internet: Internet, location: str
) -> None:
    internet.answers["api.example"] = lambda request: redirected(location)(request) if request.secure else said(b"")
    await within(http.get(URL, headers={"x-own-name": "{secret:weather}", "x-plain": "p"}))
    first, second = internet.requests
    assert (first.headers["x-own-name"], "x-own-name" in second.headers) == (TOKEN, False)
    assert second.headers["x-plain"] == "p"


async def test_it_follows_one_within_its_origin(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = lambda request: redirected("/next")(request) if request.path == "/" else said(b"")
    await within(http.get(URL, headers=PLACE))
    assert [request.headers["authorization"] for request in internet.requests] == [f"Bearer {TOKEN}"] * 2


async def test_what_a_server_says_back_of_it_is_masked(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = lambda request: said(
        request.headers["authorization"].encode(), f"x-echo: {request.headers['authorization']}"
    )
    answered = await within(http.get(URL, headers=PLACE))
    assert (answered.text(), answered.headers["x-echo"]) == ("Bearer ***", "Bearer ***")
    assert TOKEN not in repr(answered)


async def test_it_is_in_no_log_and_no_error(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = redirected("http://127.0.0.1/")
    told = []
    with capture_logs() as logs:
        for url, headers in ((URL, PLACE), ("http://10.0.0.1/", PLACE), (URL, PLACE | {"a b": "x"})):
            with pytest.raises(Exception, match=r".") as refused:
                await within(http.get(url, headers=headers))
            told.append(repr(refused.value))
    assert len(logs) == 2
    assert TOKEN not in repr(logs) + "".join(told)


def test_nothing_shows_it() -> None:
    secret = named(TOKEN, ("scout",), ("api.example",))
    assert TOKEN not in f"{secret!r} {secret} {secret.model_dump()} {secret.model_dump_json()}"
