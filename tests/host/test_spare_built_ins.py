"""Built-in plugins that wait until an operator enables them: what the operator has of their id comes before them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module

import pytest
from structlog.testing import capture_logs

from jackfield.sources.builtin import BuiltinSource
from jackfield.testing.gateway import RunningGateway

from .world import World, reason

StartGateway = Callable[..., Awaitable[RunningGateway]]
OWN = "from jackfield.sdk import Plugin\nclass Pricing(Plugin): ..."
SPARE = ("access_log", "analytics", "max_tokens", "metrics", "pricing", "request_tracer")
NEEDING = """
id = "till"
[requires]
services = ["pricing"]
"""
FACTORY = """
    from ccproxy.core.plugins import PluginManifest, SystemPluginFactory, SystemPluginRuntime

    class Factory(SystemPluginFactory):
        def __init__(self):
            super().__init__(PluginManifest(name="max_tokens", version="1.0.0"))

    factory = Factory()
"""


async def test_they_are_listed_and_none_of_their_code_is_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr("importlib.import_module", lambda name: imported.append(name) or import_module(name))
    plugins = await world.start(sources=[world.source(), BuiltinSource()])
    assert {name: plugins[name].state for name in SPARE} == dict.fromkeys(SPARE, "disabled")
    assert plugins["pricing"].version == plugins["analytics"].version != "0.0.0"
    assert not any(name.rpartition(".")[0].endswith(SPARE) for name in imported)


@pytest.mark.parametrize("name", ["pricing", "metrics"])
async def test_a_folder_takes_the_place_of_one_without_a_word(world: World, name: str) -> None:
    world.write(name, OWN.replace("Pricing", name.capitalize()))
    with capture_logs() as told:
        plugins = await world.start(sources=[world.source(), BuiltinSource()])
    assert (plugins[name].source, plugins[name].state) == ("folder", "active")
    assert not [other for other in plugins if "@" in other]
    assert not [line for line in told if line["log_level"] == "error" and line["plugin"] == name]


async def test_whoever_needs_what_a_disabled_one_would_give_is_told(world: World) -> None:
    world.write("till", OWN.replace("Pricing", "Till"), manifest=NEEDING)
    plugins = await world.start(sources=[world.source(), BuiltinSource()])
    assert plugins["till"].state == "failed"
    assert "pricing" in reason(plugins, "till")


async def test_a_plugin_of_another_dialect_may_have_its_id(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"max_tokens": FACTORY})
    told = await gateway.plugin("max_tokens")
    assert (told["dialect"], told["source"], told["state"]) == ("factory", "folder", "active")


async def test_one_is_enabled_and_disabled_while_the_gateway_runs(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    for enabled, status in ((True, 200), (False, 404)):
        body = {"name": "analytics", "enabled": enabled}
        assert (await gateway.admin("/api/v1/plugins/toggle", "POST", body)).status == 200
        assert (await gateway.admin("/plugins/analytics/usage")).status == status


def test_each_has_a_manifest_that_says_that_it_waits() -> None:
    found = {one.name: one for one in BuiltinSource().find()}
    manifests = {name: found[name].manifest() for name in SPARE}
    assert all(manifest is not None and not manifest.enabled for manifest in manifests.values())
    assert found["echo"].manifest() is None
