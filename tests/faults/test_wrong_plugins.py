"""What a change of plugins may meet: each is refused by name, and nothing else has changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from host.world import World, states
from jackfield.errors import ConfigError, JackfieldError, Unavailable
from jackfield.host import loader, sealed
from jackfield.stores.audit import AuditLog

PLUGIN = """
    from jackfield.sdk import Plugin, PluginConfig, hook

    class Config(PluginConfig):
        word: str = "none"

    class Good(Plugin[Config]):
        id = "{name}"
        version = "{version}"
        @hook("ingress")
        async def check(self, exchange): ...
"""
HEAD = "import asyncio, sys, time\nfrom jackfield.sdk import *\n"
BODIES = {
    "a syntax error": ("def broken(:", "SyntaxError"),
    "an import of nothing": ("import absent_module_of_nobody", "ModuleNotFoundError"),
    "an entry that exits": ("import sys; sys.exit(4)", "SystemExit: 4"),
    "an entry that hangs": ("import time; time.sleep(0.5)", "its code did not load within 0.3 s"),
    "no plugin": ("answer = 42", "there is no subclass of jackfield.sdk.Plugin"),
    "an unknown hook": (HEAD + "class A(Plugin):\n    @hook('preflight')\n    async def x(self, e): ...", "preflight"),
}
METHODS = {
    "a start that hangs": (
        "async def on_load(self): await asyncio.Event().wait()",
        "on_load did not end within 0.3 s",
    ),
    "a start that exits": ("async def on_load(self): sys.exit(1)", "on_load: SystemExit: 1"),
    "a health that exits": ("async def health(self): sys.exit(1)", "health: SystemExit: 1"),
    "a health that hangs": ("async def health(self): await asyncio.Event().wait()", "health did not end"),
    "a health that is none": ("async def health(self): return True", "health: answered bool, not Health"),
    "an __init__ of another form": ("def __init__(self): ...", "TypeError"),
    "an __init__ that exits": ("def __init__(self, *given): sys.exit(2)", "SystemExit: 2"),
    "a __new__ that makes something else": ("def __new__(cls, *given): return 7", "made int and not Lying"),
    "a hook that cannot be reached": (
        "@hook('ingress')\n    async def x(self, e): ...\n"
        "    def __getattribute__(self, name): return 1 / 0 if name == 'x' else object.__getattribute__(self, name)",
        "ZeroDivisionError",
    ),
}
MANIFESTS = {
    "an unknown permission": ('id = "bad"\npermissions = ["storage:raed"]', "did you mean 'storage:read'"),
    "an unknown key": ('id = "bad"\nprio = 1', "prio: Extra inputs are not permitted"),
    "a wrong type": ('id = "bad"\npriority = "high"', "priority: Input should be a valid integer"),
    "an entry that climbs out": ('id = "bad"\nentry = "../one/plugin"', "entry: String should match pattern"),
    "an entry that is not there": ('id = "bad"\nentry = "absent"', "there is no absent.py"),
    "ten megabytes": ('id = "bad"\n#' + "x" * 10_000_000, "is longer than 256 KB"),
    "thousands of levels": ('id = "bad"\nx = ' + "[" * 10_000, "maximum recursion depth"),
    "no text": ("id = '\x00'", "jackfield.toml"),
    "a need that nobody meets": ('id = "bad"\n[requires]\nplugins = ["nobody"]', "requires the plugin 'nobody'"),
    "a need of itself": ('id = "bad"\n[requires]\nplugins = ["bad"]', "waits for itself: bad needs bad"),
}


def write(world: World, name: str = "one", version: str = "1", **more: str) -> Path:
    return world.write(name, PLUGIN.format(name=name, version=version), **more)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Two plugins run."""
    world = World(tmp_path / "plugins")
    write(world)
    write(world, "two")
    await world.start()
    yield world
    await world.stop()


def end_soon(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Waits a short time for what waits for ever, and for all else so long that no stall of the machine ends it."""
    if "wait()" in source or "sleep(" in source:
        monkeypatch.setattr(loader, "LIFE_S", 0.3)


class Traces:
    """All that a refused change could have left behind."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def look(self) -> list[Any]:
        world = self._world
        assert world.database is not None
        own = asyncio.current_task()
        return [
            world.running.snapshot,
            dict(world.running.snapshot.plugins),
            states(world.running.snapshot.plugins),
            await world.running.history(),
            await AuditLog(world.database).list(),
            {name for name in sys.modules if name.startswith("jackfield_plugin_")},
            {task.get_name() for task in asyncio.all_tasks() if task is not own},
        ]


async def refused(
    world: World, expected: str, change: Callable[[], Any] | None = None, *, plugin: str | None = "bad"
) -> JackfieldError:
    traces = Traces(world)
    before = await traces.look()
    with pytest.raises(JackfieldError) as refusal:
        await (change or (lambda: world.running.reload(actor="me")))()
    assert expected in str(refusal.value)
    assert refusal.value.plugin == plugin
    assert await traces.look() == before
    return refusal.value


@pytest.mark.parametrize(("source", "expected"), BODIES.values(), ids=BODIES)
async def test_code_that_does_not_load(
    world: World, source: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_soon(monkeypatch, source)
    world.write("bad", source)
    write(world, "two", "2")
    await refused(world, expected)


@pytest.mark.parametrize(("method", "expected"), METHODS.values(), ids=METHODS)
async def test_a_plugin_that_does_not_start(
    world: World, method: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_soon(monkeypatch, method)
    world.write("bad", f"{HEAD}class Lying(Plugin):\n    id = 'bad'\n    {method}\n")
    write(world, "two", "2")
    await refused(world, expected)


@pytest.mark.parametrize(("manifest", "expected"), MANIFESTS.values(), ids=MANIFESTS)
async def test_a_manifest_that_is_wrong(world: World, manifest: str, expected: str) -> None:
    world.write("bad", manifest=manifest)
    write(world, "two", "2")
    await refused(world, expected)


CONFIGS = {
    "no schema": "from collections.abc import Callable\nclass C(PluginConfig):\n    call: Callable[[], int] = len\n",
    "no JSON": "class C(PluginConfig, arbitrary_types_allowed=True):\n    thing: object = object()\n",
    "a default that raises": "from pydantic import Field\nclass C(PluginConfig):\n"
    "    x: int = Field(default_factory=lambda: 1 / 0)\n",
}


@pytest.mark.parametrize("source", CONFIGS.values(), ids=CONFIGS)
async def test_a_config_that_cannot_be_shown(world: World, source: str) -> None:
    """It would break every listing of plugins."""
    world.write("bad", f"{HEAD}{source}class Bad(Plugin[C]):\n    id = 'bad'\n")
    await refused(world, "")
    await world.stop()
    assert states(await world.start()) == {"bad": "failed", "one": "active", "two": "active"}


async def test_an_init_that_lies_about_id_and_config_is_not_asked_again(world: World) -> None:
    source = "def __init__(self, *given):\n        self.id, self.config, self.services = 'one', None, None"
    world.write("bad", f"{HEAD}class Bad(Plugin):\n    id = 'bad'\n    {source}\n")
    await world.running.reload(actor="me")
    plugin = world.running.snapshot.plugins["bad"]
    assert plugin.config == {}
    assert plugin.instance is not None
    assert (plugin.instance.id, type(plugin.instance.config).__name__) == ("bad", "PluginConfig")


async def test_an_id_that_is_taken(world: World) -> None:
    place = world.write("bad", manifest='id = "one"')
    error = await refused(world, "id 'one' is taken by", plugin=f"one@folder:{world.folder / 'one'}")
    assert str(place) in str(error)


async def test_two_new_plugins_of_one_id(world: World) -> None:
    for name in ("bad", "worse"):
        world.write(name, manifest='id = "new"')
    await refused(world, "id 'new' is taken by", plugin=f"new@folder:{world.folder / 'worse'}")


async def test_a_file_that_climbs_out(world: World, tmp_path: Path) -> None:
    tmp_path.joinpath("secret").write_text("x")
    world.write("bad").joinpath("data.txt").symlink_to("../../secret")
    await refused(world, "leads out of the plugin's folder")


async def test_a_folder_that_is_a_link_out(world: World, tmp_path: Path) -> None:
    tmp_path.joinpath("elsewhere").mkdir()
    world.write("bad").joinpath("data").symlink_to(tmp_path / "elsewhere")
    await refused(world, "leads out of the plugin's folder")


async def test_a_link_in_a_circle(world: World) -> None:
    world.write("bad").joinpath("loop").symlink_to("loop")
    await refused(world, "loop")


async def test_a_pipe_that_nobody_writes_to(world: World) -> None:
    os.mkfifo(world.write("bad") / "pipe")
    async with asyncio.timeout(5):
        await refused(world, "is not a regular file")


async def test_a_file_that_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = world.write("bad") / "plugin.py"
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == file:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    await refused(world, "Permission denied")


async def test_a_folder_that_vanishes_while_it_is_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    place, seal = world.write("bad"), sealed.SealedCode.seal

    def vanish(self: Any, contents: Any) -> str:
        if any(path.startswith("bad/") for path in contents):
            shutil.rmtree(place)
        return seal(self, contents)

    monkeypatch.setattr(sealed.SealedCode, "seal", vanish)
    await refused(world, "No such file")
    assert (await world.running.reload(actor="me")).changed is False


async def test_a_plugins_folder_that_is_gone(world: World, tmp_path: Path) -> None:
    world.folder.rename(tmp_path / "away")
    await refused(world, "cannot read the plugins folder", plugin=None)


async def test_a_disk_that_is_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    write(world, "two", "2")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", refuse)
        await refused(world, "No space left on device", plugin="two")
    left = [place for place in (world.data / "code").iterdir() if place.name.startswith(".")]
    assert left == []
    assert (await world.running.reload(actor="me")).plugins == ("two",)


async def test_a_data_folder_that_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> str:
        raise PermissionError(13, "Permission denied", str(world.data / "code"))

    write(world, "two", "2")
    monkeypatch.setattr(sealed.tempfile, "mkdtemp", refuse)
    await refused(world, "Permission denied", plugin="two")


async def test_a_disk_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from jackfield.host import host

    release = threading.Event()
    monkeypatch.setattr(host, "SURVEY_S", 0.05)
    monkeypatch.setattr(sealed.SealedCode, "seal", lambda *_: release.wait(5))
    error = await refused(world, "0.05 s", plugin=None)
    release.set()
    assert isinstance(error, Unavailable)


async def test_a_store_that_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.database is not None
    broken = OperationalError("insert", {}, Exception("disk I/O error"))

    def fail(*_: Any, **__: Any) -> Any:
        raise broken

    write(world, "two", "2")
    with monkeypatch.context() as patched:
        patched.setattr("jackfield.stores.generations.insert", fail)
        await refused(world, "disk I/O error", plugin=None)
        await refused(world, "disk I/O error", lambda: world.running.toggle("one", False, actor="me"), plugin=None)
    assert (await world.running.reload(actor="me")).plugins == ("two",)


async def test_a_wrong_type_in_the_config(world: World) -> None:
    error = await refused(
        world, "plugins.config.one.word", lambda: world.running.configure("one", {"word": 1}, actor="me"), plugin="one"
    )
    assert isinstance(error, ConfigError)


RESERVED = [({"enabled": "maybe"}, "enabled"), ({"priority": "x"}, "priority"), ({"approve": ["storage:raed"]}, "raed")]


@pytest.mark.parametrize(("config", "expected"), RESERVED)
async def test_a_wrong_reserved_key_in_the_config(world: World, config: dict[str, Any], expected: str) -> None:
    await refused(world, expected, lambda: world.running.configure("one", config, actor="me"), plugin="one")


async def test_a_wrong_reserved_key_in_the_file_fails_only_its_plugin(world: World) -> None:
    await world.stop()
    assert states(await world.start({"one": {"approve": ["storage:raed"]}})) == {"one": "failed", "two": "active"}


LEAVING = """
    import asyncio
    from jackfield.sdk import Plugin, hook

    class Leaving(Plugin):
        id = "bad"
        version = "{version}"

        async def on_load(self):
            self.task = asyncio.create_task(self.run(), name="left-behind")
            {then}

        async def run(self):
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    {at_end}
"""


@pytest.mark.parametrize("then", ["raise ValueError('no')", "await asyncio.Event().wait()"])
async def test_tasks_of_one_that_did_not_start_are_ended(
    world: World, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_soon(monkeypatch, then)
    world.write("bad", LEAVING.format(version="1", then=then, at_end="raise"))
    await refused(world, "on_load")


async def test_tasks_of_one_that_is_replaced_are_ended(world: World) -> None:
    for version in "12":
        world.write("bad", LEAVING.format(version=version, then="pass", at_end="raise"))
        await world.running.reload(actor="me")
        await world.running.drained()
        assert [task.get_name() for task in asyncio.all_tasks()].count("left-behind") == 1


async def test_changes_that_wait_when_the_gateway_stops_are_let_go(world: World) -> None:
    world.write("slow", HEAD + "class Slow(Plugin):\n    async def on_load(self): await asyncio.Event().wait()")
    waiting = [asyncio.create_task(world.running.reload(actor="me")) for _ in range(3)]
    await asyncio.sleep(0)
    await world.running.stop()
    await asyncio.wait(waiting)
    assert all(isinstance(task.exception(), Unavailable) for task in waiting)


PLAIN = "from jackfield.sdk import Plugin\nclass One(Plugin): ...\n"
FAILING = """
    from jackfield.sdk import Plugin, hook

    class Failing(Plugin):
        id = "failing"
        version = "{version}"
        @hook("pre_flight", on_failure="closed")
        async def check(self, exchange):
            if not exchange.synthetic:
                raise ValueError("no")
"""


async def test_a_closed_plugin_stays_closed_over_swaps_and_refused_ones(start_gateway: Any) -> None:
    gateway = await start_gateway(plugins={"failing": FAILING.format(version="1"), "one": PLAIN})
    plugins = World(gateway.folder / "plugins")
    assert await answers(gateway, 6) == [502] * 5 + [503]
    plugins.write("one", "def broken(:")
    assert (await gateway.admin("/api/v1/plugins/hot-swap", "POST", {})).status == 409
    assert await answers(gateway) == [503]
    plugins.write("one", PLAIN + "VERSION = 2\n")
    assert (await gateway.admin("/api/v1/plugins/hot-swap", "POST", {})).json["plugins"] == ["one"]
    assert await answers(gateway) == [503]
    plugins.write("failing", FAILING.format(version="2"))
    assert (await gateway.admin("/api/v1/plugins/hot-swap", "POST", {})).json["plugins"] == ["failing"]
    assert await answers(gateway) == [502]
    stats = (await gateway.plugin("failing"))["stats"]
    assert (stats["calls"], stats["errors"]) == (6, 6)


async def answers(gateway: Any, count: int = 1) -> list[int]:
    """The status of so many chats, each refused with the plugin's name."""
    found = []
    async with gateway.caller() as caller:
        for _ in range(count):
            body = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
            called = await caller.post("/v1/chat/completions", body)
            assert called.json["error"]["plugin"] == "failing"
            found.append(called.status)
    return found
