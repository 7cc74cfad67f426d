"""Both tools against an open-meteo.com that is scripted."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from jackfield.sdk import UpstreamTimeout
from jackfield.testing import FakeHost

FOLDER = Path(__file__).resolve().parents[1]
BERGEN = {"results": [{"id": 3161732, "name": "Bergen", "latitude": 60.39, "longitude": 5.32, "country": "Norway"}]}
NOW = {
    "time": "2026-03-01T12:00", "interval": 900, "temperature_2m": 4.2, "apparent_temperature": 0.5,
    "relative_humidity_2m": 93, "wind_speed_10m": 24.1, "weather_code": 63,
}  # fmt: skip
DAILY = {
    "time": ["2026-03-01", "2026-03-02"], "weather_code": [63, 0], "temperature_2m_min": [2.1, 1.0],
    "temperature_2m_max": [5.0, 7.5], "precipitation_probability_max": [100, None],
}  # fmt: skip

pytestmark = pytest.mark.asyncio


def open_meteo(request):
    url = urlsplit(request.url)
    query = parse_qs(url.query)
    if url.hostname == "geocoding-api.open-meteo.com":
        return BERGEN if query["name"] == ["Bergen"] else {"generationtime_ms": 0.3}
    return {"current": NOW} if "current" in query else {"daily": DAILY}


async def test_the_current_weather_is_told():
    async with FakeHost(FOLDER, http=open_meteo) as host:
        reply = await host.call_tool("current", {"place": "Bergen"})
    assert reply.result == {
        "place": "Bergen, Norway", "at": "2026-03-01T12:00", "sky": "rain", "temperature": 4.2, "feels_like": 0.5,
        "units": "celsius", "humidity_percent": 93, "wind_kmh": 24.1,
    }  # fmt: skip


async def test_the_next_days_are_told():
    async with FakeHost(FOLDER, http=open_meteo) as host:
        reply = await host.call_tool("forecast", {"place": "Bergen", "days": 2, "units": "fahrenheit"})
        asked = parse_qs(urlsplit(host.sent_outside[-1].url).query)
    assert reply.result["days"] == [
        {"day": "2026-03-01", "sky": "rain", "lowest": 2.1, "highest": 5.0, "rain_percent": 100},
        {"day": "2026-03-02", "sky": "clear", "lowest": 1.0, "highest": 7.5, "rain_percent": None},
    ]
    assert (asked["forecast_days"], asked["temperature_unit"]) == (["2"], ["fahrenheit"])


async def test_an_answer_is_used_again_for_five_minutes():
    async with FakeHost(FOLDER, http=open_meteo) as host:
        first = await host.call_tool("current", {"place": "Bergen"})
        host.clock.advance(299)
        assert await host.call_tool("current", {"place": "bergen"}) == first
        assert len(host.sent_outside) == 2
        host.clock.advance(2)
        await host.call_tool("current", {"place": "Bergen"})
        assert len(host.sent_outside) == 4


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({}, "There is no place called 'Bergen'"),
        (503, "The weather service answered 503: it does not say why"),
        ({"results": [{"name": "Bergen"}]}, "something else than weather: Object missing required field `latitude`"),
        ("<html>", "something else than weather"),
        (UpstreamTimeout("no answer"), "The weather service cannot be reached: no answer"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(answer, told):
    def outside(request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with FakeHost(FOLDER, http=outside) as host:
        reply = await host.call_tool("current", {"place": "Bergen"})
        assert (reply.success, told in reply.error) == (False, True)
        assert (await host.call_tool("current", {"place": "Bergen"})).error == reply.error, "errors are not kept"


@pytest.mark.parametrize("arguments", [{}, {"place": ""}, {"place": "Bergen", "days": 8}, {"place": 1}])
async def test_what_does_not_fit_never_reaches_the_service(arguments):
    async with FakeHost(FOLDER, http=open_meteo) as host:
        assert not (await host.call_tool("forecast", arguments)).success
        assert host.sent_outside == []


async def test_questions_about_the_weather_are_counted():
    host = FakeHost(FOLDER)
    async with host:
        for content in ("What is the WEATHER like?", "Will it rain?", "Hello", "A train, please"):
            await host.announce("message:received", {"content": content})
        await host.announce("message:received", {})
    assert host.kv.kept()["questions"] == 2
