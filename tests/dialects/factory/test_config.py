"""Config: defaults, file, environment, and what is none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from jackfield import settings
from jackfield.errors import ConfigError
from jackfield.host import loader
from jackfield.testing.gateway import KEYS

from .guide import SKELETON, system

FILE = "[plugins.config.my]\nlimit = 2\nnested = {{a = 1, b = {{c = 2}}}}\n{extra}"


def load(folder: Path, environ: dict[str, str], extra: str = "", **overrides: Any) -> settings.Settings:
    file = folder / "jackfield.toml"
    file.write_text(FILE.format(extra=extra))
    return settings.load(file, overrides, KEYS | environ)


@pytest.mark.parametrize(
    ("environ", "limit", "nested"),
    [
        ({}, 2, {"a": 1, "b": {"c": 2}}),
        ({"PLUGINS__MY__LIMIT": "3"}, "3", {"a": 1, "b": {"c": 2}}),
        ({"plugins__my__limit": "4", "PLUGINS__MY__LIMIT": "3"}, "4", {"a": 1, "b": {"c": 2}}),
        ({"PLUGINS__MY__NESTED__B__C": "5"}, 2, {"a": 1, "b": {"c": "5"}}),
        ({"PLUGINS__MY__NESTED": '{"b": {"c": 6}}'}, 2, {"a": 1, "b": {"c": 6}}),
        ({"PLUGINS__MY": '{"limit": 8, "nested": {"a": 0}}'}, 8, {"a": 0, "b": {"c": 2}}),
        ({"plugins__my": '{"limit": 8}', "plugins__my__limit": "9"}, "9", {"a": 1, "b": {"c": 2}}),
        ({"PLUGINS__MY__LIMIT": "3", "JACKFIELD_PLUGINS__CONFIG__MY__LIMIT": "7"}, 7, {"a": 1, "b": {"c": 2}}),
    ],
)
def test_the_environment_stands_over_the_file(
    tmp_path: Path, environ: dict[str, str], limit: Any, nested: dict[str, Any]
) -> None:
    own = load(tmp_path, environ).plugins.config["my"].own
    assert (own["limit"], own["nested"]) == (limit, nested)


@pytest.mark.parametrize("value", ['{"enabled": false', '["enabled"]', '{"a": 1} b'])
def test_a_table_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    """It may have been meant to disable the plugin."""
    with pytest.raises(ConfigError, match="variable PLUGINS__MY must be a JSON object of the plugin's fields"):
        load(tmp_path, {"PLUGINS__MY": value})


def test_what_may_be_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    given = {"PLUGINS__MY": "3", "PLUGINS": "{", "PLUGINS__": "{", "PLUGINS_DIR": "["}
    assert load(tmp_path, given).plugins.config["my"].own["limit"] == 2


LAYERS = ("defaults", "file", "environment", "command line")


@pytest.mark.parametrize(("lower", "upper"), [(low, high) for n, low in enumerate(LAYERS) for high in LAYERS[n + 1 :]])
@pytest.mark.parametrize("field", ["limit", "nested.deep.c"])
async def test_of_any_two_layers_the_upper_one_counts(tmp_path: Path, lower: str, upper: str, field: str) -> None:
    class Deep(BaseModel):
        deep: dict[str, int] = {"c": 1}

    class Model(BaseModel):
        limit: int = 1
        nested: Deep = Deep()

    given = {lower, upper}
    top, _, below = field.rpartition(".")
    file = f"[plugins.config.my{top and f'.{top}'}]\n{below} = 2\n" if "file" in given else "[plugins.config.my]\n"
    environ = {f"PLUGINS__MY__{field.replace('.', '__').upper()}": "3"} if "environment" in given else {}
    overrides = {f"plugins.config.my.{field}": 4} if "command line" in given else {}
    (tmp_path / "jackfield.toml").write_text(file)
    loaded = settings.load(tmp_path / "jackfield.toml", overrides, KEYS | environ)
    found: Any = loader.read_config(Model, "my", loaded.plugins.config["my"])
    value = found.limit if field == "limit" else found.nested.deep["c"]
    assert value == 1 + LAYERS.index(upper)


def test_the_command_line_stands_over_both(tmp_path: Path) -> None:
    given = {"plugins.config.my.limit": 9}
    assert load(tmp_path, {"PLUGINS__MY__LIMIT": "3"}, **given).plugins.config["my"].own["limit"] == 9


@pytest.mark.parametrize("word", ["false", "0", "no", "False", "off"])
@pytest.mark.parametrize("name", ["PLUGINS__MY__ENABLED", "plugins__my__enabled"])
def test_false_disables(tmp_path: Path, word: str, name: str) -> None:
    assert load(tmp_path, {name: word}, "enabled = true").plugins.config["my"].enabled is False


@pytest.mark.parametrize("environ", [{}, {"PLUGINS_DISABLE_LOCAL_DISCOVERY": "true"}])
def test_local_discovery_can_be_switched_off(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "plugins").mkdir()
    extra = "" if environ else "[plugins]\ndisable_local_discovery = true\n"
    assert load(tmp_path, {}).plugins.dirs == (tmp_path / "plugins",)
    loaded = load(tmp_path, environ, extra).plugins
    assert (loaded.dirs, loaded.disable_local_discovery) == ((), True)


WATCH = """
    async def _on_initialize(self):
        seen.append(self.context.get("config"))
"""


async def test_the_model_is_what_the_plugin_gets(open_house: Any) -> None:
    environ = {"PLUGINS__MY__LIMIT": "3", "PLUGINS__MY__NAME": "123"}
    house = await open_house(plugins={"my": system("my", WATCH)}, environ=environ)
    (given,) = house.module("my").seen
    assert type(given) is house.module("my").Config
    assert (given.limit, given.name, given.enabled) == (3, "123", True)


async def test_one_that_is_disabled_is_not_even_imported(open_house: Any) -> None:
    house = await open_house(
        plugins={"my_provider": "raise SystemExit\n" + SKELETON}, environ={"PLUGINS__MY_PROVIDER__ENABLED": "false"}
    )
    told = await house.described("my_provider")
    assert (told["state"], told["initialized"]) == ("disabled", False)


async def test_what_the_model_refuses_is_named(open_house: Any) -> None:
    house = await open_house(plugins={"my": system("my", WATCH)}, environ={"PLUGINS__MY__LIMIT": "many"})
    told = await house.described("my")
    assert told["state"] == "failed"
    assert "plugins.config.my.limit" in told["reason"]


async def test_a_plugin_that_is_off_by_default_is_switched_on(open_house: Any) -> None:
    off = system("my", WATCH).replace("enabled: bool = True", "enabled: bool = False")
    house = await open_house(plugins={"my": off})
    assert house.module("my").seen[0].enabled is False
    house = await open_house(plugins={"my": off}, environ={"PLUGINS__MY__ENABLED": "true"})
    assert house.module("my").seen[0].enabled is True


def test_keys_that_the_model_does_not_know_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(BaseModel):
        limit: int = 1

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(loader, "log", SimpleNamespace(warning=lambda event, **fields: told.append(fields)))
    loader.read_config(Closed, "my", settings.PluginConfig.model_validate({"limit": 2, "limitt": 3, "enabled": True}))
    assert told == [{"plugin": "my", "fields": ["limitt"]}]
