"""Which plugins there are at a place, and how each of them is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackfield.errors import ConfigError
from jackfield.testing.check import find_subjects
from jackfield.testing.check.registry import find_by_id

NATIVE = "from jackfield.sdk import Plugin\nclass Tried(Plugin):\n    pass\n"


def write(folder: Path, *names: str, text: str = "") -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text or NATIVE)
    return folder


@pytest.mark.parametrize(
    ("names", "text", "dialect"),
    [
        (["jackfield.toml", "plugin.py"], 'id = "tried"', "native"),
        (["plugin.py"], NATIVE, "native"),
        (["manifest.yaml"], "plugins: []", "ring"),
        (["manifest.json"], "{}", "toolbox"),
        (["package.json"], '{"sentinel": {}}', "toolbox"),
        (["plugin.yaml", "plugin.py"], "type: http", "provider"),
        (["plugin.json"], "{}", "provider"),
        (["plugin.py"], "from ccproxy.plugins import PluginManifest", "factory"),
        (["plugin.py"], "factory = make()", "factory"),
    ],
)
def test_the_dialect_is_told_by_what_is_in_the_folder(
    tmp_path: Path, names: list[str], text: str, dialect: str
) -> None:
    write(tmp_path / "tried", *names, text=text)
    (subject,) = find_subjects(tmp_path / "tried")
    assert (subject.dialect, subject.name) == (dialect, "tried")
    assert find_subjects(tmp_path / "tried" / names[0]) == [subject]
    assert find_subjects(tmp_path) == [subject]


def test_a_folder_laid_out_with_its_plugins_in_plugins_is_known(tmp_path: Path) -> None:
    write(tmp_path / "project", "plugins/one/plugin.py", "plugins/two/plugin.py", "tests/plugin.py")
    write(tmp_path / "project", "jackfield.toml", text='[plugins]\ndirs = ["plugins"]\n')
    assert [subject.name for subject in find_subjects(tmp_path / "project")] == ["one", "two"]


def test_hidden_folders_and_packages_without_a_manifest_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, ".git/plugin.py", "_old/plugin.py", "one/plugin.py")
    write(tmp_path, "node/package.json", text='{"name": "node"}')
    assert [subject.name for subject in find_subjects(tmp_path)] == ["one"]


def test_a_single_file_is_a_native_plugin(tmp_path: Path) -> None:
    write(tmp_path, "alone.py")
    (subject,) = find_subjects(tmp_path / "alone.py")
    assert (subject.dialect, subject.folder, subject.sources()) == ("native", None, [tmp_path / "alone.py"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "there is no such file or folder"),
        ("empty", "there is no plugin in it"),
        ("notes.txt", "is neither a manifest nor a Python file"),
    ],
)
def test_where_there_is_no_plugin_it_is_refused_by_name(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "notes.txt")
    with pytest.raises(ConfigError, match=f"{name}: {reason}"):
        find_subjects(tmp_path / name)


def test_ids_lead_to_what_comes_with_jackfield_and_to_plugins_folders(tmp_path: Path) -> None:
    write(tmp_path, "folder_name/plugin.py")
    (own,) = find_by_id("echo", [tmp_path])
    (found,) = find_by_id("tried", [tmp_path, tmp_path / "absent"])
    assert (own.own, found.own, found.folder) == (True, False, tmp_path / "folder_name")
    assert find_by_id("folder_name", [tmp_path]) == [found]
    with pytest.raises(ConfigError, match="no file, folder or plugin 'trid'; the nearest is 'tried'"):
        find_by_id("trid", [tmp_path])


def test_a_folder_wins_over_what_comes_with_jackfield(tmp_path: Path) -> None:
    write(tmp_path, "echo/plugin.py")
    assert find_by_id("echo", [tmp_path])[0].folder == tmp_path / "echo"
