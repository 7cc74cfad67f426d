"""A plugin that cannot be brought to life is listed as failed, with a reason that names the culprit."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from jackfield.host import loader

from .world import World, reason, states

MANIFESTS = [
    ("id = ", "jackfield.toml: Invalid value (at end of document)"),
    ('id = "Bad Id"', "jackfield.toml: id: String should match pattern"),
    ('version = "1"', "jackfield.toml: id: Field required"),
    ('id = "bad"\nprio = 5', "jackfield.toml: prio: Extra inputs are not permitted"),
    ('id = "bad"\npriority = "high"', "jackfield.toml: priority: Input should be a valid integer"),
    ('id = "bad"\nruntime = "docker"', "jackfield.toml: runtime: Input should be 'inprocess', 'isolated' or 'grpc'"),
    ('id = "bad"\nruntime = "isolated"', "nothing here runs plugins in a process of its own (isolated)"),
    ('id = "bad"\nentry = "../evil"', "jackfield.toml: entry: String should match pattern"),
    ('id = "bad"\nentry = "absent"', "jackfield.toml: entry: there is no absent.py in the folder"),
    ('id = "bad"\nentry = "plugin:Absent"', "plugin.py: entry: there is no Absent in it"),
]


@pytest.mark.parametrize(("manifest", "expected"), MANIFESTS)
async def test_a_wrong_manifest_is_refused_with_file_and_field(world: World, manifest: str, expected: str) -> None:
    world.write("bad", manifest=manifest)
    assert expected in reason(await world.start(), "bad")


async def test_a_manifest_that_is_no_text_is_refused(world: World) -> None:
    world.write("bad").joinpath("jackfield.toml").write_bytes(b"\xff\xfe")
    told = reason(await world.start(), "bad")
    assert "jackfield.toml" in told
    assert "utf-8" in told


MODULES = [
    ("x = 1", "there is no subclass of jackfield.sdk.Plugin in it"),
    ("from jackfield.sdk import Plugin", "there is no subclass of jackfield.sdk.Plugin in it"),
    (
        "from jackfield.sdk import Plugin\nclass A(Plugin): ...\nclass B(Plugin): ...",
        "several plugins in one module (A, B): name one",
    ),
    ("def broken(:", "SyntaxError: invalid syntax (plugin.py, line 1)"),
    ("import absent_module_of_nobody", "ModuleNotFoundError: No module named 'absent_module_of_nobody'"),
    ("from . import absent", "ImportError: cannot import name 'absent'"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("import sys\nsys.exit(3)", "SystemExit: 3"),
    ("import asyncio\nraise asyncio.CancelledError('own')", "CancelledError: own"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise BaseException('root')", "BaseException: root"),
    ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E"),
    ("def f(): f()\nf()", "RecursionError"),
    (
        "from jackfield.sdk import Plugin, hook\nclass A(Plugin):\n    @hook('preflight')\n"
        "    async def x(self, e): ...",
        "TypeError: hook: unknown point 'preflight'",
    ),
    (
        "from jackfield.sdk import Plugin, hook\nclass A(Plugin):\n    @hook('ingress')\n    def x(self, e): ...",
        "TypeError: hook A.x: must be `async def`",
    ),
    (
        "from jackfield.sdk import Plugin\nclass A(Plugin):\n    id = 'Not An Id'",
        "class A: String should match pattern",
    ),
    (
        "from jackfield.sdk import Plugin\nclass A(Plugin):\n    def __init__(self, *a): raise OSError('disk')",
        "OSError: disk",
    ),
    ("from jackfield.sdk import Plugin\nclass A(Plugin):\n    def __init__(self): ...", "TypeError"),
]


@pytest.mark.parametrize(("source", "expected"), MODULES, ids=[expected[:30] for _, expected in MODULES])
async def test_whatever_its_code_does_is_its_own_reason(world: World, source: str, expected: str) -> None:
    world.write("bad", source)
    world.write("good")
    plugins = await world.start()
    failed = next(plugin for plugin in plugins.values() if plugin.id != "good")
    assert failed.state == "failed"
    assert expected in str(failed.reason)
    assert "PluginBroke" not in str(failed.reason)
    assert plugins["good"].state == "active"


LIVES = [
    ("async def on_load(self): raise ValueError('no licence')", "on_load: ValueError: no licence"),
    ("async def on_load(self): import sys; sys.exit(1)", "on_load: SystemExit: 1"),
    ("async def on_load(self): raise asyncio.CancelledError", "on_load: CancelledError"),
    ("async def on_load(self): raise GeneratorExit", "on_load: GeneratorExit"),
    ("async def on_load(self): await asyncio.Event().wait()", "on_load did not end within 0.3 s"),
    (
        "async def on_load(self):\n        while True:\n            try: await asyncio.Event().wait()\n"
        "            except asyncio.CancelledError: pass",
        "on_load did not end within 0.3 s",
    ),
    ("def on_load(self): ...", "on_load: must be `async def`"),
    ("on_load = None", "on_load: TypeError"),
    ("async def health(self): raise ValueError('ill')", "health: ValueError: ill"),
    ("async def health(self): return 'fine'", "health: answered str, not Health"),
    ("async def health(self): await asyncio.Event().wait()", "health did not end within 0.3 s"),
]


@pytest.mark.parametrize(("method", "expected"), LIVES, ids=[expected[:30] for _, expected in LIVES])
async def test_a_plugin_that_does_not_start_is_failed(
    world: World, method: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "wait()" in method:
        monkeypatch.setattr(loader, "LIFE_S", 0.3)
    world.write("bad", f"import asyncio\nfrom jackfield.sdk import Plugin\nclass Bad(Plugin):\n    {method}\n")
    world.write("good")
    plugins = await world.start()
    assert expected in reason(plugins, "bad")
    assert plugins["bad"].instance is None
    assert plugins["good"].state == "active"


async def test_one_that_loaded_but_is_not_healthy_is_unloaded(world: World) -> None:
    source = """
        from jackfield.sdk import Plugin
        class Bad(Plugin):
            async def health(self): raise ValueError("ill")
            async def on_unload(self): open(__file__ + ".unloaded", "w").close()
    """
    place = world.write("bad", source)
    await world.start()
    assert place.joinpath("plugin.py.unloaded").exists()


CONFIGURED = """
    from pydantic import field_validator
    from jackfield.sdk import Plugin, PluginConfig, hook

    class Inner(PluginConfig):
        depth: int = 1

    class Config(PluginConfig):
        words: tuple[str, ...] = ()
        inner: Inner = Inner()

        @field_validator("words")
        @classmethod
        def no_secrets(cls, words):
            if "boom" in words:
                raise KeyError("boom")
            return words

    class Configured(Plugin[Config]):
        @hook("ingress")
        async def check(self, exchange): ...
"""
CONFIGS = [
    ({"words": 7}, "plugins.config.configured.words: Input should be a valid"),
    ({"wrds": []}, "plugins.config.configured.wrds: Extra inputs are not permitted"),
    ({"inner": {"depth": "deep"}}, "plugins.config.configured.inner.depth: Input should be a valid integer"),
    ({"words": ["ok", 7]}, "plugins.config.configured.words.1: Input should be a valid string"),
    ({"words": ["boom"]}, "KeyError: 'boom'"),
    ({"runtime": "node"}, "plugins.config.configured.runtime: there is no runtime 'node' for it"),
    ({"runtime": "isolated"}, "nothing here runs plugins in a process of its own"),
    ({"on_failure": "open"}, "plugins.config.configured.on_failure: has no effect on this plugin (ingress)"),
]


@pytest.mark.parametrize(("config", "expected"), CONFIGS)
async def test_a_wrong_config_is_refused_with_its_field(world: World, config: dict[str, object], expected: str) -> None:
    world.write("configured", CONFIGURED)
    world.write("good")
    plugins = await world.start({"configured": config})
    assert expected in reason(plugins, "configured")
    assert plugins["good"].state == "active"


async def test_the_reason_is_logged_with_place(world: World) -> None:
    place = world.write("bad", "1 / 0")
    with capture_logs() as logs:
        await world.start()
    (log,) = [log for log in logs if log["event"] == "plugin_failed"]
    assert (log["plugin"], log["place"]) == ("bad", str(place))
    assert "ZeroDivisionError" in log["reason"]


async def test_a_config_section_without_a_plugin_is_told(world: World) -> None:
    world.write("no_shouting")
    with capture_logs() as logs:
        await world.start({"no_shoutng": {"enabled": False}})
    (log,) = [log for log in logs if log["event"] == "config_without_plugin"]
    assert (log["section"], log["nearest"]) == ("plugins.config.no_shoutng", "no_shouting")


async def test_a_failed_plugin_contributes_nothing(world: World) -> None:
    world.write("bad", manifest='id = "bad"\nunknown = 1')
    world.write("good")
    plugins = await world.start()
    assert world.host is not None
    assert {hook.plugin for hook in world.host.snapshot.table.hooks} == {"good"}
    assert world.made_routes == [(["good"], frozenset({"bad"}))]
    assert states(plugins) == {"bad": "failed", "good": "active"}
