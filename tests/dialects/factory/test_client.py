"""The HTTP client that plugins are given."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from jackfield.dialects.factory import client as factory_client
from jackfield.dialects.factory.client import ClientPool, open_client
from jackfield.errors import ConnectFailed, EgressRefused, UpstreamError, UpstreamTimeout
from jackfield.sdk.http import HttpResponse
from jackfield.testing import until

from .guide import system
from .house import put


class Broker:
    """Stands for the gateway's."""

    def __init__(self, fault: UpstreamError | None = None) -> None:
        self.fault, self.asked = fault, list[dict[str, Any]]()

    async def request(self, method: str, url: str, **given: Any) -> HttpResponse:
        self.asked.append({"method": method, "url": url, **given})
        if self.fault is not None:
            raise self.fault
        headers = {"content-type": "application/json", "content-encoding": "gzip", "content-length": "999"}
        return HttpResponse(status=201, reason="Created", headers=headers, body=b'{"n": 1}', url=url)


@pytest.fixture(autouse=True)
def one_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory_client, "find_library", lambda: httpx2)


async def test_its_requests_are_the_gateways_own() -> None:
    broker: Any = Broker()
    async with open_client(broker) as client:
        answer = await client.post("https://api.example.com/x?y=1", json={"a": 1}, headers={"x-own": "2"}, timeout=3.0)
    assert (answer.status_code, answer.json()) == (201, {"n": 1})
    (asked,) = broker.asked
    assert (asked["method"], asked["url"], asked["body"]) == ("POST", "https://api.example.com/x?y=1", b'{"a":1}')
    assert (asked["headers"]["x-own"], "host" in asked["headers"]) == ("2", False)
    assert (asked["timeout_s"], asked["follow"]) == (3.0, False)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (UpstreamTimeout("late"), httpx2.ReadTimeout),
        (EgressRefused("not there"), httpx2.UnsupportedProtocol),
        (ConnectFailed("refused"), httpx2.ConnectError),
        (UpstreamError("broke off", sent=True), httpx2.ReadError),
    ],
)
async def test_its_errors_are_those_that_authors_know(fault: UpstreamError, kind: type[Exception]) -> None:
    broker: Any = Broker(fault)
    async with open_client(broker) as client:
        with pytest.raises(kind, match=fault.message):
            await client.get("https://api.example.com/")


async def test_a_pool_has_the_one_client() -> None:
    broker: Any = Broker()
    async with open_client(broker) as client:
        pool = ClientPool(client)
        assert await pool.get_client("https://a.example") is await pool.get_shared_client() is client
        assert await pool.get_streaming_client("https://b.example") is client


CLIENTS = """
    async def _on_initialize(self):
        pool, container = self.context.http_pool_manager, self.context.service_container
        seen.extend([self.context.http_client, container.get_http_client(), await pool.get_client("https://x.test")])
        try:
            await self.context.http_client.get("http://127.0.0.1:1/")
        except Exception as error:
            seen.append(type(error).__name__)
"""


async def test_a_plugin_has_one_client_which_ends_with_it(open_house: Any) -> None:
    house = await open_house(plugins={"asks": system("asks", CLIENTS)})
    first, second, third, refused = house.module("asks").seen
    assert first is second is third
    assert refused == "UnsupportedProtocol"
    assert not first.is_closed
    put(house.gateway.folder / "plugins", "asks", system("asks"))
    await house.gateway.admin("/api/v1/plugins/hot-swap", "POST", {})

    async def is_closed() -> bool:
        return bool(first.is_closed)

    assert await until(is_closed, bool)
