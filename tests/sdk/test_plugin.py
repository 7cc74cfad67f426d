"""A plugin class: its id and its config model."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, ValidationError

from jackfield.sdk import Health, Plugin, PluginConfig
from jackfield.sdk.plugin import config_model, id_of


class Config(PluginConfig):
    words: tuple[str, ...] = ()


class Plain(Plugin): ...


class Configured(Plugin[Config]): ...


class Child(Configured): ...


class OwnConfig(PluginConfig):
    limit: int


class Narrowed(Configured, Plugin[OwnConfig]): ...  # type: ignore[misc]


T = TypeVar("T", bound=BaseModel)


class Shared(Plugin[T], Generic[T]): ...


class Settled(Shared[Config]): ...


@pytest.mark.parametrize(("kind", "model"), [(Plain, PluginConfig), (Configured, Config), (Child, Config)])
def test_the_config_model_is_the_argument_of_plugin(kind: type[Plugin[Any]], model: type[BaseModel]) -> None:
    assert config_model(kind) is model


def test_the_nearest_argument_counts() -> None:
    assert config_model(Narrowed) is OwnConfig


def test_an_argument_given_to_a_generic_parent_counts() -> None:
    assert config_model(Settled) is Config


def test_a_config_is_closed_and_immutable() -> None:
    with pytest.raises(ValidationError, match="wrds"):
        Config.model_validate({"wrds": []})
    with pytest.raises(ValidationError, match="frozen"):
        Config().words = ("x",)


def test_a_plugin_without_a_model_takes_no_config() -> None:
    with pytest.raises(ValidationError, match="anything"):
        config_model(Plain).model_validate({"anything": 1})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("NoShouting", "no_shouting"), ("PIIFilter", "pii_filter"), ("OpenAI", "open_ai"), ("X", "x")],
)
def test_without_an_id_it_is_the_class_name_in_snake_case(name: str, expected: str) -> None:
    assert id_of(type(name, (Plugin,), {})) == expected


def test_an_id_of_its_own_wins() -> None:
    assert id_of(type("Anything", (Plugin,), {"id": "mine"})) == "mine"


async def test_a_plugin_is_well_and_does_nothing_until_it_says_otherwise() -> None:
    plugin = Plain("plain", PluginConfig())
    await plugin.on_load()
    await plugin.on_unload()
    assert await plugin.health() == Health(ok=True, detail="")
    assert plugin.id == "plain"
