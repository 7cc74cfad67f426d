"""The plugin on trial is a class, or whatever a dialect recognises at a path."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from jackfield.errors import ConfigError, JackfieldError, ManifestError
from jackfield.testing import FakeHost
from jackfield.testing.chaos import run_chaos
from jackfield.testing.subject import prepare
from jackfield.testing.target import Target

SOURCE = """
    from jackfield.sdk import Plugin, Reject, hook

    class Quiet(Plugin):
        @hook("pre_flight", on_failure="closed")
        async def refuse(self, exchange):
            return Reject(429, "quiet", "Not now.")
"""


def write(folder: Path, source: str = SOURCE, **files: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "plugin.py").write_text(dedent(source))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(dedent(text))
    return folder


async def test_a_folder_and_any_of_its_files_are_the_plugin(tmp_path: Path) -> None:
    folder = write(tmp_path / "plugins" / "quiet", part__py="x = 1")
    for path in (folder, folder / "plugin.py", folder / "part.py", str(folder)):
        async with FakeHost(path) as host:
            assert host.id == "quiet"
            assert (await host.request()).status == 429


async def test_a_plugins_folder_with_one_plugin_is_that_plugin(tmp_path: Path) -> None:
    write(tmp_path / "plugins" / "quiet")
    async with FakeHost(tmp_path / "plugins") as host:
        assert host.id == "quiet"


async def test_of_several_one_is_named(tmp_path: Path) -> None:
    write(tmp_path / "plugins" / "one")
    write(tmp_path / "plugins" / "two", jackfield__toml='id = "second"')
    with pytest.raises(ConfigError, match=r"there are several plugins \(one, two\): name one"):
        prepare(tmp_path / "plugins")
    with pytest.raises(ConfigError, match="there is no plugin 'three'"):
        prepare(tmp_path / "plugins", "three")
    assert prepare(tmp_path / "plugins", "second").id == "second"


RING = """
from core.plugin_sdk import BasePlugin, PluginHook, PluginResponse

class MyPlugin(BasePlugin):
    name = "my_plugin"
    hook = PluginHook.PRE_FLIGHT

    async def execute(self, ctx):
        if "BLOCK" in str(ctx.body):
            return PluginResponse.block(status_code=403, error_type="blocked", message="Not that.")
        return PluginResponse.passthrough()
"""
ENTRY = """
  - name: "{name}"
    hook: pre_flight
    type: python
    entrypoint: "marketplace.{module}:MyPlugin"
    enabled: true
    version: "1.0.0"
"""


@pytest.fixture
def rings(tmp_path: Path) -> Path:
    """A folder of two ring plugins, laid out as their guide says."""
    folder = tmp_path / "plugins"
    (folder / "marketplace").mkdir(parents=True)
    entries = [ENTRY.format(name=name, module=module) for name, module in (("My Plugin", "mine"), ("Other", "other"))]
    (folder / "manifest.yaml").write_text("plugins:" + "".join(entries))
    for module in ("mine", "other"):
        (folder / "marketplace" / f"{module}.py").write_text(RING)
    return folder


async def test_a_ring_plugin_by_its_file_or_its_name(rings: Path) -> None:
    for host in (FakeHost(rings / "marketplace" / "mine.py"), FakeHost(rings, name="my_plugin")):
        async with host:
            assert host.id == "my_plugin"
            assert (await host.request("hello")).status == 200
            blocked = await host.request("BLOCK")
            assert blocked.error is not None
            assert (blocked.status, blocked.error.code, blocked.error.plugin) == (403, "blocked", "my_plugin")


def test_a_ring_plugin_holds_under_chaos(rings: Path) -> None:
    chaos = run_chaos(Target(rings / "marketplace" / "mine.py"))
    assert [one for one in chaos.verdicts if not one.holds] == []
    assert {one.hook for one in chaos.verdicts if one.point == "pre_flight"}


async def test_a_file_that_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "no_talking.py"
    file.write_text(dedent(SOURCE))
    async with FakeHost(file) as host:
        assert (await host.request()).status == 429


async def test_the_manifest_beside_a_class_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "beside", jackfield__toml='id = "quiet"\npermissions = ["storage:read"]\npriority = 3')
    prepared = prepare(folder)
    async with FakeHost(prepared.blueprint.kind) as host:
        assert host.manifest.permissions == ("storage:read",)
        assert host.hooks[0].priority == 3


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module_at_all", "ModuleNotFoundError"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("answer = 42", "there is no subclass"),
    ],
)
def test_code_that_does_not_load_is_told_in_one_line(tmp_path: Path, source: str, told: str) -> None:
    with pytest.raises(ManifestError, match=told) as caught:
        prepare(write(tmp_path / "plugins" / "broken", source))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nothing", "empty", "text.txt"])
def test_what_is_no_plugin_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(JackfieldError, match=name):
        prepare(tmp_path / name)


CHOOSY = """
from jackfield.sdk import Plugin, hook

class Choosy(Plugin):
    loaded = False

    async def on_load(self):
        self.loaded = True

    def hears(self, spec):
        return self.loaded and spec.name == "told"

    @hook("ingress")
    async def told(self, exchange): ...

    @hook("background")
    async def left_out(self, exchange): ...
"""


async def test_it_is_called_for_what_it_wants_to_hear_of(tmp_path: Path) -> None:
    async with FakeHost(write(tmp_path / "choosy", CHOOSY)) as host:
        assert [hook.name for hook in host.hooks] == ["told"]
