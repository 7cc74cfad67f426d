"""Commands and options that plugins add to the command line."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import jackfield.app
from jackfield.cli import installed
from jackfield.host.world import Entry, World
from jackfield.settings import Settings

from .conftest import Run

HEAD = """
import asyncio
import os
from typing import Annotated

import typer
from pydantic import BaseModel
from ccproxy.core.plugins import *
from ccproxy.core.plugins.declaration import AuthCommandSpec, CliArgumentSpec, CliCommandSpec

os.environ["RAN"] = os.environ.get("RAN", "") + "__NAME__ "


class Config(BaseModel):
    enabled: bool = True
    limit: int = 1
    words: list[str] = []
    fast: bool = False


def hello(context: typer.Context, name: str = "you", times: Annotated[int, typer.Option("-n")] = 1):
    "Says hello."
    typer.echo(f"hello {name} " * times + str(context.obj["config"].limit))


async def wait(number: int):
    await asyncio.sleep(0)
    typer.echo(number + 1)


def fail(what: str = "raise"):
    if what == "exit":
        raise typer.Exit(3)
    if what == "usage":
        raise typer.BadParameter("not so")
    raise KeyError("gone")


async def login(force, account):
    typer.echo(f"{account} {force}")


class Factory(SystemPluginFactory):
    def __init__(self):
        super().__init__(PluginManifest(name="__NAME__", version="1.0.0", config_class=Config, __FIELDS__))

factory = Factory()
"""
COMMANDS = """
    cli_commands=[
        CliCommandSpec("hello", hello, "Say hello."),
        CliCommandSpec(command_name="wait", command_function=wait, parent_command="config"),
        CliCommandSpec("fail", fail, parent_command="shop"),
        CliCommandSpec("serve", fail),
    ],
    auth_commands=[AuthCommandSpec("login", "Sign in.", login, {"force": {"type": bool, "help": "At once."},
                                                                "account": "me"})],
"""
OPTIONS = """
    cli_arguments=[
        CliArgumentSpec("serve", "limit", int, "How many."),
        CliArgumentSpec("serve", "words", list[str], typer_kwargs={"option": ["--word", "-w"]}),
        CliArgumentSpec("serve", "--fast", bool, typer_kwargs={"is_flag": True}),
        CliArgumentSpec("serve", "nothing"),
        CliArgumentSpec("serve", "enabled", bool, typer_kwargs={"option": "--port"}),
    ],
"""


def put(folder: Path, name: str, fields: str, head: str = "") -> Path:
    place = folder / "plugins" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "plugin.py").write_text(head + HEAD.replace("__NAME__", name).replace("__FIELDS__", fields.strip()))
    return place


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plugins whose code has been run."""
    monkeypatch.setenv("RAN", "")
    return lambda: os.environ["RAN"].split()


class Served:
    settings = Settings()

    def __call__(self, settings: Settings, *, dev: bool) -> int:
        self.settings = settings
        return 0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    served = Served()
    monkeypatch.setattr(jackfield.app, "serve", served)
    return served


def test_help_shows_them_and_runs_nothing(run: Run, folder: Path, ran: Any) -> None:
    put(folder, "greet", COMMANDS + OPTIONS)
    outcome = run("--help")
    assert all(f" {name} " in outcome.out for name in ("hello", "shop", "auth", "serve"))
    assert "Say hello." in outcome.out
    assert " wait " in run("config", "--help").out
    assert " login " in run("auth", "greet", "--help").out
    assert (ran(), outcome.err) == ([], "")


def test_they_run_with_what_they_take_and_their_config(run: Run, folder: Path) -> None:
    put(folder, "greet", COMMANDS)
    (folder / "jackfield.toml").write_text("[plugins.config.greet]\nlimit = 7\n")
    assert run("hello", "--name", "ann", "-n", "2") == (0, "hello ann hello ann 7\n", "")
    assert run("config", "wait", "41").out == "42\n"
    assert run("auth", "greet", "login", "--force").out == "me True\n"
    assert "--name" in run("hello", "--help").out


def test_of_one_whose_folder_is_called_otherwise_the_folder_counts(run: Run, folder: Path) -> None:
    """As long as its code has not run, nobody knows another name; its config may stand under both."""
    place = put(folder, "greet", COMMANDS + OPTIONS)
    place.rename(place.parent / "folder_name")
    (folder / "jackfield.toml").write_text("[plugins.config.greet]\nlimit = 7\n")
    assert run("auth", "folder_name", "login").out == "me False\n"
    assert run("hello").out == "hello you 7\n"
    (folder / "jackfield.toml").write_text("[plugins.config.greet]\nenabled = false\n")
    assert run("hello").code == 1
    (folder / "jackfield.toml").write_text("[plugins.config.folder_name]\nlimit = 8\n")
    assert run("hello").out == "hello you 8\n"


def test_their_failures_name_the_plugin_and_their_exits_count(run: Run, folder: Path) -> None:
    put(folder, "greet", COMMANDS)
    assert run("shop", "fail") == (1, "", "jackfield: plugin greet: shop fail: KeyError: 'gone'\n")
    assert run("shop", "fail", "--what", "exit").code == 3
    assert run("shop", "fail", "--what", "usage").code == 2
    assert run("hello", "--nonsense").code == 2
    (folder / "jackfield.toml").write_text('[plugins.config.greet]\nlimit = "many"\n')
    assert "plugins.config.greet.limit" in run("hello").err


def test_what_is_the_gateways_own_stays_so(run: Run, folder: Path, served: Served) -> None:
    put(folder, "greet", COMMANDS)
    assert run("serve", "--port", "1").code == 0
    assert served.settings.server.port == 1


def test_one_that_cannot_be_imported_is_named_and_breaks_no_other(run: Run, folder: Path, served: Served) -> None:
    put(folder, "broken", COMMANDS.replace("hello", "howdy") + OPTIONS, head="import not_installed\n")
    put(folder, "greet", COMMANDS)
    assert run("hello").out == "hello you 1\n"
    assert run("--version").code == 0
    told = "plugin broken: ModuleNotFoundError: No module named 'not_installed'"
    assert run("howdy") == (1, "", f"jackfield: {told}\n")
    assert run("serve") == (0, "", f"jackfield: {told}\n")


@pytest.mark.parametrize(
    ("config", "environ"),
    [
        ("[plugins.config.greet]\nenabled = false\n", {}),
        ('[plugins.config.greet]\nruntime = "isolated"\n', {}),
        ("[plugins]\ndisable_local_discovery = true\n", {}),
        ("", {"PLUGINS__GREET__ENABLED": "false"}),
        ("", {"PLUGINS_DISABLE_LOCAL_DISCOVERY": "true"}),
    ],
)
def test_one_that_is_off_has_none_and_is_not_run(
    run: Run, folder: Path, ran: Any, served: Served, monkeypatch: pytest.MonkeyPatch, config: str, environ: Any
) -> None:
    put(folder, "greet", COMMANDS + OPTIONS)
    (folder / "jackfield.toml").write_text(config)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert " hello " not in run("--help").out
    assert (run("hello").code, run("serve", "--limit", "2").code) == (2, 2)
    assert ran() == []


def test_nor_has_one_that_was_switched_off_while_the_gateway_ran(
    run: Run, folder: Path, ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "greet", COMMANDS)
    (folder / ".jackfield").mkdir()

    async def read_world(settings: Settings) -> World:
        return World({"greet": Entry(enabled=False)})

    monkeypatch.setattr(installed, "read_world", read_world)
    assert (run("hello").code, ran()) == (2, [])


def test_a_name_that_only_the_code_knows_is_found_when_it_is_called(run: Run, folder: Path, ran: Any) -> None:
    made = 'cli_commands=[CliCommandSpec(name, hello) for name in ("one", "two")],'
    put(folder, "greet", made)
    assert " two " not in run("--help").out
    assert ran() == []
    assert run("two").out == "hello you 1\n"
    assert run("three").code == 2


def test_options_of_serve_reach_the_config_over_everything_else(
    run: Run, folder: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "greet", OPTIONS)
    (folder / "jackfield.toml").write_text("[plugins.config.greet]\nlimit = 2\n")
    monkeypatch.setenv("PLUGINS__GREET__LIMIT", "3")
    outcome = run("serve", "--limit", "9", "-w", "a", "--word", "b", "--fast")
    assert outcome.code == 0
    assert served.settings.plugins.config["greet"].own == {"limit": 9, "words": ["a", "b"], "fast": True}
    assert "plugin greet: of its options of serve its config has no field for 'nothing'\n" in outcome.err
    assert "serve has --port already" in outcome.err
    run("serve")
    assert served.settings.plugins.config["greet"].own == {"limit": "3"}
    assert "How many. (plugin greet)" in run("serve", "--help").out
    assert run("serve", "--limit", "many").code == 2


def test_they_hold_for_the_folders_and_config_that_serve_is_told_of(run: Run, folder: Path, served: Served) -> None:
    put(folder / "away", "greet", OPTIONS)
    (folder / "other.toml").write_text('[plugins]\ndirs = ["away/plugins"]\n[plugins.config.greet]\nlimit = 2\n')
    for given in (("--plugins-dir", "away/plugins"), ("--plugins-dir=away/plugins",), ("--config", "other.toml")):
        assert run("serve", *given, "--limit", "9").code == 0
        assert served.settings.plugins.config["greet"].own == {"limit": 9}
    assert run("serve", "--limit", "9").code == 2


def test_the_plugin_that_is_served_has_what_was_given(run: Run, folder: Path, served: Served) -> None:
    put(folder, "greet", OPTIONS)
    assert run("serve", "--limit", "9", "--data-dir", "data").code == 0

    async def ask() -> Any:
        async with jackfield.app.Gateway(served.settings, {}) as gateway:
            return gateway.host.snapshot.plugins["greet"].instance.config

    asyncio.run(jackfield.app.prepare(served.settings, {}))
    assert asyncio.run(ask()).limit == 9


def test_without_plugins_the_help_reads_no_settings(run: Run, folder: Path) -> None:
    before = {name for name in sys.modules if name.startswith("jackfield_factory")}
    assert run("--help").code == 0
    assert {name for name in sys.modules if name.startswith("jackfield_factory")} == before


PACKAGED = HEAD.replace("__NAME__", "packed").replace("__FIELDS__", 'cli_commands=[CliCommandSpec("packed", hello)]')


@pytest.mark.parametrize("value", ["acme_shop.inner.plugin:factory", "acme_alone:factory"])
def test_installed_packages_have_some_too(
    run: Run, folder: Path, ran: Any, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    inner = folder / "site" / "acme_shop" / "inner"
    inner.mkdir(parents=True)
    for place in (inner / "plugin.py", folder / "site" / "acme_alone.py"):
        place.write_text(PACKAGED)
    told = folder / "site" / "acme-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[ccproxy.plugins]\npacked = {value}\n")
    monkeypatch.syspath_prepend(str(folder / "site"))
    assert " packed " in run("--help").out
    assert ran() == []
    assert run("packed").out == "hello you 1\n"


def test_a_config_that_cannot_be_read_hides_no_other_command(run: Run, folder: Path) -> None:
    (folder / "jackfield.toml").write_text("[server]\nprot = 1\n")
    told = "jackfield: commands of plugins are not known: jackfield.toml:2: server.prot: unknown key"
    for asked in (("--help",), ("serve", "--help"), ("nope",)):
        outcome = run(*asked)
        assert outcome.err.startswith(told), asked
        assert outcome.code == (2 if asked == ("nope",) else 0)
    assert run("serve", "--limit", "9").err.startswith("jackfield: jackfield.toml:2: server.prot: unknown key")
