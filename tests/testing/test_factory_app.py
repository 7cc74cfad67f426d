"""`create_app` and the import names for the tests of factory plugins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient
from tests.dialects.factory.guide import SKELETON
from tests.dialects.factory.house import put
from typer.testing import CliRunner

from jackfield.app import gateway as composition
from jackfield.dialects.factory.dialect import FactoryDialect
from jackfield.testing.factory_app import (
    Settings,
    create_app,
    create_cli,
    initialize_plugins_startup,
    shutdown_plugins,
)

ROUTED = SKELETON.replace("# context[", "context[").replace(
    "router = APIRouter()", 'router = APIRouter()\nrouter.add_api_route("/x", lambda: "mine")'
)


@pytest.fixture(autouse=True)
def with_factories(monkeypatch: pytest.MonkeyPatch) -> None:
    make = composition.make_dialects
    monkeypatch.setattr(
        composition, "make_dialects", lambda *given, **named: {"factory": FactoryDialect(), **make(*given, **named)}
    )


def client(app: Any) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://test")


async def test_two_applications_share_nothing(tmp_path: Path) -> None:
    put(tmp_path / "plugins", "my_provider", ROUTED)
    settings = Settings(plugin_discovery={"directories": [tmp_path / "plugins"]})  # type: ignore[arg-type]
    one, two = create_app(settings), create_app(Settings(disabled_plugins=["my_provider"]))
    await initialize_plugins_startup(one, settings)
    await initialize_plugins_startup(two)
    try:
        async with client(one) as first, client(two) as second:
            assert (await first.get("/plugins/my-provider/x")).json() == "mine"
            assert (await second.get("/plugins/my-provider/x")).status_code == 404
            told = (await first.get("/api/plugins/status")).json()
            assert "my_provider" in told["initialization_order"]
    finally:
        await shutdown_plugins(one)
        await shutdown_plugins(two)


async def test_an_application_that_was_not_initialised_says_so() -> None:
    async with client(create_app()) as caller:
        answer = await caller.get("/health")
    assert (answer.status_code, "initialize_plugins_startup" in answer.text) == (503, True)


TEST = """
import ccproxy.core.plugins.declaration

from plugins.my_provider.plugin import factory
import ccproxy.core.plugins.hooks as hooks

def test_it():
    assert factory.get_manifest().name == "my_provider"
    assert ccproxy.core.plugins.declaration.MiddlewareLayer.SECURITY == 100
    assert hooks.HookEvent.CUSTOM_EVENT.value == "custom.event"
"""


def test_the_names_are_there_in_pytest(tmp_path: Path) -> None:
    put(tmp_path / "plugins", "my_provider", SKELETON)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "tests"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout


COMMANDS = """
import typer
from ccproxy.core.plugins import PluginManifest, SystemPluginFactory
from ccproxy.core.plugins.declaration import AuthCommandSpec, CliCommandSpec
from pydantic import BaseModel

class Config(BaseModel):
    limit: int = 1

def hello(context: typer.Context, name: str = "you"):
    typer.echo(f"hello {name} {context.obj['config'].limit}")

async def login(force):
    typer.echo(f"login {force}")

factory = SystemPluginFactory(PluginManifest(
    "greet", "1.0.0", config_class=Config,
    cli_commands=[CliCommandSpec("hello", hello, "Say hello."), CliCommandSpec("deep", hello, parent_command="shop")],
    auth_commands=[AuthCommandSpec("login", "Sign in.", login, {"force": False})],
))
"""


def test_commands_of_plugins_are_shown_and_run(tmp_path: Path) -> None:
    put(tmp_path / "plugins", "broken", "import ccproxy.plugins\n1 / 0")
    put(tmp_path / "plugins", "greet", COMMANDS)
    folders: Any = {"directories": [tmp_path / "plugins"]}
    settings = Settings(plugin_discovery=folders, plugins={"greet": {"limit": 7}})
    runner = CliRunner()
    shown = runner.invoke(create_cli(settings), ["--help"], env={"COLUMNS": "200"})
    assert all(word in shown.output for word in ("hello", "Say hello.", "shop", "auth"))
    assert runner.invoke(create_cli(settings), ["hello", "--name", "ann"]).output.endswith("hello ann 7\n")
    assert runner.invoke(create_cli(settings), ["shop", "deep"]).exit_code == 0
    assert "login True" in runner.invoke(create_cli(settings), ["auth", "greet", "login", "--force"]).output
    off = Settings(plugin_discovery=folders, disabled_plugins=["greet", "broken"])
    assert "hello" not in runner.invoke(create_cli(off), ["--help"]).output


def test_one_that_cannot_be_imported_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "plugins", "broken", "import ccproxy.plugins\n1 / 0")
    create_cli(Settings(plugin_discovery={"directories": [tmp_path / "plugins"]}))  # type: ignore[arg-type]
    assert "plugin broken: ZeroDivisionError" in capsys.readouterr().err
