"""Loading, running, degraded, stopped: the life of a plugin."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from jackfield.errors import Conflict, ManifestError
from jackfield.host import loader
from jackfield.host.states import PluginState, step

from .world import World, reason, states

DIARY = """
    from pathlib import Path
    from jackfield.sdk import Plugin

    DIARY = Path(__file__).parents[2] / "diary"

    class Writing(Plugin):
        id = "{name}"
        async def on_load(self): self.write("load")
        async def on_unload(self): self.write("unload")
        def write(self, what):
            with DIARY.open("a") as diary:
                diary.write(f"{{what}} {{self.id}}\\n")
"""


def read_diary(world: World) -> list[str]:
    return (world.folder.parent / "diary").read_text().splitlines()


async def test_plugins_are_unloaded_in_reverse(world: World) -> None:
    for name in "abc":
        world.write(name, DIARY.format(name=name))
    plugins = await world.start()
    await world.stop()
    assert read_diary(world) == ["load a", "load b", "load c", "unload c", "unload b", "unload a"]
    assert set(states(plugins).values()) == {"unloaded"}


UNLOADS = ["raise ValueError('stuck')", "import sys; sys.exit(1)", "await asyncio.Event().wait()"]


@pytest.mark.parametrize("body", UNLOADS)
async def test_one_that_does_not_unload_cleanly_keeps_no_other_from_it(
    world: World, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a", DIARY.format(name="a"))
    method = (
        f"import asyncio\nfrom jackfield.sdk import Plugin\nclass B(Plugin):\n    async def on_unload(self): {body}\n"
    )
    world.write("b", method)
    plugins = await world.start()
    if "wait()" in body:
        monkeypatch.setattr(loader, "LIFE_S", 0.3)
    with capture_logs() as logs:
        await world.stop()
    assert read_diary(world) == ["load a", "unload a"]
    assert set(states(plugins).values()) == {"unloaded"}
    assert [(log["event"], log["plugin"]) for log in logs] == [("plugin_unload_failed", "b")]


async def test_stopping_twice_unloads_once(world: World) -> None:
    world.write("a", DIARY.format(name="a"))
    await world.start()
    await world.stop()
    await world.stop()
    assert read_diary(world) == ["load a", "unload a"]


async def test_one_that_is_not_quite_well_runs_and_says_why(world: World) -> None:
    source = """
        from jackfield.sdk import Health, Plugin, hook
        class Ill(Plugin):
            async def health(self): return Health(ok=False, detail="no disk")
            @hook("background")
            async def look(self, exchange): ...
    """
    world.write("ill", source)
    plugins = await world.start()
    assert (plugins["ill"].state, plugins["ill"].reason) == ("degraded", "no disk")
    assert world.host is not None
    assert len(world.host.snapshot.table.hooks) == 1


async def test_a_cycle_of_orders_is_refused_and_what_had_started_is_unloaded(world: World) -> None:
    for name, other in ("ab", "ba"):
        hook = f"    @hook('ingress', after=('{other}',))\n    async def check(self, exchange): ...\n"
        source = "from jackfield.sdk import hook\n" + DIARY.replace("\n    ", "\n").format(name=name) + hook
        world.write(name, source)
    with pytest.raises(ManifestError, match="a after b after a"):
        await world.start()
    assert read_diary(world) == ["load a", "load b", "unload b", "unload a"]


async def test_a_start_that_is_interrupted_unloads_what_had_started(world: World) -> None:
    world.write("a", DIARY.format(name="a"))
    world.write("b", "import asyncio\nfrom jackfield.sdk import Plugin\nclass B(Plugin):\n"
                "    async def on_load(self):\n        open(__file__ + '.entered', 'w').close()\n"
                "        await asyncio.Event().wait()\n")  # fmt: skip
    task = asyncio.create_task(world.start())
    entered = world.folder / "b" / "plugin.py.entered"
    async with asyncio.timeout(5):
        while not entered.exists():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert read_diary(world) == ["load a", "unload a"]


def modules_of(folder: Path) -> list[str]:
    return [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]


async def test_the_code_of_a_plugin_is_freed_when_it_is_unloaded(world: World) -> None:
    source = """
        from jackfield.sdk import Plugin, PluginConfig, hook
        from . import words
        class Config(PluginConfig):
            depth: int = 1
        class Big(Plugin[Config]):
            @hook("background")
            async def look(self, exchange): words.SAID.append(exchange.id)
    """
    world.write("big", source, words="SAID = []")
    plugins = await world.start()
    assert len(modules_of(world.folder)) == 2
    instance = plugins["big"].instance
    assert instance is not None
    assert world.host is not None
    (hook,) = world.host.snapshot.table.hooks
    await hook.call(SimpleNamespace(id="req_1"))
    kind = weakref.ref(type(instance))
    module = weakref.ref(sys.modules[type(instance).__module__])
    del hook, instance, plugins
    await world.stop()
    world.host = None
    gc.collect()
    assert modules_of(world.folder) == []
    assert module() is None
    assert kind() is None


@pytest.mark.parametrize(
    "source", ["x = 1", "1 / 0", "from jackfield.sdk import Plugin\nclass A(Plugin):\n    id = 'X'"]
)
async def test_the_code_of_one_that_failed_is_freed_at_once(world: World, source: str) -> None:
    world.write("bad", source)
    await world.start()
    assert modules_of(world.folder) == []


async def test_a_built_in_stays_imported(world: World) -> None:
    from jackfield.sources.builtin import BuiltinSource

    await world.start(sources=[BuiltinSource()])
    await world.stop()
    assert "jackfield.plugins.echo" in sys.modules


async def test_two_hosts_load_two_copies_of_one_folder(world: World, tmp_path: Path) -> None:
    world.write("same")
    other = World(world.folder)
    first, second = await world.start(), await other.start()
    assert type(first["same"].instance) is not type(second["same"].instance)
    await other.stop()


WAYS: list[tuple[PluginState, PluginState]] = [
    ("discovered", "loading"),
    ("discovered", "disabled"),
    ("discovered", "failed"),
    ("loading", "active"),
    ("loading", "degraded"),
    ("loading", "failed"),
    ("active", "quarantined"),
    ("quarantined", "active"),
    ("active", "draining"),
    ("draining", "unloaded"),
    ("disabled", "loading"),
    ("failed", "loading"),
]
NO_WAYS: list[tuple[PluginState, PluginState]] = [
    ("discovered", "active"),
    ("failed", "active"),
    ("disabled", "active"),
    ("active", "unloaded"),
    ("unloaded", "loading"),
    ("active", "active"),
]


@pytest.mark.parametrize(("now", "to"), WAYS)
def test_there_is_a_way(now: PluginState, to: PluginState) -> None:
    assert step(now, to, "p") == to


@pytest.mark.parametrize(("now", "to"), NO_WAYS)
def test_there_is_no_way(now: PluginState, to: PluginState) -> None:
    with pytest.raises(Conflict, match=f"plugin p is {now}: it cannot become {to}") as refusal:
        step(now, to, "p")
    assert refusal.value.plugin == "p"


async def test_a_plugin_that_failed_has_a_guard_and_no_hooks(world: World) -> None:
    world.write("bad", "1 / 0")
    plugins = await world.start()
    assert "ZeroDivisionError" in reason(plugins, "bad")
    assert plugins["bad"].guard.stats.report()["calls"] == 0
