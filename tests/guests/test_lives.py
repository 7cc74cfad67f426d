"""The life of a plugin, in process and isolated: its config, its steps, its health, its agents."""

from __future__ import annotations

from typing import Any

import pytest
from tests.guests.places import SIDES, find, host_plugin

from jackfield.errors import ConfigError, JackfieldError
from jackfield.guests.plugin import GuestPlugin
from jackfield.host import loader
from jackfield.host.loader import PluginBroke
from jackfield.sdk.agents import agents_of
from jackfield.sdk.hooks import hooks_of
from jackfield.sdk.plugin import config_model
from jackfield.settings import PluginConfig

pytestmark = pytest.mark.parametrize("place", SIDES)


async def test_it_is_configured_loaded_enabled_and_put_to_rest(place: str) -> None:
    config = {"city": "Ys", "key": "open sesame"}
    async with host_plugin(place, "lively", config=config) as host:
        trial = await host.request()
        assert trial.error is not None
        assert trial.error.message == "('Ys', 3, 'open sesame', ['load', 'enable']) 0"
        assert [spec.instructions for spec in agents_of(host.plugin)] == ["You are in Ys."]
        await loader.disable(host.plugin, host.id)
        await loader.enable(host.plugin, host.id)
        trial = await host.request()
        assert trial.error is not None
        assert "['load', 'enable', 'disable', 'enable']) 1" in trial.error.message


async def test_its_config_is_shown_with_defaults_and_without_secrets(place: str) -> None:
    async with host_plugin(place, "lively", config={"key": "open sesame"}) as host:
        shown = host.plugin.config.model_dump(mode="json")
        assert shown == {"city": "Troy", "most": 3, "wrong": "", "key": "**********"}
        schema = config_model(type(host.plugin)).model_json_schema()
        assert schema["properties"]["most"].items() >= {"default": 3, "maximum": 9, "type": "integer"}.items()


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"most": 10}, "most"),
        ({"most": [1]}, "most"),
        ({"city": 5}, "city"),
        ({"town": "Troy"}, "town"),
        ({"wrong": 1}, "wrong"),
    ],
)
async def test_a_config_that_does_not_fit_names_the_field(place: str, config: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        async with host_plugin(place, "lively", config=config):
            pass
    assert refused.value.field == f"plugins.config.lively.{field}"


async def test_what_only_its_own_model_knows_names_the_field_too(place: str) -> None:
    with pytest.raises((ConfigError, PluginBroke), match=r"plugins\.config\.lively\.city: .*sank"):
        async with host_plugin(place, "lively", config={"city": "Atlantis"}):
            pass


async def test_text_stands_for_a_number_where_its_model_takes_it(place: str) -> None:
    async with host_plugin(place, "lively", config={"most": "7"}) as host:
        trial = await host.request()
        assert trial.error is not None
        assert "('Troy', 7," in trial.error.message


@pytest.mark.parametrize("step", ["load", "enable"])
async def test_a_step_that_raises_keeps_it_out_with_the_reason(place: str, step: str) -> None:
    with pytest.raises(PluginBroke, match=f"on_{step}: ValueError: {step} is wrong"):
        async with host_plugin(place, "lively", config={"wrong": step}):
            pass


async def test_ill_health_makes_it_degraded(place: str) -> None:
    async with host_plugin(place, "lively", config={"wrong": "health"}) as host:
        assert host.degraded == "a little cough"


async def test_it_tells_of_its_health_while_it_runs(place: str) -> None:
    told: list[tuple[bool, str]] = []
    async with host_plugin(place, "lively", config={"wrong": "report"}) as host:
        host.plugin.report = lambda ok, detail: told.append((ok, detail))
        await host.request()
    assert told == [(False, "out of breath")]


async def test_what_goes_wrong_at_its_end_is_logged_and_it_is_gone(place: str) -> None:
    async with host_plugin(place, "lively", config={"wrong": "unload"}) as host:
        plugin = host.plugin
    if isinstance(plugin, GuestPlugin):
        assert plugin.diagnose()["state"] == "stopped"


async def test_what_was_not_granted_is_absent_and_named(place: str) -> None:
    async with host_plugin(place, "refused") as host:
        trial = await host.request()
        assert trial.error is not None
        assert trial.error.message == (
            "kv storage:read; http http:outbound; events events:subscribe; scheduler scheduler:write; "
            "memory memory:read; users users:read; tools tools:register; mcp mcp:connect"
        )


@pytest.mark.parametrize("strict", [True, False])
async def test_it_says_which_of_its_hooks_are_to_be_called(place: str, strict: bool) -> None:
    async with host_plugin(place, "deaf", config={"strict": strict}) as host:
        heard = {spec.name: host.plugin.hears(spec) for spec in hooks_of(type(host.plugin))}
        assert heard == {"check": strict, "tell": True}


async def test_it_knows_what_was_approved(place: str) -> None:
    async with host_plugin(place, "deaf") as host:
        trial = await host.request()
        assert trial.error is not None
        assert trial.error.message == "storage:read, users:read"


async def test_what_would_stand_around_the_gateway_is_refused_where_it_cannot(place: str) -> None:
    if place == "inprocess":
        async with host_plugin(place, "around"):
            return
    with pytest.raises(ConfigError, match="it offers middleware of its own, which is there only in process") as refused:
        async with host_plugin(place, "around"):
            pass
    assert refused.value.field == "plugins.config.around.runtime"


async def test_a_module_that_raises_is_refused_with_its_words(place: str, tmp_path: Any) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "plugin.py").write_text("raise KeyError('city')\n")
    with pytest.raises((PluginBroke, KeyError, JackfieldError), match="city"):
        async with host_plugin(place, "broken", folder=tmp_path):
            pass


def test_it_is_found_again_by_its_name(place: str) -> None:
    assert find("lively").root is not None
    assert PluginConfig().own == {}
