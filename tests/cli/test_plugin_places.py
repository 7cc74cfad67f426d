"""What `plugin check`, `run` and `test` mean by a path: they all mean the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run

COMMANDS = (("check",), ("run",), ("test",), ("test", "--chaos"))
NATIVE = "from jackfield.sdk import Plugin\n\nclass Quiet(Plugin):\n    pass\n"
SHARED = "from core.plugin_sdk import BasePlugin\n\nWORDS = ('one',)\n"
OTHER = """\
from core.plugin_sdk import BasePlugin, PluginResponse
from plugins.marketplace.shared import WORDS

class ToolGuard(BasePlugin):
    name = "guarding"

    async def execute(self, ctx):
        return PluginResponse.passthrough()
"""
ENTRY = """\
  - name: "Tool Guard"
    version: "1.0.0"
    description: "Guards."
    hook: pre_flight
    entrypoint: "marketplace.guard:ToolGuard"
    timeout_ms: 5000
"""


@pytest.fixture
def project(run: Run, folder: Path) -> Path:
    """A new ring plugin with light tests in place of its own, which the scaffolds' tests run, and so much time that no
    stall of the machine is its failure."""
    assert run("plugin", "new", "ring", "my_ring").code == 0
    manifest = folder / "my_ring" / "plugins" / "manifest.yaml"
    manifest.write_text(manifest.read_text().replace("timeout_ms: 50\n", "timeout_ms: 5000\n"))
    (folder / "my_ring" / "tests" / "test_my_ring.py").write_text("def test_nothing():\n    pass\n")
    return folder / "my_ring"


@pytest.fixture
def tests_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The places are what counts here: the tests found there are not run."""
    monkeypatch.setattr("jackfield.testing.own_tests.OwnTests.run", lambda *arguments, **options: 0)
    monkeypatch.setattr("jackfield.testing.chaos_tests.read_report", lambda report: [])


@pytest.mark.usefixtures("project", "tests_pass")
@pytest.mark.parametrize(
    "place",
    ["my_ring", "my_ring/plugins", "my_ring/plugins/manifest.yaml", "my_ring/plugins/marketplace/my_ring.py"],
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_place_of_a_ring_plugin_will_do(run: Run, command: tuple[str, ...], place: str) -> None:
    done = run("plugin", *command, place)
    assert (done.code, done.err) == (0, "")


def list_second(project: Path) -> None:
    plugins = project / "plugins"
    (plugins / "marketplace" / "guard.py").write_text(OTHER)
    (plugins / "marketplace" / "shared.py").write_text(SHARED)
    with (plugins / "manifest.yaml").open("a") as manifest:
        manifest.write(ENTRY)


@pytest.mark.parametrize("name", ["tool_guard", "Tool Guard", "guard", "marketplace.guard", "guarding"])
def test_a_plugin_is_named_as_a_gateway_lets_it_be_named(run: Run, project: Path, name: str) -> None:
    list_second(project)
    done = run("plugin", "run", "my_ring", "--name", name)
    assert (done.code, done.out.splitlines()[0]) == (0, "tool_guard 1.0.0")


def test_the_display_name_of_a_native_plugin_will_do(run: Run, folder: Path) -> None:
    for name, title in (("one", "First One"), ("two", "Second One")):
        (folder / name).mkdir()
        (folder / name / "plugin.py").write_text(NATIVE)
        (folder / name / "jackfield.toml").write_text(f'id = "{name}"\nname = "{title}"\n')
    assert run("plugin", "run", ".", "--name", "Second One").out.splitlines()[0] == "two 0.0.0"
    (folder / "one" / "jackfield.toml").write_text("id =")
    assert run("plugin", "run", ".", "--name", "Second One").code == 0
    assert "jackfield.toml" in run("plugin", "run", ".", "--name", "one").err


@pytest.mark.parametrize("file", ["guard.py", "shared.py"])
def test_a_file_means_the_plugins_that_it_is_part_of(run: Run, project: Path, file: str) -> None:
    list_second(project)
    place = f"my_ring/plugins/marketplace/{file}"
    assert run("plugin", "run", place).out.splitlines()[0] == "tool_guard 1.0.0"
    (project / "plugins" / "marketplace" / "my_ring.py").write_text("def broken(:")
    assert run("plugin", "check", place).code == 0


def test_a_ring_plugin_that_no_manifest_lists_is_told_as_that(run: Run, project: Path) -> None:
    (project / "plugins" / "marketplace" / "new.py").write_text(OTHER)
    for command in COMMANDS:
        done = run("plugin", *command, "my_ring/plugins/marketplace/new.py")
        assert (done.code, done.out) == (1, "")
        assert done.err.endswith("new.py: is written as a ring plugin, and no manifest.yaml above it lists it\n")


def test_a_broken_manifest_is_told_by_way_of_any_of_its_files(run: Run, project: Path) -> None:
    (project / "plugins" / "manifest.yaml").write_text("plugins:\n  - name: x\n    hook: none\n")
    for command in ("check", "run"):
        done = run("plugin", command, "my_ring/plugins/marketplace/my_ring.py")
        assert done.code == 1
        assert "manifest.yaml" in done.out + done.err


@pytest.mark.parametrize("kind", ["factory", "provider"])
def test_a_new_plugin_of_any_dialect_runs(run: Run, kind: str) -> None:
    assert run("plugin", "new", kind, "tried").code == 0
    done = run("plugin", "run", "tried")
    assert (done.code, done.out.startswith("tried 0.1.0\n")) == (0, True)


def test_what_has_a_server_of_its_own_is_not_broken_there(run: Run) -> None:
    assert run("plugin", "new", "provider", "tried").code == 0
    done = run("plugin", "test", "tried", "--chaos")
    assert (done.code, done.out) == (1, "")
    assert done.err == "jackfield: tried: runs in a process of its own, and --chaos breaks what runs in this one\n"


def test_of_several_one_is_to_be_named_whatever_their_dialects(run: Run, folder: Path) -> None:
    assert run("plugin", "new", "provider", "tried").code == 0
    (folder / "quiet").mkdir()
    (folder / "quiet" / "plugin.py").write_text(NATIVE)
    assert run("plugin", "run", ".").err == "jackfield: .: there are several plugins (quiet, tried): name one\n"
    for given in ((".", "--name", "tried"), ("tried/plugin.yaml",)):
        assert run("plugin", "run", *given).out.startswith("tried 0.1.0\n")


def test_a_toolbox_plugin_runs_in_its_own_process_and_is_not_broken_there(run: Run, folder: Path) -> None:
    assert run("plugin", "new", "toolbox", "tried").code == 0
    for place in ("tried", "tried/index.js", "tried/manifest.json"):
        assert run("plugin", "run", place).out.startswith("tried 0.1.0\n")
    done = run("plugin", "test", "tried", "--chaos")
    assert (done.code, done.out) == (1, "")
    assert done.err == "jackfield: tried: runs in a process of its own, and --chaos breaks what runs in this one\n"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_where_there_is_no_plugin_every_command_says_the_same(run: Run, folder: Path, command: tuple[str, ...]) -> None:
    (folder / "empty").mkdir()
    done = run("plugin", *command, "empty")
    assert (done.code, done.out) == (1, "")
    assert done.err == "jackfield: empty: there is no plugin in it: neither a manifest nor a plugin.py\n"
