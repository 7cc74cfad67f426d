"""Every source finds plugins without running any of their code."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from jackfield.dialects.native import NativeDialect
from jackfield.errors import ConfigError, ManifestError
from jackfield.plugins.echo import Echo
from jackfield.sources.base import Found, Source
from jackfield.sources.builtin import BuiltinSource
from jackfield.sources.entry_points import EntryPointSource
from jackfield.sources.folder import FolderSource


def folder_source(folder: Path) -> FolderSource:
    return FolderSource(folder, (NativeDialect().find,))


def write_plugin(folder: Path, source: str = "LOADED = True\n", name: str = "plugin.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(name).write_text(dedent(source), encoding="utf-8")
    return folder


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with two plugins, of which one cannot be imported."""
    place = tmp_path / "site-packages"
    info = place / "fake_plugins-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: fake-plugins\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text(
        "[jackfield.plugins]\nzeta = fake_plugins:Zeta\nbroken = fake_plugins.absent:Nothing\n"
    )
    source = "from jackfield.sdk import Plugin\nclass Zeta(Plugin): ...\n"
    write_plugin(place / "fake_plugins", source, "__init__.py")
    monkeypatch.syspath_prepend(str(place))
    yield place
    sys.modules.pop("fake_plugins", None)


def names(source: Source) -> list[str]:
    return [found.name for found in source.find()]


def found_in(source: Source, name: str) -> Found:
    return next(found for found in source.find() if found.name == name)


def test_installed_packages_offer_plugins_by_entry_point(distribution: Path) -> None:
    source = EntryPointSource()
    assert [name for name in names(source) if name in ("zeta", "broken")] == ["broken", "zeta"]
    zeta = found_in(source, "zeta")
    assert (zeta.source, zeta.place, zeta.folder) == ("entry_point", "fake_plugins:Zeta", None)
    assert "fake_plugins" not in sys.modules
    assert zeta.load().__name__ == "Zeta"


def test_what_is_installed_anew_is_found_as_it_is_now(distribution: Path) -> None:
    source, info = EntryPointSource(), distribution / "fake_plugins-1.0.dist-info"
    assert found_in(source, "zeta").version == "1.0"
    newer = info.rename(distribution / "fake_plugins-1.1.dist-info")
    newer.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: fake-plugins\nVersion: 1.1\n")
    assert found_in(source, "zeta").version == "1.1"
    newer.joinpath("entry_points.txt").unlink()
    assert not {"zeta", "broken"} & set(names(source))


def test_what_is_installed_meanwhile_is_found(
    distribution: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = EntryPointSource()
    assert {"zeta", "broken"} <= set(names(source))
    info = tmp_path / "more" / "more_plugins-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: more-plugins\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[jackfield.plugins]\neta = fake_plugins:Zeta\n")
    monkeypatch.syspath_prepend(str(tmp_path / "more"))
    assert {"zeta", "broken", "eta"} <= set(names(source))
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(distribution)])
    assert {"zeta", "broken", "eta"} & set(names(source)) == {"eta"}


def test_one_that_cannot_be_imported_is_found_all_the_same(distribution: Path) -> None:
    with pytest.raises(ModuleNotFoundError):
        found_in(EntryPointSource(), "broken").load()


def test_the_built_ins_are_the_modules_of_the_package() -> None:
    source = BuiltinSource()
    assert {"anthropic", "echo", "openai"} <= set(names(source))
    echo = found_in(source, "echo")
    assert (echo.source, echo.place) == ("builtin", "jackfield.plugins.echo")
    assert vars(echo.load())["Echo"] is Echo


def test_a_folder_offers_its_sub_folders_by_name(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "_private"):
        write_plugin(tmp_path / name, "raise SystemExit")
    write_plugin(tmp_path / "with_manifest", 'id = "x"', "jackfield.toml")
    write_plugin(tmp_path / "something_else", "", "notes.txt")
    tmp_path.joinpath("plugin.py").write_text("raise SystemExit")
    assert names(folder_source(tmp_path)) == ["a", "b", "with_manifest"]


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent: cannot read the plugins folder: No such file"):
        folder_source(tmp_path / "absent").find()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="file: cannot read the plugins folder: Not a directory"):
        folder_source(file).find()


@pytest.mark.parametrize("name", ["plain", "with-dash", "with.dot", "with space", "größe", "class"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    write_plugin(tmp_path / name, "from .other import WORD")
    write_plugin(tmp_path / name, "WORD = 'said'", "other.py")
    (found,) = folder_source(tmp_path).find()
    assert vars(found.load())["WORD"] == "said"
    found.forget()
    assert not [known for known in sys.modules if known.startswith("jackfield_plugin_") and name in known]


def test_two_plugins_with_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_plugin(tmp_path / name, "from .words import WORD")
        write_plugin(tmp_path / name, f"WORD = {name!r}", "words.py")
    assert [vars(found.load())["WORD"] for found in folder_source(tmp_path).find()] == ["a", "b"]
    assert "words" not in sys.modules


def test_what_a_module_raises_comes_through_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_plugin(tmp_path / "bad", "from . import other\nraise KeyError('k')")
    write_plugin(tmp_path / "bad", "", "other.py")
    before = set(sys.modules)
    (found,) = folder_source(tmp_path).find()
    with pytest.raises(KeyError):
        found.load()
    assert set(sys.modules) == before


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside = write_plugin(tmp_path / "outside")
    inside = tmp_path / "plugins" / "linked"
    inside.mkdir(parents=True)
    os.symlink(outside / "plugin.py", inside / "plugin.py")
    (found,) = folder_source(tmp_path / "plugins").find()
    with pytest.raises(ManifestError, match="leads out of the plugin's folder"):
        found.load()


def test_a_linked_plugin_folder_is_a_plugin(tmp_path: Path) -> None:
    write_plugin(tmp_path / "real")
    tmp_path.joinpath("plugins").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "plugins" / "linked")
    (found,) = folder_source(tmp_path / "plugins").find()
    assert vars(found.load())["LOADED"]


@pytest.mark.parametrize("manifest", ["plugin.yaml", "plugin.json", "manifest.json"])
def test_the_code_beside_another_dialects_manifest_is_not_native(tmp_path: Path, manifest: str) -> None:
    write_plugin(write_plugin(tmp_path / "server"), "", manifest)
    assert names(folder_source(tmp_path)) == []
    write_plugin(tmp_path / "server", 'id = "server"', "jackfield.toml")
    assert names(folder_source(tmp_path)) == ["server"]


def test_a_packed_plugin_is_listed_with_the_way_to_install_it(tmp_path: Path) -> None:
    write_plugin(tmp_path / "plain")
    for name in ("it's.jackfield", ".hidden.jackfield"):
        tmp_path.joinpath(name).write_bytes(b"")
    tmp_path.joinpath(".jackfield").mkdir()
    tmp_path.joinpath("folder.jackfield").mkdir()
    source = folder_source(tmp_path)
    assert names(source) == ["plain", "it's.jackfield"]
    packed = found_in(source, "it's.jackfield")
    assert (packed.dialect, packed.contents) == ("packed", None)
    told = f"jackfield plugin install {shlex.quote(packed.place)}"
    for read in (packed.manifest, packed.load):
        with pytest.raises(ManifestError, match="is a packed plugin") as refused:
            read()
        assert told in str(refused.value)
