"""Plugins reach the public internet and nothing else, however they write what they ask for."""

from __future__ import annotations

import pytest

from jackfield.errors import EgressRefused, UpstreamBroken
from jackfield.services.http import PluginHttp

from .egress_cases import HOSTS, INWARD, LOCATIONS, URLS
from .internet import OTHER, PUBLIC, Internet, redirected, refuse, said, within


def test_there_are_many_ways_inwards() -> None:
    for cases in (HOSTS, URLS, INWARD, LOCATIONS):
        assert len(set(cases)) == len(cases)
    assert len(HOSTS) + len(URLS) + len(INWARD) + len(LOCATIONS) > 300


@pytest.mark.parametrize("host", HOSTS)
async def test_no_spelling_of_a_host_leads_inwards(http: PluginHttp, internet: Internet, host: str) -> None:
    await refuse(http, internet, f"http://{host}:{internet.port}/")


@pytest.mark.parametrize("url", URLS)
async def test_no_spelling_of_a_url_does(http: PluginHttp, internet: Internet, url: str) -> None:
    await refuse(http, internet, url.format(port=internet.port))


@pytest.mark.parametrize("addresses", INWARD)
async def test_no_name_does_whatever_it_resolves_to(
    http: PluginHttp, internet: Internet, addresses: tuple[str, ...]
) -> None:
    internet.names["inward.example"] = [addresses]
    told = await refuse(http, internet, f"http://inward.example:{internet.port}/?key=hidden")
    assert "inward.example" in told
    assert "hidden" not in told


@pytest.mark.parametrize("location", LOCATIONS)
async def test_no_redirect_does(http: PluginHttp, internet: Internet, location: str) -> None:
    internet.names |= {"inward.example": [("10.0.0.1",)], "turning.example": [("192.168.0.1",)]}
    internet.answers["public.example"] = redirected(location.format(port=internet.port))
    await refuse(http, internet, "http://public.example/", after=1)
    assert internet.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_later_redirect_is_checked_like_the_first(http: PluginHttp, internet: Internet, status: int) -> None:
    internet.answers["one.example"] = redirected("http://two.example/", status)
    internet.answers["two.example"] = redirected(f"http://127.0.0.1:{internet.port}/", status)
    assert "loopback" in await refuse(http, internet, "http://one.example/", after=2)


async def test_a_name_that_turns_inwards_is_refused_when_it_has(http: PluginHttp, internet: Internet) -> None:
    """Rebinding: the first answer is public, and the server closes, so that the second request looks up again."""
    internet.names["turning.example"] = [(PUBLIC,), ("127.0.0.1",)]
    url = f"http://turning.example:{internet.port}/"
    internet.answers[f"turning.example:{internet.port}"] = lambda _: said(b"", "connection: close")
    assert (await within(http.get(url))).status == 200
    with pytest.raises(EgressRefused, match="loopback"):
        await within(http.get(url))
    assert internet.connected == [(PUBLIC, internet.port)]


async def test_a_redirect_to_the_same_name_looks_at_the_new_address(http: PluginHttp, internet: Internet) -> None:
    internet.names["turning.example"] = [(PUBLIC,), ("10.0.0.9",)]
    internet.answers["turning.example"] = redirected("http://turning.example:8080/")
    assert "10.0.0.9" in await refuse(http, internet, "http://turning.example/", after=1)


@pytest.mark.parametrize("addresses", [("10.0.0.1", PUBLIC), (PUBLIC, "127.0.0.1"), ("::1", OTHER, "10.0.0.1")])
async def test_of_mixed_answers_only_the_public_ones_are_connected_to(
    http: PluginHttp, internet: Internet, addresses: tuple[str, ...]
) -> None:
    internet.names["mixed.example"] = [addresses]
    assert (await within(http.get("http://mixed.example/"))).status == 200
    assert internet.inward == []


PROXIES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]


@pytest.mark.parametrize("variable", PROXIES)
async def test_a_proxy_of_the_environment_is_not_used(
    http: PluginHttp, internet: Internet, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{internet.port}")
    assert (await within(http.get("http://public.example/x"))).text() == "here"
    assert internet.connected == [(PUBLIC, 80)]
    assert internet.requests[0].path == "/x"


ALLOWED = {
    "http://public.example/": ("public.example", PUBLIC, 80),
    "HTTP://PUBLIC.Example./": ("public.example", PUBLIC, 80),
    "http://10.evil.com/": ("10.evil.com", PUBLIC, 80),
    "http://127.0.0.1.nip.example/": ("127.0.0.1.nip.example", PUBLIC, 80),
    "http://192.168.example.com:8080/": ("192.168.example.com:8080", PUBLIC, 8080),
    "http://169.254.169.254.public.example/": ("169.254.169.254.public.example", PUBLIC, 80),
    "http://localhost.example/": ("localhost.example", PUBLIC, 80),
    "http://metadata.example/": ("metadata.example", PUBLIC, 80),
    "http://internal.example/": ("internal.example", PUBLIC, 80),
    "http://fd00.example/": ("fd00.example", PUBLIC, 80),
    "http://8.8.8.8/": ("8.8.8.8", "8.8.8.8", 80),
    "http://[2606:4700::1111]/": ("[2606:4700::1111]", OTHER, 80),
    "http://[::ffff:8.8.8.8]/": ("[::ffff:808:808]", "::ffff:808:808", 80),
    "http://6to4.example/": ("6to4.example", OTHER, 80),
    "http://xn--nicode-2ya.example/": ("xn--nicode-2ya.example", PUBLIC, 80),
    "http://public.example#@127.0.0.1/": ("public.example", PUBLIC, 80),
    "http://public.example/@127.0.0.1/?u=http://127.0.0.1#x": ("public.example", PUBLIC, 80),
}


@pytest.mark.parametrize("url", ALLOWED)
async def test_what_is_public_is_reached_at_the_address_that_was_checked(
    http: PluginHttp, internet: Internet, url: str
) -> None:
    internet.names["6to4.example"] = [(OTHER,)]
    host, address, port = ALLOWED[url]
    assert (await within(http.get(url))).text() == "here"
    assert internet.connected == [(address, port)]
    assert internet.requests[0].host == host


async def test_redirects_within_the_public_internet_are_followed(http: PluginHttp, internet: Internet) -> None:
    for number in range(5):
        internet.answers[f"n{number}.example"] = redirected(f"//n{number + 1}.example/{number}?a=b#c")
    answered = await within(http.get("http://n0.example/"))
    assert (answered.status, answered.url) == (200, "http://n5.example/4?a=b")


async def test_a_circle_of_redirects_ends(http: PluginHttp, internet: Internet) -> None:
    internet.answers["round.example"] = redirected("/again")
    with pytest.raises(UpstreamBroken, match=r"http://round\.example: more than 5 redirects"):
        await within(http.get("http://round.example/"))
    assert len(internet.requests) == 6
