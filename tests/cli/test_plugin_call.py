"""`jackfield plugin call`: one tool, as a model would call it."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from .conftest import Run

SOURCE = """
    from jackfield.sdk import Plugin
    from jackfield.sdk.tools import ToolContext, ToolFailed, tool

    class Weather(Plugin):
        permissions = ("tools:register", "http:outbound")

        @tool("Tells the weather.")
        async def get_weather(self, city: str, *, context: ToolContext):
            if city == "Atlantis":
                raise ToolFailed("there is no such city")
            return {"city": city, "for": context.caller.user}

        @tool("Fetches.")
        async def fetch(self):
            return (await self.services.http.get("https://example.com/")).status
"""


@pytest.fixture
def plugin(folder: Path) -> str:
    place = folder / "plugins" / "weather"
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(dedent(SOURCE))
    return str(place.relative_to(folder))


def test_a_tool_is_called_and_its_reply_printed(run: Run, plugin: str) -> None:
    called = run("plugin", "call", plugin, "get_weather", "--input", '{"city": "Oslo"}', "--user", "alice")
    assert called.code == 0, called.err
    assert json.loads(called.out) == {"success": True, "result": {"city": "Oslo", "for": "alice"}, "error": None}


def test_input_may_stand_in_a_file(run: Run, plugin: str, folder: Path) -> None:
    (folder / "input.json").write_text('{"city": "Atlantis"}')
    called = run("plugin", "call", plugin, "plugin_weather_get_weather", "--input", "input.json")
    assert called.code == 1
    assert json.loads(called.out)["error"] == "there is no such city"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing",), "weather has no tool 'nothing'; it has: fetch, get_weather"),
        (("get_weather", "--input", "[1]"), "--input: expected a JSON object"),
        (("get_weather", "--input", "{"), "--input: expected a JSON object or a file of one"),
        (("get_weather", "--input", "gone.json"), "gone.json: --input: expected a JSON object or a file of one"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(run: Run, plugin: str, arguments: tuple[str, ...], told: str) -> None:
    called = run("plugin", "call", plugin, *arguments)
    assert called.code == 1
    assert told in called.err
    assert len(called.err.strip().splitlines()) == 1


def test_input_that_does_not_fit_is_the_reply(run: Run, plugin: str) -> None:
    called = run("plugin", "call", plugin, "get_weather")
    assert called.code == 1
    assert '"city" is a required property' in json.loads(called.out)["error"]


def test_offline_nothing_goes_out(run: Run, plugin: str) -> None:
    called = run("plugin", "call", plugin, "fetch", "--offline")
    assert "the trial has no outside" in json.loads(called.out)["error"]
