"""Methods that are tools."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from jackfield.sdk.caller import Caller
from jackfield.sdk.tools import ToolContext, tool, tools_of

CONTEXT = ToolContext(plugin="weather", tool="get", call="1", caller=Caller())


class Weather:
    @tool()
    async def get_weather(
        self, city: str, units: Literal["celsius", "fahrenheit"] = "celsius", *, context: ToolContext
    ) -> Any:
        """Tells the weather of a city."""
        return city, units, context.plugin

    @tool("By a schema.", name="plain", schema={"type": "object"}, timeout_s=3)
    async def by_schema(self, **given: Any) -> Any:
        return given

    async def no_tool(self) -> None: ...


def test_the_schema_is_made_from_the_annotations() -> None:
    specs = {spec.name: spec for spec, _ in tools_of(Weather())}
    assert set(specs) == {"get_weather", "plain"}
    spec = specs["get_weather"]
    assert spec.description == "Tells the weather of a city."
    assert spec.input_schema["required"] == ["city"]
    assert spec.input_schema["properties"]["units"]["enum"] == ["celsius", "fahrenheit"]
    assert spec.input_schema["additionalProperties"] is False
    assert (specs["plain"].description, specs["plain"].timeout_s) == ("By a schema.", 3)


async def test_input_comes_as_its_parameters() -> None:
    handlers = {spec.name: handle for spec, handle in tools_of(Weather())}
    assert await handlers["get_weather"]({"city": "Oslo"}, CONTEXT) == ("Oslo", "celsius", "weather")
    assert await handlers["plain"]({"a": 1}, CONTEXT) == {"a": 1}


def test_a_parameter_without_a_type_needs_a_schema() -> None:
    class Bad:
        @tool()
        async def wrong(self, thing) -> None:  # type: ignore[no-untyped-def]
            ...

    with pytest.raises(TypeError, match="@tool wrong: the parameter thing needs a type, or the tool a schema"):
        tools_of(Bad())


def test_a_tool_is_async() -> None:
    with pytest.raises(TypeError, match="must be `async def`"):

        @tool()
        def wrong() -> None: ...  # type: ignore[arg-type]
