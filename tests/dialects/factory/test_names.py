"""The names that plugins import: what stands in them, and what they promise."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackfield.dialects.factory.dialect import FactoryDialect
from jackfield.dialects.factory.names import declarations, events, factories, offered, runtimes, tasks
from jackfield.dialects.factory.names.container import ServiceContainer
from jackfield.dialects.factory.names.context import PluginContext
from jackfield.dialects.factory.names.declarations import PluginManifest

from .guide import SKELETON
from .house import put


@pytest.mark.parametrize("name", sorted(offered.OFFERED))
def test_all_that_is_offered_is_there(name: str) -> None:
    module = offered.make_modules()[name]
    assert [one for one in module.__all__ if getattr(module, one, None) is None] == []


def test_the_events_are_all_of_the_guides() -> None:
    assert len(events.HookEvent) == 25
    assert events.HookEvent("provider.stream.end") is events.HookEvent.PROVIDER_STREAM_END
    assert [layer.value for layer in declarations.MiddlewareLayer] == [100, 200, 300, 400, 500]


@pytest.mark.parametrize("given", [("", "b"), ("a", "a")])
def test_a_format_adapter_leads_from_one_format_to_another(given: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="FormatAdapterSpec"):
        declarations.FormatAdapterSpec(*given, adapter_factory=dict)
    assert declarations.FormatAdapterSpec("a", "b", dict).format_pair == ("a", "b")


def test_specs_of_commands_are_checked() -> None:
    with pytest.raises(ValueError, match="its function cannot be called"):
        declarations.CliCommandSpec("x", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be named"):
        declarations.CliArgumentSpec("", "x")


def test_a_manifest_tells_what_it_lacks() -> None:
    manifest = PluginManifest("a", "1", dependencies=["b"], requires=["c"], requires_format_adapters=[("d", "e")])
    assert manifest.validate_dependencies({"b"}) == []
    assert manifest.validate_service_dependencies(set()) == ["c"]
    assert manifest.validate_format_adapter_requirements([]) == [("d", "e")]
    with pytest.raises(TypeError, match="unexpected keyword"):
        PluginManifest("a", "1", providess=["x"])  # type: ignore[call-arg]


def test_middleware_is_sorted_by_priority() -> None:
    specs = [
        declarations.MiddlewareSpec(int, 300),
        declarations.MiddlewareSpec(str),
        declarations.MiddlewareSpec(int, 1),
    ]
    assert [spec.priority for spec in PluginManifest("a", "1", middleware=specs).get_sorted_middleware()] == [
        1,
        300,
        500,
    ]


@pytest.mark.parametrize(
    ("kind", "is_provider"),
    [(factories.SystemFactory, True), (factories.ProviderFactory, False), (factories.AuthFactory, False)],
)
def test_a_factory_and_its_manifest_agree(kind: type[Any], is_provider: bool) -> None:
    with pytest.raises(ValueError, match="must say is_provider"):
        kind(PluginManifest("a", "1", is_provider=is_provider))
    told = {
        factories.SystemFactory: "system",
        factories.ProviderFactory: "provider",
        factories.AuthFactory: "auth_provider",
    }
    assert factories.type_name_of(kind(PluginManifest("a", "1", is_provider=not is_provider))) == told[kind]


def test_a_context_is_a_mapping_of_attributes() -> None:
    context = PluginContext(config=3, settings="here")
    context["router"] = "mine"
    assert (context.get("config"), context["config"], context.config, context.router) == (3, 3, 3, "mine")
    assert (context.get("metrics"), context.get("metrics", 4), "metrics" in context, "config" in context) == (
        None,
        4,
        False,
        True,
    )
    assert (context.get(int), context.get(str)) == (3, "here")
    assert set(context.keys()) == {"config", "settings", "router"}
    with pytest.raises(ValueError, match="no float"):
        context.get(float)
    with pytest.raises(KeyError):
        context["metrics"]


async def test_a_runtime_is_initialised_once_and_shut_down_only_then() -> None:
    done: list[str] = []

    class Mine(runtimes.SystemRuntime):
        async def _on_initialize(self) -> None:
            done.append("up")

        async def _on_shutdown(self) -> None:
            done.append("down")

    runtime = Mine(PluginManifest("a", "1.2"))
    assert (await runtime.validate(), (await runtime.health_check())["status"]) == (False, "fail")
    await runtime.shutdown()
    await runtime.initialize(PluginContext())
    await runtime.initialize(PluginContext())
    told = await runtime.health_check()
    assert (told["status"], told["componentId"], told["componentType"], told["version"]) == (
        "pass",
        "a",
        "system_plugin",
        "1.2",
    )
    await runtime.shutdown()
    await runtime.shutdown()
    assert done == ["up", "down"]


async def test_health_details_that_raise_are_told() -> None:
    class Mine(runtimes.SystemRuntime):
        async def _get_health_details(self) -> dict[str, Any]:
            raise KeyError("gone")

    told = await Mine(PluginManifest("a", "1")).health_check()
    assert (told["status"], told["output"]) == ("fail", "KeyError: 'gone'")


def test_hooks_stand_in_the_order_of_their_priorities() -> None:
    class Mine:
        def __init__(self, name: str, priority: int) -> None:
            self.name, self.priority, self.events = name, priority, [events.HookEvent.APP_READY]

        def __call__(self, context: Any) -> None: ...

    registry, late = events.HookRegistry(), Mine("late", 700)
    for hook in (late, Mine("one", 500), Mine("two", 500), Mine("early", 0)):
        registry.register(hook)
    assert registry.list() == {"app.ready": ["early", "one", "two", "late"]}
    registry.unregister(late)
    assert [hook.name for hook in registry.get(events.HookEvent.APP_READY)] == ["early", "one", "two"]
    with pytest.raises(TypeError, match="cannot be called"):
        registry.register(3)


def test_nobody_is_the_current_container_outside_of_a_plugin() -> None:
    assert ServiceContainer.get_current(strict=False) is None
    with pytest.raises(RuntimeError, match="no plugin"):
        ServiceContainer.get_current()
    container = ServiceContainer(settings=3)
    with container.entered():
        assert ServiceContainer.get_current() is container
    with pytest.raises(AttributeError, match="has no service 'database'"):
        _ = container.database


async def test_a_task_backs_off_and_stops() -> None:
    class Mine(tasks.ScheduledTask):
        runs = 0

        async def run(self) -> bool:
            self.runs += 1
            return self.runs > 2

    mine = Mine("mine", 10, max_backoff_seconds=30)
    for pause in (20, 30):
        with pytest.raises(tasks.TaskFailed):
            await mine.run_once()
        assert mine.pause_s == pause
    await mine.run_once()
    assert (mine.pause_s, mine.get_status()["consecutive_failures"]) == (10, 0)
    await mine.start()
    await asyncio.sleep(0)
    assert mine.is_running
    await mine.stop()
    assert not mine.is_running


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("ccproxy")]:
        del sys.modules[name]


def test_an_installed_package_of_that_name_is_not_hidden(installed: Path, folder: Path) -> None:
    place = installed / "ccproxy" / "llms"
    place.mkdir(parents=True)
    (installed / "ccproxy" / "__init__.py").write_text("here = 'installed'\n")
    place.joinpath("__init__.py").write_text("models = ['theirs']\n")
    put(folder, "my_provider", "from ccproxy.llms import models\nassert models == ['theirs']\n" + SKELETON)
    dialect = FactoryDialect()
    assert dialect.read(dialect.find(folder)[0]).manifest.id == "my_provider"
    spec = importlib.util.find_spec("ccproxy")
    assert spec is not None
    assert spec.origin == str(installed / "ccproxy" / "__init__.py")
    assert not hasattr(sys.modules["ccproxy"], "plugins")
