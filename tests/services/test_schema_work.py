"""Arguments whose check would take for ever are not checked, however few lines the schema has."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jackfield.sdk.tools import ToolSpec
from jackfield.services.schema_work import Workload
from jackfield.services.tool_table import OfferedTool, ToolTable


def tree(combine: str, times: int) -> dict[str, Any]:
    """Each node may have one below it, which is checked so many times."""
    node = {"properties": {"a": {combine: [{"$ref": "#/$defs/n"}] * times}, "b": {"type": "string"}}}
    return {"type": "object", "$defs": {"n": {"type": "object", **node}}, "$ref": "#/$defs/n"}


def nested(depth: int, innermost: Any = None) -> dict[str, Any]:
    value: dict[str, Any] = {"b": innermost}
    for _ in range(depth):
        value = {"a": value}
    return value


def offered(schema: dict[str, Any]) -> OfferedTool:
    async def handle(arguments: Any, context: Any) -> None: ...

    table = ToolTable("kit")
    table.register(ToolSpec(name="walk", input_schema=schema), handle)
    tool = table.get("walk")
    assert tool is not None
    return tool


@pytest.mark.parametrize("combine", ["anyOf", "allOf", "oneOf"])
@pytest.mark.parametrize("times", [2, 3])
def test_what_doubles_at_each_level_is_not_followed_for_ever(combine: str, times: int) -> None:
    tool, began = offered(tree(combine, times)), time.perf_counter()
    assert (tool.problems(nested(100)) or "").startswith("cannot be checked")
    assert time.perf_counter() - began < 1


def test_what_is_deep_or_large_and_does_not_double_is_checked() -> None:
    deep, wide = offered(tree("allOf", 1)), offered(WIDE)
    assert deep.problems(nested(80, "leaf")) is None
    assert wide.problems({"rows": [{"b": "x", "c": 1} for _ in range(20_000)]}) is None
    assert "is not of type" in (wide.problems({"rows": [{"b": 1}]}) or "")


WIDE = {
    "type": "object",
    "$defs": {"row": {"type": "object", "properties": {"b": {"type": "string"}, "c": {"type": "integer"}}}},
    "properties": {"rows": {"type": "array", "items": {"$ref": "#/$defs/row"}}},
}


def test_every_way_down_is_counted() -> None:
    twice = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    for part in (
        {"additionalProperties": twice},
        {"patternProperties": {"a": twice}},
        {"properties": {"a": {"type": "array", "items": twice}}},
        {"properties": {"a": {"if": {"$ref": "#"}, "then": {"$ref": "#"}}}},
        {"properties": {"a": {"dependentSchemas": {"a": {"$ref": "#"}}, "not": {"$ref": "#"}}}},
    ):
        value: Any = {"a": 1}
        for _ in range(60):
            value = {"a": [value]} if "items" in str(part) else {"a": value}
        assert not Workload({"type": "object", **part}).is_bearable(value), part
