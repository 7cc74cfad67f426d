"""The life of a plugin in a process of its own: paused, lost and found again, unloaded."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from jackfield.errors import ConfigError
from jackfield.testing import until

from .house import ALICE, House

TALKING = """
    let api, count = 0;
    const note = async (step) => api.storage.set("steps", [...((await api.storage.get("steps")) ?? []), step]);
    export const plugin = {
      async onLoad(given) {
        api = given;
        const loads = (await api.storage.get("steps"))?.filter((step) => step === "load").length ?? 0;
        await note("load");
        const tool = (name, handler) => api.registerTool({ name, handler });
        tool("count", async () => ({ success: true, result: ++count }));
        tool("leave", async () => { console.error("no more"); process.exit(7); });
        tool("wait", () => new Promise(() => {}));
        if (loads === 0) tool("first", async () => ({ success: true, result: null }));
        else tool("second", async () => ({ success: true, result: null }));
        if (loads === 0) api.events.on("user:active", () => {});
        api.events.on("message:received", (event) => note(event.data.content));
        await api.scheduler.schedule("tick", 60000, () => note("tick"));
        if (loads === 0) await api.scheduler.schedule("once", 60000, () => {});
      },
      async onEnable() { await note("enable"); },
      async onDisable() { await note("disable"); },
      async onUnload() { await note("unload"); },
    };
"""
TOOLS = {f"plugin_talking_{name}" for name in ("count", "leave", "wait")}


@pytest.fixture
async def talking(house: House) -> House:
    house.write("talking", TALKING)
    assert (await house.start())["talking"].reason is None
    return house


async def steps(house: House) -> list[str]:
    return list(await house.kv.get("plugin:talking", "steps", namespace="default"))


def session(house: House) -> Any:
    instance: Any = house.plugin("talking").instance
    return instance._session


def pid(house: House) -> int:
    return int(session(house).diagnose().pid)


async def toggle(house: House, *, to: bool) -> None:
    await house.host.toggle("talking", to, actor="test")
    await house.host.drained()


async def test_paused_it_offers_nothing_and_woken_it_goes_on_where_it_was(talking: House) -> None:
    assert await talking.ask("talking", "count") == 1
    process = pid(talking)
    await toggle(talking, to=False)
    assert talking.tools() == []
    await toggle(talking, to=True)
    assert await talking.ask("talking", "count") == 2
    assert pid(talking) == process
    assert await steps(talking) == ["load", "enable", "disable", "enable"]


async def test_unloaded_it_leaves_no_process(talking: House) -> None:
    process = pid(talking)
    await talking.stop()
    assert await steps(talking) == ["load", "enable", "disable", "unload"]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_lost_its_calls_fail_by_name_and_found_again_it_registers_anew(talking: House) -> None:
    waiting = asyncio.create_task(talking.call("plugin_talking_wait"))
    await asyncio.sleep(0)
    leaving = await talking.call("plugin_talking_leave")
    for reply in (leaving, await waiting):
        assert not reply.success
        assert "talking" in (reply.error or "")
        assert "exit code 7" in (reply.error or "")
    assert "exit code 7" in str((await talking.call("plugin_talking_count")).error)
    await until(lambda: told(talking), lambda found: found == ("degraded", "its process is gone: exit code 7"))
    await until(lambda: told(talking), lambda found: found == ("active", None))
    assert set(talking.tools()) == TOOLS | {"plugin_talking_second"}
    assert {type_ for _, type_, _ in talking.bus.handlers} == {"message:received"}
    assert list(talking.agenda.tasks) == ["talking:tick"]
    assert await talking.ask("talking", "count") == 1
    await talking.bus.tell("message:received", {"content": "hi"})
    await talking.agenda.run("tick")
    assert await steps(talking) == ["load", "enable", "load", "enable", "hi", "tick"]


async def told(house: House) -> tuple[str, str | None]:
    plugin = house.plugin("talking")
    return plugin.state, plugin.reason


async def test_lost_while_it_is_paused_it_comes_back_paused(talking: House) -> None:
    resting = session(talking)
    await toggle(talking, to=False)
    os.kill(resting.diagnose().pid, 9)
    await until(lambda: came_back(resting), bool, within=5.0)
    assert talking.tools() == []
    assert await steps(talking) == ["load", "enable", "disable", "load"]
    await toggle(talking, to=True)
    assert (await steps(talking))[-1] == "enable"
    assert await talking.ask("talking", "count") == 1


async def test_enabled_while_it_is_gone_it_gets_another_process_at_once(talking: House) -> None:
    resting = session(talking)
    await toggle(talking, to=False)
    os.kill(resting.diagnose().pid, 9)
    await resting._child.ended
    assert resting.diagnose().state == "waiting"
    await toggle(talking, to=True)
    assert await talking.ask("talking", "count") == 1
    assert session(talking) is not resting


async def test_given_up_it_says_how_it_is_brought_back(talking: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.runtimes.process.MOST_LOSSES", 1)
    await talking.call("plugin_talking_leave")
    await until(lambda: told(talking), lambda found: "not started again: reload it with --force" in str(found[1]))
    assert talking.plugin("talking").instance.diagnose()["exit"] == "exit code 7"
    await talking.host.reload(["talking"], force=True, actor="test")
    assert await talking.ask("talking", "count") == 1


async def came_back(session: Any) -> bool:
    found = session.diagnose()
    return bool(found.starts == 2 and found.state == "running")


async def test_a_broken_edit_keeps_the_old_one_and_a_good_one_takes_its_place(talking: House) -> None:
    former = pid(talking)
    main = talking.folder / "talking" / "index.ts"
    code = main.read_text()
    main.write_text(code + "\nconst x = ;\n")
    (refused,) = await talking.host.reload_changed(actor="test")
    assert "index.ts" in str(refused)
    assert await talking.ask("talking", "count") == 1
    main.write_text(code.replace("++count", "(count += 10)"))
    await talking.host.reload_changed(actor="test")
    await talking.host.drained()
    assert await talking.ask("talking", "count") == 10
    with pytest.raises(ProcessLookupError):
        os.kill(former, 0)


async def test_a_call_that_is_given_up_tells_the_plugin_so(house: House) -> None:
    code = """
        export const plugin = { onLoad(api) {
          let told = "nothing";
          const tool = (name, handler) => api.registerTool({ name, handler });
          tool("wait", (input, { signal }) => new Promise(() => { signal.onabort = () => { told = "aborted"; }; }));
          tool("told", async () => ({ success: true, result: told }));
        } };
    """
    house.write("patient", code)
    await house.start()
    waiting = asyncio.create_task(house.call("plugin_patient_wait", ALICE))
    assert await house.ask("patient", "told") == "nothing"
    waiting.cancel()
    await asyncio.wait([waiting])
    assert await until(lambda: house.ask("patient", "told"), lambda found: found == "aborted", within=5.0)


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("await new Promise(() => {}); export const plugin = { onLoad() {} };", "its module"),
        ("export default () => new Promise(() => {});", "its module"),
        ("export const plugin = { onLoad: () => new Promise(() => {}) };", "onLoad"),
        ("export const plugin = { onLoad() {}, onEnable: () => new Promise(() => {}) };", "onEnable"),
    ],
)
async def test_one_that_never_gets_ready_is_told_of_by_what_it_does_not_end(
    house: House, monkeypatch: pytest.MonkeyPatch, code: str, step: str
) -> None:
    monkeypatch.setattr("jackfield.dialects.toolbox.answers.HOOK_S", 0.3)
    house.write("never", code)
    assert f"{step} did not end within 0.3 s" in ((await house.start())["never"].reason or "")


async def test_one_that_never_says_goodbye_is_gone_all_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hang = "() => new Promise(() => {})"
    house.write("talking", f"export const plugin = {{ onLoad() {{}}, onDisable: {hang}, onUnload: {hang} }};")
    await house.start()
    process = pid(house)
    monkeypatch.setattr("jackfield.dialects.toolbox.answers.HOOK_S", 0.1)
    await house.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


async def test_where_there_is_no_node_the_plugin_says_what_to_install(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing() -> None:
        raise ConfigError("plugins in JavaScript and TypeScript need Node.js: install jackfield[node]")

    monkeypatch.setattr("jackfield.runtimes.node.session.find_node", find_nothing)
    house.write("talking", TALKING)
    assert "install jackfield[node]" in ((await house.start())["talking"].reason or "")
