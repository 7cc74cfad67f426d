"""Which folders are toolbox plugins, where their code begins, and what belongs to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackfield.dialects.native import NativeDialect
from jackfield.dialects.rings.dialect import RingDialect
from jackfield.dialects.toolbox.dialect import ToolboxDialect
from jackfield.dialects.toolbox.folder import ToolboxFolder, find_folders
from jackfield.errors import ManifestError


def write(folder: Path, *files: str, **manifest: object) -> Path:
    said = {"id": "mine", "name": "Mine", "version": "1.0.0", **manifest}
    for name in files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(said) if name == "manifest.json" else "", encoding="utf-8")
    return folder


def of(folder: Path, file: str = "manifest.json") -> ToolboxFolder:
    return ToolboxFolder(folder, folder, file)


def names(folder: Path) -> list[str]:
    return [one.folder.name for one in find_folders(folder, folder)]


@pytest.mark.parametrize(
    ("files", "dialects"),
    [
        (["manifest.json", "index.ts"], ["toolbox"]),
        (["manifest.json", "index.py"], ["toolbox"]),
        (["manifest.json", "plugin.py"], ["toolbox"]),
        (["jackfield.toml", "manifest.json", "plugin.py"], ["native"]),
        (["jackfield.toml", "package.json"], ["native"]),
        (["plugin.py", "index.ts"], ["native"]),
        (["plugin.yaml", "manifest.json"], []),
        (["plugin.yml", "package.json"], []),
        (["index.ts"], []),
        (["README.md"], []),
    ],
)
def test_a_folder_is_one_dialects_alone(tmp_path: Path, files: list[str], dialects: list[str]) -> None:
    write(tmp_path / "one", *files)
    found = [
        one.dialect for dialect in (NativeDialect(), RingDialect(), ToolboxDialect()) for one in dialect.find(tmp_path)
    ]
    assert found == dialects


def test_a_package_is_one_only_with_sentinel(tmp_path: Path) -> None:
    for name, text in {"a": '{"sentinel": {}}', "b": '{"name": "b"}', "c": '{"sentinel": '}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.json").write_text(text)
    assert names(tmp_path) == ["a", "c"]
    with pytest.raises(ManifestError, match=r"c/package.json:1: is not JSON"):
        of(tmp_path / "c", "package.json").manifest  # noqa: B018


def test_hidden_folders_and_files_are_passed_over(tmp_path: Path) -> None:
    for name in (".git", "_old", "node_modules", "shown"):
        write(tmp_path / name, "manifest.json")
    (tmp_path / "manifest.json").write_text("{}")
    assert names(tmp_path) == ["shown"]


def test_a_folder_needs_no_name_like_its_id(tmp_path: Path) -> None:
    write(tmp_path / "Some Folder", "manifest.json", "index.ts", id="mine")
    (found,) = ToolboxDialect().find(tmp_path)
    manifest = found.manifest()
    assert (found.name, manifest.id if manifest else None) == ("Some Folder", "mine")


def test_its_requests_are_called_what_the_guide_calls_them(tmp_path: Path) -> None:
    write(tmp_path / "one", "manifest.json", "index.ts")
    (found,) = ToolboxDialect().find(tmp_path)
    assert ToolboxDialect().read(found).agent == "OpenSentinel-Plugin"


@pytest.mark.parametrize(
    ("main", "files", "wanted"),
    [
        (None, ["index.ts", "index.js", "index.py"], "index.ts"),
        (None, ["index.js"], "index.js"),
        (None, ["index.cjs"], "index.cjs"),
        (None, ["index.mts"], "index.mts"),
        (None, ["index.py"], "index.py"),
        ("dist/index.js", ["dist/index.js", "index.ts"], "dist/index.js"),
        ("./src/../src/main.mjs", ["src/main.mjs"], "src/main.mjs"),
        ("dist", ["dist/index.js"], "dist/index.js"),
        ("lib/main", ["lib/main.js"], "lib/main.js"),
        ("main.py", ["main.py"], "main.py"),
    ],
)
def test_where_its_code_begins(tmp_path: Path, main: str | None, files: list[str], wanted: str) -> None:
    stated = {} if main is None else {"main": main}
    folder = write(tmp_path / "one", "manifest.json", *files, **stated)
    assert of(folder).main.resolve() == (folder / wanted).resolve()


@pytest.mark.parametrize("main", ["../two/index.js", "/etc/passwd", "src/../../two/index.js", "out.js"])
def test_main_may_not_lead_out_of_the_folder(tmp_path: Path, main: str) -> None:
    write(tmp_path / "two", "index.js")
    folder = write(tmp_path / "one", "manifest.json", main=main)
    (folder / "out.js").symlink_to(tmp_path / "two" / "index.js")
    with pytest.raises(ManifestError, match=r"manifest.json: main: .* leads out of the plugin's folder"):
        of(folder).main  # noqa: B018


@pytest.mark.parametrize(
    ("main", "told"), [("index.ts", "there is no index.ts in the folder"), ("run.sh", "run.sh is neither TypeScript")]
)
def test_main_must_be_code_that_is_there(tmp_path: Path, main: str, told: str) -> None:
    folder = write(tmp_path / "one", "manifest.json", "run.sh", "index.js", main=main)
    with pytest.raises(ManifestError, match=told):
        of(folder).main  # noqa: B018


def test_a_linked_folder_may_stay_inside_and_not_lead_out(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    write(plugins / "_kept" / "inside", "manifest.json", "index.ts")
    write(tmp_path / "outside", "manifest.json", "index.ts")
    (plugins / "in").symlink_to(plugins / "_kept" / "inside")
    (plugins / "out").symlink_to(tmp_path / "outside")
    inner, outer = find_folders(plugins, plugins)
    assert inner.manifest.id == "mine"
    assert sorted(inner.contents()) == ["in/index.ts", "in/manifest.json"]
    for read in (outer.for_host, outer.contents):
        with pytest.raises(ManifestError, match=r"plugins/out: leads out of the plugins folder"):
            read()


def test_links_inside_it_may_not_lead_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", "manifest.json", "index.ts")
    (folder / "secret.json").symlink_to("/etc/hostname")
    with pytest.raises(ManifestError, match="leads out of the plugin's folder"):
        of(folder).contents()


def test_what_npm_installed_belongs_to_it(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "one", "manifest.json", "index.ts", "node_modules/left-pad/index.js", ".env", ".git/config"
    )
    assert sorted(of(folder).contents()) == ["one/index.ts", "one/manifest.json", "one/node_modules/left-pad/index.js"]


def test_it_may_not_be_larger_than_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.dialects.contents.MOST_FILES", 3)
    folder = write(tmp_path / "one", "manifest.json", "index.ts", "node_modules/a/1.js", "node_modules/a/2.js")
    with pytest.raises(ManifestError, match="holds more than 3 files or 128 MB"):
        of(folder).contents()
