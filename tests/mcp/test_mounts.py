"""The tools of other servers, as tools of the plugin that mounts them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mounting import IMPATIENT, Mounting, scripted

from jackfield.mcp.link import Patience
from jackfield.sdk.tools import progress_heard_by
from jackfield.services.tool_table import MOST_TOOLS
from jackfield.settings import McpServer
from jackfield.testing.waiting import until


@pytest.fixture(autouse=True)
def short_graces(monkeypatch) -> None:
    monkeypatch.setattr("jackfield.mcp.stdio.GRACE_S", 0.2)


async def test_a_server_is_mounted_with_its_name_before_its_tools() -> None:
    async with Mounting(scripted("good", tools=("a*", "say"))) as mounting:
        assert await mounting.mcp.mount("far") == ("far_add", "far_say")
        tool = mounting.table.get("far_add")
        assert tool.name == "plugin_mcp_far_add"
        assert tool.description == "[Plugin: MCP] [MCP server: far, tool: add] Adds"
        assert tool.spec.input_schema["properties"] == {"a": {"type": "integer"}, "b": {"type": "integer"}}


async def test_calls_are_forwarded_and_answered() -> None:
    async with Mounting(scripted("good")) as mounting:
        await mounting.mcp.mount("far")
        added, failed = await mounting.call("far_add", a=1, b=2), await mounting.call("far_fail")
        said, shown = await mounting.call("far_say", x=1), await mounting.call("far_picture")
    assert (added.success, added.result) == (True, {"sum": 3})
    assert (failed.success, failed.error) == (False, "the mill is closed")
    assert said.result == '{"x": 1}'
    assert [part["type"] for part in shown.result] == ["image", "text"]


async def test_arguments_are_checked_before_the_server_is_asked() -> None:
    async with Mounting(scripted("good")) as mounting:
        await mounting.mcp.mount("far")
        wrong = await mounting.call("far_add", a="one", b=2)
    assert "Invalid input for plugin_mcp_far_add" in wrong.error


async def test_what_is_not_configured_is_refused_with_what_is() -> None:
    async with Mounting(scripted("good")) as mounting:
        with pytest.raises(ValueError, match="there is no MCP server 'near'; configured are: far"):
            await mounting.mcp.mount("near")


async def test_progress_passes_through() -> None:
    told = []
    async with Mounting(scripted("good")) as mounting:
        await mounting.mcp.mount("far")
        with progress_heard_by(lambda fraction, message: told.append((fraction, message))):
            await mounting.call("far_climb")
    assert told == [(0.5, "half")]


async def test_a_call_taken_back_is_taken_back_there() -> None:
    async with Mounting(scripted("good")) as mounting:
        await mounting.mcp.mount("far")
        hanging = asyncio.create_task(mounting.call("far_hang"))
        await mounting.call("far_say")
        hanging.cancel()
        await asyncio.wait([hanging])

        async def cancels() -> str:
            return str((await mounting.call("far_cancelled")).result)

        assert await until(cancels, lambda count: count == "1") == "1"


async def test_a_call_that_takes_too_long_fails_and_others_go_on() -> None:
    async with Mounting(scripted("good", timeout_s=0.5)) as mounting:
        await mounting.mcp.mount("far")
        hanging, said = await asyncio.gather(mounting.call("far_hang"), mounting.call("far_say"))
    assert not hanging.success
    assert said.success


async def test_changed_tools_are_followed() -> None:
    async with Mounting(scripted("good")) as mounting:
        before = await mounting.mcp.mount("far")
        await mounting.call("far_grow")

        async def names() -> tuple[str, ...]:
            return mounting.only.tools

        assert await until(names, lambda found: "far_grown" in found) == (*before, "far_grown")


async def test_a_server_that_dies_is_started_again_and_answers_an_error_meanwhile() -> None:
    slow = Patience(first_s=0.2, most_s=0.2)
    async with Mounting(scripted("good"), patience=slow) as mounting:
        before = await mounting.mcp.mount("far")
        died = await mounting.call("far_die")
        assert died.error == "the connection to the MCP server is closed"
        await until(mounting.state, lambda state: state == "failed")
        assert "the last straw" in mounting.only.problem
        assert mounting.only.tools == before
        meanwhile = await mounting.call("far_say")
        assert meanwhile.error.startswith("The MCP server far is not connected")
        await until(mounting.state, lambda state: state == "ready")
        assert (await mounting.call("far_say")).success


async def test_unmounted_tools_are_gone_and_the_process_too() -> None:
    async with Mounting(scripted("good")) as mounting:
        await mounting.mcp.mount("far")
        await mounting.mcp.unmount("far")
        assert len(mounting.table) == 0
        assert mounting.mcp.mounted() == ()


async def test_of_a_stubborn_process_and_its_children_nothing_is_left(tmp_path) -> None:
    note = tmp_path / "child"
    async with Mounting(scripted("parent", str(note)), scripted("stubborn", name="deaf")) as mounting:
        await asyncio.gather(mounting.mcp.mount("far"), mounting.mcp.mount("deaf"))
        child = int(note.read_text())
        assert await is_alive(child)
    await until(lambda: is_alive(child), lambda alive: not alive)


async def is_alive(process: int) -> bool:
    """One that nobody has waited for yet is dead too."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_only_what_is_configured_is_in_the_environment() -> None:
    async with Mounting(scripted("good", secret_env={"TOKEN": "s3cret-token"})) as mounting:
        await mounting.mcp.mount("far")
        found = (await mounting.call("far_environment")).result
    assert found.pop("TOKEN") == "s3cret-token"
    assert set(found) <= {"LC_CTYPE"}


async def test_two_who_mount_a_server_share_its_process() -> None:
    async with Mounting(scripted("good")) as mounting:
        other = type(mounting.mcp)(mounting.mcp._allowance, type(mounting.table)("other"), mounting.mcp._servers)
        await mounting.mcp.mount("far")
        link = mounting.mcp._servers.find("far")
        session = link._session
        assert "far_add" in await other.mount("far", wait=False)
        await mounting.mcp.unmount("far")
        assert link._session is session
        await other.aclose()
        assert link._session is None


async def test_many_calls_at_once_share_the_way() -> None:
    async with Mounting(scripted("good")) as mounting:
        await mounting.mcp.mount("far")
        replies = await asyncio.gather(*(mounting.call("far_add", a=number, b=0) for number in range(100)))
    assert [reply.result["sum"] for reply in replies] == list(range(100))


@pytest.mark.parametrize(
    ("temper", "problem"),
    [
        ("flood", "what it writes is not the protocol"),
        ("babble", "what it writes is not the protocol"),
        ("nothing", "it has not answered in time"),
        ("exit", "the connection to the MCP server is closed; its last words: no token, no service: ***"),
    ],
)
async def test_a_server_that_speaks_no_protocol_fails_with_its_reason(temper: str, problem: str) -> None:
    server = scripted(temper, timeout_s=0.5 if temper == "nothing" else 10, secret_env={"TOKEN": "hush-hush-token"})
    async with Mounting(server, patience=IMPATIENT) as mounting:
        assert await mounting.mcp.mount("far") == ()
        assert (mounting.only.state, mounting.only.problem) == ("failed", problem)


async def test_a_program_that_is_not_there_is_named() -> None:
    async with Mounting(McpServer(name="far", command="no-such-program")) as mounting:
        assert await mounting.mcp.mount("far") == ()
        assert mounting.only.problem == "there is no program 'no-such-program'"


async def test_of_five_hundred_tools_as_many_are_offered_as_a_plugin_may() -> None:
    async with Mounting(scripted("many")) as mounting:
        assert len(await mounting.mcp.mount("far")) == MOST_TOOLS
        assert len(mounting.only.left_out) == 300


async def test_evil_schemas_are_left_out_and_the_others_stay() -> None:
    async with Mounting(scripted("evil")) as mounting:
        assert await mounting.mcp.mount("far") == ("far_fine", "far_slow")
        assert {name for name, _ in mounting.only.left_out} == {"array", "fetches", "deep", "long", "pattern"}
        assert (await mounting.call("far_slow", a="a" * 50 + "!")).error.startswith("Invalid input")


async def test_what_was_never_granted_is_refused() -> None:
    async with Mounting(scripted("good")) as mounting:
        mounting.mcp._allowance.approved = frozenset()
        with pytest.raises(Exception, match="mcp:connect"):
            await mounting.mcp.mount("far")


async def test_a_server_that_always_says_that_its_tools_have_changed_is_asked_now_and_then() -> None:
    async with Mounting(scripted("restless"), patience=Patience(rest_s=30)) as mounting:
        await mounting.mcp.mount("far")
        looks = [(await mounting.call("far_looks")).result for _ in range(20)]
    assert looks[-1] == "1"
