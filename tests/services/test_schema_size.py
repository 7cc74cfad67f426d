"""Schemas of strangers: what would take hours to check is not taken."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.sdk.tools import ToolSpec
from jackfield.services.schema_size import is_bounded
from jackfield.services.tool_table import ToolTable


def doubling(steps: int, name: str = "#/$defs/a{}") -> dict[str, Any]:
    """Each part refers to the next one twice."""
    parts: dict[str, Any] = {
        f"a{step}": {"$anchor": f"n{step}", "allOf": [{"$ref": name.format(step + 1)}] * 2} for step in range(steps)
    }
    parts[f"a{steps}"] = {"$anchor": f"n{steps}", "type": "object"}
    return {"type": "object", "$defs": parts, "allOf": [{"$ref": name.format(0)}]}


TREE = {
    "type": "object",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {key: {"$ref": "#/$defs/node"} for key in ("left", "right", "parent")},
            "additionalProperties": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/node"}]},
        }
    },
    "properties": {"root": {"$ref": "#/$defs/node"}, "self": {"$ref": "#"}},
}


@pytest.mark.parametrize("schema", [TREE, doubling(8), {"type": "object", "properties": {"$id": {"type": "string"}}}])
def test_trees_and_parts_that_are_used_often_are_taken(schema: dict[str, Any]) -> None:
    assert is_bounded(schema)


@pytest.mark.parametrize("name", ["#/$defs/a{}", "#n{}", "#/%24defs/a{}", "https://example.com/tool#/$defs/a{}"])
def test_references_that_double_at_each_step_are_not(name: str) -> None:
    assert not is_bounded({"$id": "https://example.com/tool", **doubling(40, name)})


def test_a_part_with_an_id_of_its_own_is_not_followed() -> None:
    assert not is_bounded({"type": "object", "$defs": {"a": {"$id": "https://example.com/a", "type": "string"}}})


def test_a_name_that_is_given_twice_is_not_followed() -> None:
    assert not is_bounded({"type": "object", "$defs": {"a": {"$anchor": "n"}, "b": {"$anchor": "n"}}})


def test_a_schema_that_is_too_deep_is_not_taken() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(5000):
        schema = {"type": "object", "properties": {"a": schema}}
    assert not is_bounded(schema)


def test_no_tool_has_such_a_schema() -> None:
    async def handle(arguments: Any, context: Any) -> None: ...

    spec = ToolSpec(name="slow", description="", input_schema=doubling(40))
    with pytest.raises(ValueError, match="tool slow: the input schema refers to its parts so often"):
        ToolTable("kit").register(spec, handle)
