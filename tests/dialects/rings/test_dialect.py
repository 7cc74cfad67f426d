"""Finding ring plugins in a folder, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jackfield.control.prices import PriceTable
from jackfield.dialects.rings.dialect import RingDialect, names_for
from jackfield.dialects.rings.world import RingWorld
from jackfield.errors import ManifestError
from jackfield.sdk.plugin import config_model
from jackfield.sources.base import Found

from . import guide
from .folders import PASSES, entry, find_one, reason_of, write_folder


def names_in(folder: Path) -> list[str]:
    return [found.name for found in RingDialect().find(folder)]


def manifest_error(found: Found) -> str:
    with pytest.raises(ManifestError) as caught:
        found.manifest()
    return str(caught.value)


def write_contents(found: Found, folder: Path) -> Path:
    """The plugin alone in an empty plugins folder."""
    assert found.contents is not None
    for path, content in found.contents().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
    return folder


@pytest.mark.parametrize("text", [None, "version: 1\n", "plugins:\n"])
def test_a_folder_without_ring_plugins_has_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "manifest.yaml").write_text(text)
    assert names_in(tmp_path) == []


def test_the_guides_example_loads_although_a_name_in_it_is_not_defined(tmp_path: Path) -> None:
    (tmp_path / "marketplace").mkdir()
    (tmp_path / "marketplace" / "my_plugin.py").write_text(guide.PLUGIN)
    (tmp_path / "manifest.yaml").write_text(guide.MANIFEST)
    dialect = RingDialect()
    found = find_one(tmp_path, dialect)
    made = dialect.read(found)
    assert (made.manifest.id, made.manifest.name, made.manifest.priority) == ("my_plugin", "My Plugin", 25)
    assert (made.manifest.enabled, made.manifest.version, made.manifest.author) == (False, "1.0.0", "your-name")
    assert [item["key"] for item in made.ui_schema] == ["my_setting"]
    assert config_model(made.kind).model_validate({}).model_dump() == {"my_setting": "default"}
    assert made.manifest == found.manifest()


def test_a_plugin_is_known_by_all_its_names_before_it_runs(tmp_path: Path) -> None:
    files = {"marketplace/ab_router.py": PASSES.replace('"passes"', '"router_of_a"') + "\nraise RuntimeError"}
    found = find_one(write_folder(tmp_path, entry("A/B Router", "marketplace.ab_router"), files=files))
    assert found.name == "a_b_router"
    assert set(found.aliases) == {"A/B Router", "marketplace.ab_router", "ab_router", "router_of_a"}


def test_each_entry_has_a_place_of_its_own(tmp_path: Path) -> None:
    shown = Path("elsewhere/plugins")
    folder = write_folder(tmp_path, entry("One"), entry("Two"), entry("One"))
    found = RingDialect().find(folder, shown)
    assert [one.place for one in found] == [
        "elsewhere/plugins/manifest.yaml#one",
        "elsewhere/plugins/manifest.yaml#two",
        "elsewhere/plugins/manifest.yaml#one[2]",
    ]


def test_of_two_with_one_name_the_first_has_it(tmp_path: Path) -> None:
    first, second = RingDialect().find(write_folder(tmp_path, entry("My Plugin"), entry("my-plugin")))
    assert first.load() is not None
    told = manifest_error(second)
    assert told.endswith("plugins[1].name (my-plugin): plugins[0] has the id 'my_plugin' already")
    assert second.aliases == ()


def test_one_bad_entry_harms_no_other(tmp_path: Path) -> None:
    bad = [entry("Bad", hook="preflight"), {"hook": "ingress"}, "text", entry("Worse", typo=1)]
    *failed, good = RingDialect().find(write_folder(tmp_path, *bad, entry("Good")))
    assert [found.name for found in failed] == ["bad", "manifest.yaml[1]", "manifest.yaml[2]", "worse"]
    assert "plugins[0].hook (Bad): " in manifest_error(failed[0])
    assert "plugins[1].name: is missing" in manifest_error(failed[1])
    assert all(f"{tmp_path}/manifest.yaml:" in manifest_error(found) for found in failed)
    assert all("ManifestError" in reason_of(found) for found in failed)
    assert good.load() is not None


@pytest.mark.parametrize("text", ["plugins: [", "plugins: " + "x" * 300_000, "plugins: text"])
def test_a_manifest_that_cannot_be_read_is_one_failed_plugin(tmp_path: Path, text: str) -> None:
    folder = write_folder(tmp_path, installed=[entry("Good", allow_inprocess=True)])
    (folder / "manifest.yaml").write_text(text)
    failed, good = RingDialect().find(folder)
    assert (failed.name, good.name) == ("manifest.yaml", "good")
    assert str(folder / "manifest.yaml") in manifest_error(failed)
    assert failed.contents is not None
    with pytest.raises(ManifestError):
        failed.contents()


def test_a_manifest_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plugins", entry())
    (folder / "manifest.yaml").rename(tmp_path / "manifest.yaml")
    (folder / "manifest.yaml").symlink_to(tmp_path / "manifest.yaml")
    assert "leads out of the plugins folder" in manifest_error(find_one(folder))


def test_installed_plugins_are_found_beside_the_bundled(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, entry("One"), installed=[entry("Two", allow_inprocess=True)])
    assert names_in(folder) == ["one", "two"]


def test_an_installed_plugin_replaces_the_bundled_one_of_its_name(tmp_path: Path) -> None:
    installed = [entry("one", version="2", allow_inprocess=True)]
    two, one = RingDialect().find(write_folder(tmp_path, entry("One"), entry("Two"), installed=installed))
    manifest = one.manifest()
    assert (two.name, manifest and manifest.version) == ("two", "2")


@pytest.mark.parametrize(("trusted", "runtime"), [(False, "isolated"), (True, "inprocess")])
def test_an_installed_plugin_runs_apart_unless_it_is_trusted(tmp_path: Path, trusted: bool, runtime: str) -> None:
    stated = entry(allow_inprocess=True) if trusted else entry()
    assert find_one(write_folder(tmp_path, installed=[stated])).runtime == runtime


CLOSURE = {
    "marketplace/my_plugin.py": f"from plugins.default import near\nfrom . import beside\n{PASSES}",
    "marketplace/beside.py": "from ..default.far import f",
    "marketplace/other.py": "x = 1",
    "default/__init__.py": "",
    "default/near.py": "x = 1",
    "default/far.py": "def f():\n    import plugins.deep.er.module",
    "deep/er/module.py": "x = 1",
    "deep/unused.py": "x = 1",
    "notes.txt": "not code",
}


def test_the_contents_are_the_entry_and_all_that_it_imports(tmp_path: Path) -> None:
    found = RingDialect().find(write_folder(tmp_path, entry(), entry("Other"), files=CLOSURE))[0]
    assert found.contents is not None
    assert set(found.contents()) == {
        "manifest.yaml",
        "marketplace/my_plugin.py",
        "marketplace/beside.py",
        "default/__init__.py",
        "default/near.py",
        "default/far.py",
        "deep/er/module.py",
    }


@pytest.mark.parametrize("where", ["bundled", "installed"])
def test_the_contents_alone_are_the_same_plugin(tmp_path: Path, where: str) -> None:
    stated = entry(config={"day": "2026-01-01"}, ui_schema=[{"key": "n", "type": "number"}], allow_inprocess=True)
    entries: Mapping[str, Any] = {"installed": [stated]} if where == "installed" else {}
    bundled = [] if entries else [stated]
    found = find_one(write_folder(tmp_path / "one", *bundled, files=CLOSURE, **entries))
    copy = find_one(write_contents(found, tmp_path / "two"))
    dialect = RingDialect()
    assert (copy.name, copy.manifest(), copy.aliases) == (found.name, found.manifest(), found.aliases)
    assert found.contents is not None
    assert copy.contents is not None
    assert list(copy.contents()) == list(found.contents())
    assert copy.contents()[f"{'installed/' if entries else ''}manifest.yaml"] == next(iter(found.contents().values()))
    assert dialect.read(copy).ui_schema == [{"key": "n", "type": "number"}]


def test_what_changes_around_a_plugin_does_not_change_its_contents(tmp_path: Path) -> None:
    before = RingDialect().find(write_folder(tmp_path, entry(), entry("Other")))[0]
    assert before.contents is not None
    stated = before.contents()
    after = RingDialect().find(write_folder(tmp_path, entry("Another", priority=5), entry()))[1]
    assert after.contents is not None
    assert after.contents() == stated


def contents_error(found: Found) -> str:
    assert found.contents is not None
    with pytest.raises(ManifestError) as caught:
        found.contents()
    assert str(caught.value) in reason_of(found)
    return str(caught.value)


def test_a_module_that_is_not_there_is_told_with_its_field(tmp_path: Path) -> None:
    found = find_one(write_folder(tmp_path, entry(module="marketplace.gone")))
    told = "plugins[0].entrypoint (My Plugin): there is no marketplace/gone.py in the plugins folder"
    assert contents_error(found).endswith(told)


def test_a_module_whose_name_no_file_can_have_is_not_there(tmp_path: Path) -> None:
    bad, good = RingDialect().find(write_folder(tmp_path, entry(module="m" * 5_000), entry("Good")))
    assert "in the plugins folder" in contents_error(bad)
    assert good.load() is not None


def test_a_module_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "plugins", entry())
    (tmp_path / "outside.py").write_text(PASSES)
    (folder / "marketplace" / "my_plugin.py").unlink()
    (folder / "marketplace" / "my_plugin.py").symlink_to(tmp_path / "outside.py")
    assert "leads out of the plugins folder" in contents_error(find_one(folder))


def test_an_imported_module_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    files = {"marketplace/my_plugin.py": f"from . import beside\n{PASSES}"}
    folder = write_folder(tmp_path / "plugins", entry(), files=files)
    (tmp_path / "outside.py").write_text("x = 1")
    (folder / "marketplace" / "beside.py").symlink_to(tmp_path / "outside.py")
    assert "leads out of the plugins folder" in contents_error(find_one(folder))


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    files = {"marketplace/my_plugin.py": b"#" * 3_000_000}
    assert "is longer than 2 MB" in contents_error(find_one(write_folder(tmp_path, entry(), files=files)))


def test_what_is_wrong_in_a_copy_is_told_without_a_line_that_is_not_the_originals(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, entry(symbol="Missing"))
    (found,) = RingDialect().find(folder, Path("shown"))
    told = "shown/manifest.yaml: plugins[…].entrypoint (My Plugin): there is no Missing in marketplace.my_plugin"
    assert told in reason_of(found)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import os", "PluginSecurityError: marketplace/my_plugin.py: Forbidden import 'os' (line 1)"),
        ("def f(:", "PluginSecurityError: marketplace/my_plugin.py: Syntax error: "),
        ("import numpyy", "Import 'numpyy' is not in allowed list"),
        ("raise KeyError('mine')", "KeyError: 'mine'"),
        ("from core.plugin_sdk import Nothing", "ImportError: cannot import name 'Nothing'"),
        ("class Pases: pass", "there is no Passes in marketplace.my_plugin; did you mean 'Pases'?"),
        ("from . import beside", "PluginSecurityError: marketplace/beside.py: Forbidden import 'socket' (line 1)"),
    ],
)
def test_a_module_that_must_not_or_does_not_run_is_refused(tmp_path: Path, source: str, told: str) -> None:
    files = {"marketplace/my_plugin.py": source, "marketplace/beside.py": "import socket"}
    assert told in reason_of(find_one(write_folder(tmp_path, entry(), files=files)))


@pytest.mark.parametrize(
    "source", ["Passes = 5", "def Passes(ctx): pass", "class Passes:\n    def execute(self): pass"]
)
def test_a_symbol_that_cannot_be_a_plugin_is_refused(tmp_path: Path, source: str) -> None:
    dialect = RingDialect()
    found = find_one(write_folder(tmp_path, entry(), files={"marketplace/my_plugin.py": source}), dialect)
    with pytest.raises(ManifestError):
        dialect.read(found)


@pytest.mark.parametrize("stated", ["0", "600_001", "True", "'50'", "float('nan')"])
def test_a_deadline_that_a_class_states_is_a_possible_one(tmp_path: Path, stated: str) -> None:
    source = PASSES.replace('name = "passes"', f"timeout_ms = {stated}")
    dialect = RingDialect()
    found = find_one(write_folder(tmp_path, entry(), files={"marketplace/my_plugin.py": source}), dialect)
    with pytest.raises(ManifestError, match="it is a number from 1 to 600000") as caught:
        dialect.read(found)
    assert "timeout_ms" in str(caught.value)


def test_costs_are_reckoned_with_the_gateways_own_prices(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text('[[prices]]\nmodels = ["ours"]\ninput = 7.0\noutput = 9.0\nas_of = 2026-01-01\n')
    names = names_for(RingWorld(prices=PriceTable.load(prices)))
    assert names["pricing"].get_pricing("ours") == {"input": 7.0, "output": 9.0}
