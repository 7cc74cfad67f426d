"""The plugin in TypeScript as the gateway runs it: in a process of its own."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from jackfield.testing import FakeHost
from jackfield.testing.granting import HttpRequest

from .folders import EXAMPLES

BERGEN = {"results": [{"name": "Bergen", "latitude": 60.39, "longitude": 5.32, "country": "Norway"}]}
NOW = {"current": {"temperature_2m": 4.2, "apparent_temperature": 0.5, "weather_code": 63}}
RAIN = {"place": "Bergen, Norway", "units": "celsius", "sky": "rain", "temperature": 4.2, "feelsLike": 0.5}


def open_meteo(request: HttpRequest) -> Any:
    url = urlsplit(request.url)
    if url.hostname == "geocoding-api.open-meteo.com":
        return BERGEN if parse_qs(url.query)["name"] == ["Bergen"] else {"generationtime_ms": 0.3}
    return NOW


async def test_it_answers_counts_and_keeps() -> None:
    async with FakeHost(EXAMPLES / "weather-ts", http=open_meteo) as host:
        for place in ("Bergen", "bergen"):
            assert (await host.call_tool("get_weather", {"location": place})).result == RAIN
        assert len(host.sent_outside) == 2
        nowhere = await host.call_tool("get_weather", {"location": "Nowhere"})
        assert "There is no place called" in (nowhere.error or "")
        assert "Invalid input" in (
            (await host.call_tool("weather_forecast", {"location": "Oslo", "days": 8})).error or ""
        )
        await host.announce("message:received", {"content": "Will it rain?"})
    assert host.kv.kept(namespace="default")["questions"] == 1
