"""A toolbox plugin's life in the host: found, ordered by what it depends on, put to rest, woken, replaced, unloaded."""

from __future__ import annotations

import json

from jackfield.errors import JackfieldError

from .house import House

TALKING = """
    from pathlib import Path
    TOLD = Path({told!r})

    class Talking:
        def note(self, step):
            with TOLD.open("a") as file:
                file.write("{name}:" + step + " ")
        async def on_load(self, api):
            self.note("load")
            api.register_tool(name="{tool}", handler=self.run)
        async def on_enable(self):
            self.note("enable")
        def on_disable(self):
            self.note("disable")
        def on_unload(self):
            self.note("unload")
        async def run(self, input, context):
            return {{"success": True, "result": "{tool}"}}

    def default(manifest):
        return Talking()
"""


def write(house: House, name: str, *dependencies: str, tool: str = "run", **manifest: object) -> None:
    told = str(house.folder.parent / "told")
    said = {"main": "index.py", "dependencies": list(dependencies), "permissions": ["tools:register"], **manifest}
    house.write(name, TALKING.format(told=told, name=name, tool=tool), **said)


def steps(house: House) -> list[str]:
    return (house.folder.parent / "told").read_text().split()


async def settle(house: House) -> None:
    await house.host.drained()


async def test_what_a_plugin_depends_on_is_loaded_first_and_unloaded_last(house: House) -> None:
    write(house, "a-app", "z-base")
    write(house, "z-base")
    await house.start()
    await house.stop()
    assert steps(house) == [
        "z-base:load", "z-base:enable", "a-app:load", "a-app:enable",
        "a-app:disable", "a-app:unload", "z-base:disable", "z-base:unload",
    ]  # fmt: skip


async def test_a_circle_is_told_with_all_who_are_in_it_and_who_waits_for_them(house: House) -> None:
    write(house, "a", "b")
    write(house, "b", "a")
    write(house, "c", "a")
    write(house, "free")
    plugins = await house.start()
    assert {name: plugin.state for name, plugin in plugins.items()} == {
        "a": "failed",
        "b": "failed",
        "c": "failed",
        "free": "active",
    }
    assert plugins["a"].reason == "waits for itself: a needs b needs a"
    assert plugins["b"].reason == "waits for itself: a needs b needs a"
    assert plugins["c"].reason == "requires the plugin 'a', which does not run: waits for itself: a needs b needs a"


async def test_what_depends_on_a_plugin_that_is_not_there_is_told_so(house: House) -> None:
    write(house, "app", "nowhere")
    assert (await house.start())["app"].reason == "requires the plugin 'nowhere', which does not run"


async def test_of_two_folders_with_one_id_the_second_is_refused_by_name(house: House) -> None:
    write(house, "first", id="same")
    write(house, "second", id="same")
    plugins = await house.start()
    assert plugins["same"].place.endswith("/first")
    (other,) = [plugin for name, plugin in plugins.items() if name != "same"]
    assert other.state == "failed"
    assert "id 'same' is taken by" in (other.reason or "")
    assert "/first" in (other.reason or "")


async def test_a_manifest_that_is_wrong_is_listed_with_file_and_field(house: House) -> None:
    write(house, "wrong", permissions=["tools:everything"])
    write(house, "right")
    plugins = await house.start()
    assert (plugins["wrong"].state, plugins["right"].state) == ("failed", "active")
    assert "wrong/manifest.json: permissions.0: there is no permission" in (plugins["wrong"].reason or "")


async def test_disabled_it_offers_nothing_and_enabled_again_it_is_the_same_one(house: House) -> None:
    write(house, "pause")
    await house.start()
    await house.host.toggle("pause", enabled=False, actor="test")
    await settle(house)
    assert house.tools() == []
    assert (await house.call("plugin_pause_run")).error == "Unknown tool: plugin_pause_run"
    await house.host.toggle("pause", enabled=True, actor="test")
    assert await house.ask("pause", "run") == "run"
    assert steps(house) == ["pause:load", "pause:enable", "pause:disable", "pause:enable"]


async def test_a_new_version_takes_the_place_of_the_old_ones_tools(house: House) -> None:
    write(house, "moving", tool="old")
    await house.start()
    write(house, "moving", tool="new", version="1.1.0")
    await house.host.reload_changed(actor="test")
    await settle(house)
    assert house.tools() == ["plugin_moving_new"]
    assert house.plugin("moving").version == "1.1.0"
    assert steps(house)[2:] == ["moving:load", "moving:enable", "moving:disable", "moving:unload"]


async def test_a_broken_edit_keeps_the_old_version_until_it_is_mended(house: House) -> None:
    write(house, "edited", tool="old")
    await house.start()
    manifest = house.folder / "edited" / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(whole[:-1])
    (refused,) = await house.host.reload_changed(actor="test")
    assert isinstance(refused, JackfieldError)
    assert "edited/manifest.json:1: is not JSON" in str(refused)
    assert await house.ask("edited", "old") == "old"
    manifest.write_text(json.dumps(json.loads(whole) | {"version": "2.0.0"}))
    await house.host.reload_changed(actor="test")
    assert house.plugin("edited").version == "2.0.0"


async def test_storage_outlives_a_reload(house: House) -> None:
    code = """
        class Keeper:
            async def on_load(self, api):
                count = (await api.storage.get("loads") or 0) + 1
                await api.storage.set("loads", count)
                api.register_tool(name="loads", handler=lambda input, context: {"success": True, "result": count})
        plugin = Keeper()
    """
    house.write("keeper", code, main="index.py")
    await house.start()
    house.write("keeper", code.replace("1\n", "1  # edited\n"), main="index.py")
    await house.host.reload_changed(actor="test")
    assert await house.ask("keeper", "loads") == 2


async def test_without_approval_it_waits_and_runs_nothing(house: House) -> None:
    house.approve = "ask"
    write(house, "asking")
    plugin = (await house.start())["asking"]
    assert (plugin.state, plugin.reason) == ("disabled", "waits for approval of tools:register (Offer tools to models)")
    assert not (house.folder.parent / "told").exists()


async def test_it_is_described_with_its_dialect_and_where_it_runs(house: House) -> None:
    write(house, "snake", author={"name": "Ada"}, description="Told")
    house.write("script", "export const plugin = {", main="index.js", permissions=["nonsense"])
    plugins = await house.start()
    snake, script = plugins["snake"], plugins["script"]
    assert (snake.dialect, snake.runtime, snake.author, snake.description) == ("toolbox", "inprocess", "Ada", "Told")
    assert (script.dialect, script.runtime, script.state) == ("toolbox", "node", "failed")


async def test_settings_may_be_anything_but_the_hosts_own_words_keep_their_meaning(house: House) -> None:
    code = """
        class Plugin:
            def on_load(self, api):
                found = [api.config.get(key, "none") for key in ("number", "list", "enabled")]
                api.register_tool(name="settings", handler=lambda input, context: {"success": True, "result": found})
        plugin = Plugin()
    """
    house.write("set", code, main="index.py")
    plugins = await house.start({"set": {"number": 1.5, "list": ["a", {"b": 1}], "enabled": True}})
    assert await house.ask("set", "settings") == [1.5, ["a", {"b": 1}], "none"]
    assert plugins["set"].config == {"number": 1.5, "list": ["a", {"b": 1}]}
