"""The names that tools of other servers have here."""

from __future__ import annotations

import re

from mounting import Mounting, scripted

from jackfield.mcp.remote import RemoteTool, chosen, short_names
from jackfield.sdk.tools import LONGEST_NAME, full_name


def named(*names: str, plugin: str = "mcp", server: str = "far") -> dict[str, str]:
    tools = [RemoteTool(name=name, description="", schema={"type": "object"}) for name in names]
    return short_names(plugin, server, tools)


def test_a_name_that_fits_is_kept_behind_that_of_the_server() -> None:
    assert named("read_file") == {"read_file": "far_read_file"}


def test_what_no_name_may_hold_becomes_an_underscore() -> None:
    assert named("files.read", "über") == {"files.read": "far_files_read", "über": "far__ber"}


def test_two_that_would_be_the_same_are_told_apart_whatever_their_order() -> None:
    one, other = named("a.b", "a/b", "a_b"), named("a_b", "a/b", "a.b")
    assert one == other
    assert one["a_b"] == "far_a_b"
    assert len(set(one.values())) == 3
    assert re.fullmatch(r"far_a_b_[0-9a-f]{8}", one["a.b"])


def test_long_names_fit_and_stay_apart() -> None:
    names = named("x" * 200, "x" * 199 + "y", "x" * 49, "x" * 50)
    assert len(set(names.values())) == 4
    assert max(len(full_name("mcp", name)) for name in names.values()) == LONGEST_NAME
    assert names["x" * 49] == "far_" + "x" * 49


def test_an_allow_list_takes_names_and_patterns() -> None:
    tools = [RemoteTool(name=name, description="", schema={}) for name in ("read", "read_all", "write")]
    assert [tool.name for tool in chosen(tools, ["read*"])] == ["read", "read_all"]
    assert [tool.name for tool in chosen(tools, ["write", "rea?"])] == ["read", "write"]


async def test_odd_names_can_be_called() -> None:
    async with Mounting(scripted("odd")) as mounting:
        tools = await mounting.mcp.mount("far")
        replies = [await mounting.call(tool, x=1) for tool in tools]
    assert len(tools) == 8
    assert all(reply.success for reply in replies)
