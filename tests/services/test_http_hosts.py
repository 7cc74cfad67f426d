"""A plugin that lists hosts in its manifest reaches these, and of these only what is public."""

from __future__ import annotations

import pytest

from jackfield.services.http import PluginHttp

from .conftest import MakeHttp
from .internet import Internet, redirected, refuse, within


@pytest.fixture
def http(make_http: MakeHttp) -> PluginHttp:
    return make_http(("api.example", "*.Wide.example"))


@pytest.mark.parametrize("host", ["api.example", "API.example.", "a.wide.example", "a.b.wide.example"])
async def test_its_hosts_are_reached(http: PluginHttp, host: str) -> None:
    assert (await within(http.get(f"http://{host}/"))).status == 200


@pytest.mark.parametrize(
    "host",
    ["other.example", "wide.example", "notwide.example", "api.example.evil.example", "8.8.8.8", "xapi.example"],
)
async def test_others_are_not(http: PluginHttp, internet: Internet, host: str) -> None:
    assert "not on the list" in await refuse(http, internet, f"http://{host}/")


async def test_nor_by_way_of_a_redirect(http: PluginHttp, internet: Internet) -> None:
    internet.answers["api.example"] = redirected("http://other.example/")
    assert "not on the list" in await refuse(http, internet, "http://api.example/", after=1)


async def test_what_it_lists_must_be_public_too(make_http: MakeHttp, internet: Internet) -> None:
    internet.names["api.example"] = [("10.0.0.1",)]
    http = make_http(("127.0.0.1", "localhost", "api.example", "metadata.google.internal"))
    for host in ("127.0.0.1", "localhost", "api.example", "metadata.google.internal"):
        await refuse(http, internet, f"http://{host}:{internet.port}/")


async def test_an_empty_list_allows_nothing(make_http: MakeHttp, internet: Internet) -> None:
    assert "not on the list" in await refuse(make_http(()), internet, "http://public.example/")


async def test_what_another_plugin_has_opened_is_not_open_to_it(
    http: PluginHttp, make_http: MakeHttp, internet: Internet
) -> None:
    assert (await within(make_http().get("http://other.example/"))).status == 200
    assert "not on the list" in await refuse(http, internet, "http://other.example/", after=1)
