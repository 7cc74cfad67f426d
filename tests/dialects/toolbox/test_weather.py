"""A weather plugin of the guide's shape: two tools, a cache with dates in it, a subscription, all four hooks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .fakes import json_answer
from .house import House

PLUGIN = Path(__file__).parent / "plugins" / "street-weather"
OSLO = "https://weather.example.com/now?place=Oslo"


@pytest.fixture
async def weather(house: House) -> House:
    shutil.copytree(PLUGIN, house.folder / "street-weather")
    house.answers[OSLO] = json_answer(OSLO, b'{"celsius": 20, "sky": "Sunny"}')
    assert (await house.start())["street-weather"].reason is None
    return house


async def test_the_second_call_is_served_from_the_cache(weather: House) -> None:
    first = await weather.ask("street-weather", "get_weather", location="Oslo")
    second = await weather.ask("street-weather", "get_weather", location="Oslo")
    assert first == second
    assert (first["temperature"], first["conditions"], first["asked"]) == (20, "Sunny", "alice")
    assert first["timestamp"].endswith("Z")
    assert len(weather.asked) == 1


async def test_both_tools_share_it_and_units_do_not(weather: House) -> None:
    forecast = await weather.ask("street-weather", "weather_forecast", location="Oslo", days=2)
    assert forecast == {"location": "Oslo", "days": [{"day": 1, "temperature": 20}, {"day": 2, "temperature": 21}]}
    fahrenheit = await weather.ask("street-weather", "get_weather", location="Oslo", units="fahrenheit")
    assert fahrenheit["temperature"] == 68
    assert len(weather.asked) == 2


async def test_what_the_schema_refuses_never_reaches_it(weather: House) -> None:
    for arguments, told in (({}, "location"), ({"location": "Oslo", "units": "kelvin"}, "units")):
        reply = await weather.call("plugin_street-weather_get_weather", **arguments)
        assert told in (reply.error or "")
    assert weather.asked == []


async def test_what_fails_is_a_result_that_says_so(weather: House) -> None:
    reply = await weather.call("plugin_street-weather_get_weather", location="Nowhere")
    assert (reply.success, reply.result) == (False, None)
    assert "may not be reached" in (reply.error or "")
    weather.answers[OSLO] = json_answer(OSLO, b"{}", status=503)
    assert (await weather.call("plugin_street-weather_get_weather", location="Oslo")).error == (
        "the weather service answered 503"
    )


async def test_it_hears_of_messages_about_the_weather(weather: House) -> None:
    for content in ("What is the Weather like?", "hello"):
        await weather.bus.tell("message:received", {"content": content})
    assert (await weather.ask("street-weather", "get_weather", location="Oslo"))["mentions"] == 1


async def test_all_four_hooks_run(weather: House, capsys: pytest.CaptureFixture[str]) -> None:
    await weather.host.toggle("street-weather", False, actor="test")
    await weather.host.drained()
    await weather.host.toggle("street-weather", True, actor="test")
    await weather.stop()
    lines = capsys.readouterr().out.splitlines()
    said = [line.partition("Street Weather ")[2].split()[0] for line in lines if "[Plugin:street-weather]" in line]
    assert said == ["disabled", "enabled", "disabled", "unloading"]


async def test_models_are_told_of_the_tools_and_whose_they_are(weather: House) -> None:
    found = {tool.name: tool.as_tool() for tool in weather.host.snapshot.tools}
    assert list(found) == ["plugin_street-weather_get_weather", "plugin_street-weather_weather_forecast"]
    described = found["plugin_street-weather_get_weather"].description
    assert described == "[Plugin: Street Weather] Get current weather information for a location."
