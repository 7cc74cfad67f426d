"""What tools may be called and how, and what fits their input."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jackfield.sdk.tools import ToolSpec
from jackfield.services.tool_table import MOST_TOOLS, ToolDirectory, ToolTable

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}


async def answer(arguments: dict[str, Any], context: object) -> Any:
    return arguments


@pytest.fixture
def table() -> ToolTable:
    table = ToolTable("my-plugin", "My Plugin")
    table.register(ToolSpec(name="my_tool", description="Does it.", input_schema=SCHEMA), answer)
    return table


def test_a_tool_is_offered_under_its_full_name_and_says_where_it_comes_from(table: ToolTable) -> None:
    (tool,) = table
    assert tool.name == "plugin_my-plugin_my_tool"
    told = tool.as_tool()
    assert (told.name, told.description) == (tool.name, "[Plugin: My Plugin] Does it.")
    assert told.schema() == SCHEMA


def test_a_name_is_taken_until_it_is_unregistered(table: ToolTable) -> None:
    with pytest.raises(ValueError, match="Tool my_tool is already registered by plugin my-plugin"):
        table.register(ToolSpec(name="my_tool"), answer)
    table.unregister("my_tool")
    table.unregister("my_tool")
    table.register(ToolSpec(name="my_tool"), answer)
    assert len(table) == 1


@pytest.mark.parametrize("name", ["", "a b!", "a.b", "naïve", "x" * 60, None, "a\n"])
def test_a_name_that_no_provider_takes_is_refused(table: ToolTable, name: Any) -> None:
    with pytest.raises(ValueError, match="name"):
        table.register(ToolSpec(name=name), answer)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "array"}, "the input schema must be of type object"),
        ({}, "the input schema must be of type object"),
        ({"type": "object", "properties": {"a": {"type": "nothing"}}}, "the input schema is none"),
        ({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}}, "the input schema is none"),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "the input schema is none"),
        ({"type": "object", "properties": {"a": {"pattern": "(?<=a)b"}}}, "the input schema is none"),
    ],
)
def test_a_schema_that_is_none_is_refused(table: ToolTable, schema: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=f"tool other: {told}"):
        table.register(ToolSpec(name="other", input_schema=schema), answer)


@pytest.mark.parametrize("timeout_s", [0, -1, 31])
def test_a_deadline_above_the_limit_is_refused(table: ToolTable, timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s must be above 0 and at most 30"):
        table.register(ToolSpec(name="other", timeout_s=timeout_s), answer)


def test_there_is_an_end_to_how_many(table: ToolTable) -> None:
    for number in range(MOST_TOOLS - 1):
        table.register(ToolSpec(name=f"tool_{number}"), answer)
    with pytest.raises(ValueError, match="offers 200 tools already"):
        table.register(ToolSpec(name="more"), answer)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"city": "Oslo", "days": 3}, None),
        ({}, '"city" is a required property'),
        ({"city": 7}, 'city: 7 is not of type "string"'),
        ({"city": "Oslo", "days": 0}, "days: 0 is less than the minimum of 1"),
        ({"city": "Oslo", "more": 1}, "Additional properties are not allowed"),
        (["Oslo"], 'is not of type "object"'),
    ],
)
def test_what_does_not_fit_is_told_by_field(table: ToolTable, arguments: Any, told: str | None) -> None:
    (tool,) = table
    problems = tool.problems(arguments)
    if told is None:
        assert problems is None
    else:
        assert problems is not None
        assert told in problems


def test_a_pattern_costs_no_more_than_the_text_is_long(table: ToolTable) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    table.register(ToolSpec(name="slow", input_schema=schema), answer)
    tool = table.get("slow")
    assert tool is not None
    assert tool.problems({"a": "a" * 50_000 + "!"})


def test_a_directory_finds_by_full_name_what_is_there_now(table: ToolTable) -> None:
    empty = ToolTable("empty")
    directory = ToolDirectory([table, empty])
    found = directory.find("plugin_my-plugin_my_tool")
    assert found is not None
    assert found.plugin == "my-plugin"
    assert directory.find("my_tool") is directory.find("plugin_empty_my_tool") is directory.find("x") is None
    empty.register(ToolSpec(name="late"), answer)
    assert [tool.name for tool in directory] == ["plugin_my-plugin_my_tool", "plugin_empty_late"]


def test_of_two_with_one_full_name_the_first_plugins_is_offered_once() -> None:
    first, second = ToolTable("a_b"), ToolTable("a")
    first.register(ToolSpec(name="c"), answer)
    second.register(ToolSpec(name="b_c"), answer)
    directory = ToolDirectory([first, second])
    assert [(tool.name, tool.plugin) for tool in directory] == [("plugin_a_b_c", "a_b")]
    found = directory.find("plugin_a_b_c")
    assert found is not None
    assert found.plugin == "a_b"


async def nothing(arguments: dict[str, Any], context: Any) -> None: ...


def test_what_a_plugin_does_to_its_schema_later_changes_nothing() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
    table = ToolTable("box")
    table.register(ToolSpec(name="tool", input_schema=schema), nothing)
    schema["properties"]["a"] = object()
    (tool,) = table
    assert msgspec.json.decode(tool.as_tool().parameters or b"") == tool.spec.input_schema
    assert tool.spec.input_schema["properties"] == {"a": {"type": "string"}}


def test_half_characters_of_a_tool_do_not_spoil_requests() -> None:
    table = ToolTable("box")
    schema = {"type": "object", "description": "\udfff"}
    table.register(ToolSpec(name="tool", description="\ud800", input_schema=schema), nothing)
    (tool,) = table
    assert msgspec.json.encode(tool.as_tool().description) == b'"[Plugin: box] \\\\ud800"'


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (ToolSpec(name="tool", description="x" * 40_000), "the description has 40,000 characters"),
        (ToolSpec(name="tool", input_schema={"type": "object", "title": "x" * 300_000}), "of at most 262,144"),
        (ToolSpec(name="tool", input_schema={"type": "object", "x": object()}), "the input schema is none"),
    ],
)
def test_what_no_model_should_be_told_is_refused(spec: ToolSpec, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ToolTable("box").register(spec, nothing)
