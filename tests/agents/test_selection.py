"""Which tools are asked for, and which of them there are."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.agents.selection import choose, wanted_tools
from jackfield.errors import Malformed
from jackfield.sdk.tools import ToolSpec
from jackfield.services.tool_table import ToolDirectory, ToolTable


async def nothing(arguments: dict[str, Any], context: Any) -> None: ...


def table(plugin: str, *names: str) -> ToolTable:
    made = ToolTable(plugin)
    for name in names:
        made.register(ToolSpec(name=name), nothing)
    return made


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (b"auto", ("*",)),
        (b" Auto ", ("*",)),
        (b"none", ()),
        (b"", ()),
        (b"plugin_a_b", ("plugin_a_b",)),
        (b"plugin_a_*, plugin_b_c ,,", ("plugin_a_*", "plugin_b_c")),
    ],
)
def test_the_header_names_tools(value: bytes, wanted: tuple[str, ...]) -> None:
    assert wanted_tools(((b"host", b"here"), (b"x-jackfield-tools", value))) == wanted


def test_no_header_asks_for_nothing() -> None:
    assert wanted_tools(((b"host", b"here"),)) is None


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (("*",), ["plugin_a_one", "plugin_a_two", "plugin_b_one"]),
        (("plugin_?_one",), ["plugin_a_one", "plugin_b_one"]),
        (("plugin_b_one", "plugin_c_*"), ["plugin_b_one"]),
        ((), []),
    ],
)
def test_names_and_globs_choose(wanted: tuple[str, ...], chosen: list[str]) -> None:
    directory = ToolDirectory([table("a", "one", "two"), table("b", "one")])
    assert list(choose(directory, wanted, "tools")) == chosen


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed, match="'plugin_a_three'") as refusal:
        choose(table("a", "one"), ("plugin_a_three",), "tools")
    assert refusal.value.param == "tools"


def test_a_directory_knows_at_once_whether_it_has_any() -> None:
    first, second = table("a"), table("b")
    directory = ToolDirectory([first, second])
    assert not directory
    second.register(ToolSpec(name="one"), nothing)
    assert directory
    second.unregister("one")
    assert not directory
    first.register(ToolSpec(name="one"), nothing)
    assert directory
    first.clear()
    assert not directory
