"""New plugins: what they are called, where they are written, and that each passes its own tests."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from jackfield.dialects.rings.dialect import RingDialect
from jackfield.errors import ConfigError
from jackfield.testing.host import FakeHost
from jackfield.testing.scaffolds import KINDS, Names, render, write
from surroundings import outside

WITHIN_S = 60.0
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
# The suite must pass on a machine with nothing but Python; where there is no Node nobody can run a toolbox's tests.
NODE = shutil.which("node")
RUNNABLE = [kind for kind in KINDS if kind != "toolbox" or NODE]


async def run_tests(folder: Path, *command: str) -> tuple[int | None, str]:
    """As its author would run them: in the folder, with nothing of the tests around it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=outside(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()


@pytest.mark.parametrize("kind", RUNNABLE)
async def test_a_new_plugin_passes_its_own_tests(kind: str, tmp_path: Path) -> None:
    folder = write(kind, "tried", tmp_path)
    code, output = await run_tests(folder, *((str(NODE), "--test") if kind == "toolbox" else PYTEST))
    assert code == 0, output
    assert "passed" in output or "# fail 0" in output


async def test_a_new_ring_plugin_works_as_a_gateway_loads_it(tmp_path: Path) -> None:
    dialect = RingDialect()
    (found,) = dialect.find(write("ring", "my_rule", tmp_path) / "plugins")
    async with FakeHost(dialect.read(found)) as host:
        assert (await host.request("a harmless prompt")).status == 200
        trial = await host.request("a Blocked word")
    assert (trial.status, trial.error and trial.error.plugin, trial.sent) == (403, "my_rule", ())
    found.forget()


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("native", {"jackfield.toml", "plugin.py", "tests/test_a_b.py", "README.md"}),
        ("ring", {"plugins/manifest.yaml", "plugins/marketplace/a_b.py", "tests/test_a_b.py", "README.md"}),
        ("toolbox", {"manifest.json", "package.json", "index.js", "tests/index.test.js", "README.md"}),
        ("provider", {"plugin.yaml", "plugin.py", "tests/test_a_b.py", "README.md"}),
        ("factory", {"__init__.py", "plugin.py", "counter.py", "tests/conftest.py", "tests/test_a_b.py", "README.md"}),
    ],
)
def test_each_kind_is_laid_out_as_its_guide_says(kind: str, files: set[str], tmp_path: Path) -> None:
    name = "a_b" if kind in ("ring", "factory") else "a-b"
    folder = write(kind, name, tmp_path / "below" / "there")
    assert folder == tmp_path / "below" / "there" / name
    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == files


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["no", "plugin", "none", "field", "e1", "reject"])
def test_words_that_mean_something_elsewhere_are_names_like_others(kind: str, name: str) -> None:
    texts = render(kind, Names.of(kind, name))
    assert "<<" not in "".join(texts.values())
    for file, text in texts.items():
        if file.endswith(".py"):
            compile(text, file, "exec")
        if file.endswith(".yaml"):
            data = yaml.safe_load(text)
            assert {"plugin.yaml": data.get("metadata", {}).get("provider_type"), "plugins/manifest.yaml": name}[
                file
            ] == name


def test_a_class_does_not_take_the_name_of_what_it_imports() -> None:
    assert [Names.of("native", name).kind for name in ("plugin", "none", "no-shouting", "a_b-1")] == [
        "PluginPlugin",
        "NonePlugin",
        "NoShouting",
        "AB1",
    ]


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("native", "No Shouting", "'No Shouting' cannot be the name of a native plugin: .*; 'no-shouting' would do"),
        ("native", "../out", "cannot be the name of a native plugin"),
        ("native", "1st", "cannot be the name of a native plugin.*; 'st' would do"),
        ("native", "", "cannot be the name of a native plugin: at most 64"),
        ("native", "a" * 65, "cannot be the name of a native plugin"),
        ("ring", "my-rule", "cannot be the name of a ring plugin: .*; 'my_rule' would do"),
        ("ring", "class", "'class' cannot be imported as a module of its own"),
        ("factory", "json", "'json' cannot be imported as a module of its own"),
        ("toolbox", "my_tool", "cannot be the name of a toolbox plugin: .*; 'my-tool' would do"),
        ("provider", "openai", "'openai' is a plugin that comes with Jackfield"),
    ],
)
def test_a_bad_name_is_refused_and_nothing_is_written(kind: str, name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason):
        write(kind, name, tmp_path / "plugins")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tried").mkdir()
    (tmp_path / "tried" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"tried: is not empty: it holds notes\.txt"):
        write("native", "tried", tmp_path)
    assert [file.name for file in tmp_path.rglob("*")] == ["tried", "notes.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "tried").mkdir()
    assert (write("native", "tried", tmp_path) / "plugin.py").is_file()


def test_files_and_links_in_the_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tried").write_text("mine")
    (tmp_path / "linked").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="tried: is a file"):
        write("native", "tried", tmp_path)
    with pytest.raises(ConfigError, match="linked: is a symbolic link"):
        write("native", "linked", tmp_path)
    with pytest.raises(ConfigError, match="cannot write the plugin"):
        write("native", "other", tmp_path / "tried")


def test_what_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text = Path.write_text

    def fill_the_disk(file: Path, text: str, encoding: str) -> int:
        if file.name == "plugin.py":
            raise OSError(28, "No space left on device", str(file))
        return write_text(file, text, encoding=encoding)

    monkeypatch.setattr(Path, "write_text", fill_the_disk)
    with pytest.raises(ConfigError, match="cannot write the plugin: No space left on device"):
        write("native", "tried", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_new_providers_seldom_want_the_same_port() -> None:
    ports = {Names.of("provider", name).port for name in ("tried", "tested", "lantern", "a-b")}
    assert len(ports) == 4
    assert all(20_000 <= port < 30_000 for port in ports)
