"""Which folders and packages are factory plugins, and what becomes of those that are broken."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from jackfield.dialects.factory.dialect import GROUP, FactoryDialect
from jackfield.dialects.native import NativeDialect
from jackfield.errors import ManifestError
from jackfield.sources import entry_points

from .guide import SKELETON, system
from .house import put

RUN_ONCE = {
    "__init__": "from .plugin import factory\nfrom . import counted\n",
    "counted": "import ccproxy.plugins.once.state as state\nfrom ccproxy.plugins.once import state as again\n"
    "assert state is not None\nassert again is not None\n",
    "state": "runs = []\n",
}


def names(dialect: FactoryDialect, folder: Path) -> list[str]:
    return [found.name for found in dialect.find(folder)]


def test_a_folder_is_known_by_its_plugin_py(folder: Path) -> None:
    put(folder, "guided", SKELETON)
    put(folder, "imported", "from .made import factory\n", made=SKELETON)
    put(folder, "native", "from jackfield.sdk import Plugin\nfactory = 1\n")
    put(folder, "_hidden", SKELETON)
    put(folder, "neither", "x = 1\n")
    put(folder, "without_it", "from ccproxy.plugins import PluginManifest\n")
    put(folder, "broken", "from ccproxy.plugins import PluginManifest\n1 +\n")
    (folder / "empty").mkdir()
    put(folder, "other", SKELETON).joinpath("jackfield.toml").write_text("")
    assert names(FactoryDialect(), folder) == ["broken", "guided", "imported", "without_it"]
    assert [found.name for found in NativeDialect().find(folder)] == ["native", "neither", "other"]


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ("from ccproxy.plugins import PluginManifest\n", ManifestError, "exports no `factory`"),
        (
            "import ccproxy.plugins\nfactory = 3\n",
            ManifestError,
            "exports a int as `factory`, which is no PluginFactory",
        ),
        ("from ccproxy.plugins import Nothing\n", ImportError, "cannot import name 'Nothing'"),
        (
            "from ccproxy.llms.models import openai\n",
            ModuleNotFoundError,
            "No module named 'ccproxy.llms.models': of ccproxy",
        ),
        ("import ccproxy, not_installed\n", ModuleNotFoundError, "not_installed"),
        (SKELETON.replace('"my_provider"', '"My Provider"'), ManifestError, "name"),
        (SKELETON.replace("is_provider=True", "is_provider=False"), ValueError, "must say is_provider=True"),
        (SKELETON.replace("MyProviderConfig,", "int,"), ManifestError, "no pydantic model"),
    ],
)
def test_what_is_wrong_is_told(folder: Path, source: str, error: type[Exception], told: str) -> None:
    put(folder, "my_provider", source)
    dialect = FactoryDialect()
    (found,) = dialect.find(folder)
    with pytest.raises(error, match=told):
        dialect.read(found)
    assert not [name for name in sys.modules if name.startswith("ccproxy")]


def test_its_code_runs_once_whoever_imports_it(folder: Path) -> None:
    source = system("once", before="from . import state\nstate.runs.append(__name__)")
    put(folder, "once", source, **RUN_ONCE)
    dialect = FactoryDialect()
    (found,) = dialect.find(folder)
    kind: Any = dialect.read(found).kind
    module = sys.modules[type(kind.factory).__module__]
    assert len(module.state.runs) == 1
    found.forget()
    assert type(kind.factory).__module__ not in sys.modules


def test_two_dialects_share_nothing(folder: Path) -> None:
    put(folder, "my_provider", SKELETON)
    one, two = FactoryDialect(), FactoryDialect()
    kinds: list[Any] = [dialect.read(dialect.find(folder)[0]).kind for dialect in (one, two)]
    assert kinds[0].factory is not kinds[1].factory
    assert one.world is not two.world


PACKAGE = {
    "__init__": "",
    "my_plugin": SKELETON,
    "other": "from acme_pack.my_plugin import MyProviderFactory as create\n",
}


@pytest.mark.parametrize("value", ["acme_pack.my_plugin:factory", "acme_pack.other:create", "acme_single:factory"])
def test_an_installed_package_names_a_factory_or_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    place = tmp_path / "acme_pack"
    place.mkdir()
    for name, text in PACKAGE.items():
        place.joinpath(f"{name}.py").write_text(text)
    (tmp_path / "acme_single.py").write_text(SKELETON)
    monkeypatch.syspath_prepend(str(tmp_path))
    dialect = FactoryDialect()
    (found,) = dialect.find_installed([EntryPoint("my_provider", value, "ccproxy.plugins")])
    assert (found.source, found.dialect, found.place) == ("entry_point", "factory", value)
    assert dialect.read(found).manifest.id == "my_provider"
    assert not [name for name in sys.modules if name.startswith(("ccproxy", "acme_"))]


def test_installed_packages_of_both_groups_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "ccproxy.plugins": [EntryPoint("theirs", "a.b:factory", "ccproxy.plugins")],
        "jackfield.plugins": [EntryPoint("ours", "c.d", "jackfield.plugins")],
    }
    monkeypatch.setattr(entry_points, "entry_points", lambda group: points[group])
    found = entry_points.EntryPointSource({GROUP: FactoryDialect().find_installed}).find()
    assert [(one.name, one.dialect, one.source) for one in found] == [
        ("ours", "native", "entry_point"),
        ("theirs", "factory", "entry_point"),
    ]


def test_a_folder_imports_what_lies_beside_it_and_takes_it_along(folder: Path) -> None:
    put(folder, "user", system("user", before="from ccproxy.plugins.words.more import WORDS\nseen.append(WORDS)"))
    library = put(folder, "words", SKELETON, more="from .deeper import WORDS\n", deeper="WORDS = ['leek']\n")
    dialect = FactoryDialect()
    (user, _) = dialect.find(folder)
    assert user.contents is not None
    assert sorted(user.contents()) == ["user/plugin.py", "words/deeper.py", "words/more.py"]
    library.joinpath("plugin.py").unlink()
    kind: Any = dialect.read(user).kind
    module = type(kind.factory).__module__
    assert sys.modules[module].seen == [["leek"]]
    user.forget()
    assert not [name for name in sys.modules if name.startswith(module.partition(".")[0])]


def test_a_package_that_is_not_there_is_told() -> None:
    dialect = FactoryDialect()
    (found,) = dialect.find_installed([EntryPoint("gone", "acme_gone.plugin:factory", "ccproxy.plugins")])
    with pytest.raises(ManifestError, match="there is no package 'acme_gone'"):
        dialect.read(found)


async def test_a_broken_one_is_listed_and_harms_none(open_house: Any) -> None:
    broken = system("raises", "    async def _on_initialize(self):\n        raise RuntimeError('boom')")
    house = await open_house(plugins={"my_provider": SKELETON, "raises": broken, "syntax": "import ccproxy\n1 +"})
    states = {one["name"]: (one["state"], one["reason"]) for one in (await house.status())["plugins"]}
    assert states["my_provider"] == ("active", None)
    assert states["raises"] == ("failed", "on_load: RuntimeError: boom")
    assert "SyntaxError" in states["syntax"][1]


async def test_of_two_with_one_name_one_wins_and_the_other_is_reported(open_house: Any) -> None:
    house = await open_house(plugins={"a_copy": SKELETON, "my_provider": SKELETON})
    plugins = (await house.status())["plugins"]
    reasons = [one["reason"] for one in plugins if one["state"] == "failed"]
    assert len(reasons) == 1
    assert "id 'my_provider' is taken by" in reasons[0]
    assert [one["state"] for one in plugins if one["name"] == "my_provider"] == ["active"]


async def test_two_gateways_share_nothing(open_house: Any) -> None:
    one = await open_house(plugins={"my": system("my")})
    two = await open_house(plugins={"my": system("my")})
    assert one.module("my") is not two.module("my")
    assert [member.id for member in one.world.members()] == ["my"]
    assert one.member("my") is not two.member("my")
