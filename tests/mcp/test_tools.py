"""The tools of plugins, as MCP clients see and call them."""

from __future__ import annotations

import json

import pytest

MODES = ("legacy", "auto")


@pytest.fixture(params=MODES)
def mode(request) -> str:
    return request.param


async def test_tools_are_listed_with_full_names_and_schemas(gateway, connect, mode) -> None:
    async with connect(gateway, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    add = tools["plugin_kit_add"]
    assert add.description == "[Plugin: kit] Adds two numbers"
    assert add.input_schema["required"] == ["a", "b"]


async def test_a_result_is_json_text_and_structured_where_it_is_an_object(gateway, connect, mode) -> None:
    async with connect(gateway, mode=mode) as client:
        added = await client.call_tool("plugin_kit_add", {"a": 1, "b": 2})
        said = await client.call_tool("plugin_kit_say", {"text": "hi"})
    assert not added.is_error
    assert json.loads(added.content[0].text) == added.structured_content == {"sum": 3}
    assert (said.content[0].text, said.structured_content) == ('"hi"', None)


async def test_what_a_tool_says_when_it_fails_is_the_error(gateway, connect, mode) -> None:
    async with connect(gateway, mode=mode) as client:
        failed = await client.call_tool("plugin_kit_fail")
        broken = await client.call_tool("plugin_kit_broken")
    assert (failed.is_error, failed.content[0].text) == (True, "the well is dry")
    assert (broken.is_error, broken.content[0].text) == (True, "ValueError: a bug")


async def test_what_does_not_fit_the_schema_is_told_to_the_model(gateway, connect, mode) -> None:
    async with connect(gateway, mode=mode) as client:
        wrong = await client.call_tool("plugin_kit_add", {"a": "one", "b": 2})
    assert wrong.is_error
    assert "Invalid input for plugin_kit_add: a:" in wrong.content[0].text
