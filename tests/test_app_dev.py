"""`jackfield serve --dev`: what an author saves is what serves, about a second later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from textwrap import dedent

import pytest

from jackfield.testing import until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.processes import read_outputs

SOON_S = 3.0
SOURCE = """
    from jackfield.sdk import Plugin

    class Edited(Plugin):
        id = "{name}"
        version = "{version}"
"""
NEEDS = 'id = "{name}"\nversion = "{version}"\n[requires]\nplugins = ["base"]\n'
NAMES = ("base", "user", "other")


def write(folder: Path, name: str, version: str, source: str = SOURCE) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "plugin.py").write_text(dedent(source.format(name=name, version=version)), encoding="utf-8")


@pytest.fixture
async def gateway(spawn: Callable[..., Awaitable[RunningGateway]], tmp_path: Path) -> RunningGateway:
    folder = tmp_path / "edited"
    for name in NAMES:
        write(folder, name, "1")
    (folder / "user" / "jackfield.toml").write_text(NEEDS.format(name="user", version="1"), encoding="utf-8")
    gateway = await spawn("--dev", "--plugins-dir", str(folder))
    gateway.folder.joinpath("plugins").symlink_to(folder)
    # It serves before it watches.
    await until(lambda: told(gateway, "watching"), bool)
    return gateway


async def told(gateway: RunningGateway, text: str) -> list[str]:
    return [line for line in "".join(read_outputs(gateway.folder)).splitlines() if text in line]


async def generation(gateway: RunningGateway) -> int:
    return int((await gateway.admin("/api/v1/generations")).json["generation"])


async def history(gateway: RunningGateway) -> list[tuple[str, str, list[str]]]:
    found = (await gateway.admin("/api/v1/generations")).json["data"]
    return [(one["actor"], one["action"], one["plugins"]) for one in found]


async def serves(gateway: RunningGateway, number: int) -> None:
    await until(lambda: generation(gateway), lambda found: found == number, within=SOON_S)


async def version(gateway: RunningGateway, name: str) -> str:
    return str((await gateway.plugin(name))["version"])


async def test_an_edit_is_taken_in_and_only_it_and_what_needs_it_is_replaced(gateway: RunningGateway) -> None:
    folder = gateway.folder / "plugins"
    write(folder, "other", "2")
    await serves(gateway, 2)
    write(folder, "base", "2")
    await serves(gateway, 3)
    assert [await version(gateway, name) for name in NAMES] == ["2", "1", "2"]
    assert (await history(gateway))[:2] == [
        ("watcher", "watch", ["base", "user"]),
        ("watcher", "watch", ["other"]),
    ]


async def test_a_broken_edit_keeps_the_former_version_serving_until_it_is_mended(gateway: RunningGateway) -> None:
    folder = gateway.folder / "plugins"
    write(folder, "base", "2", "def broken(:")
    (line,) = (await until(lambda: told(gateway, "reload_refused"), bool, within=SOON_S))[:1]
    assert "base" in line
    assert "SyntaxError" in line
    assert (await generation(gateway), await version(gateway, "base")) == (1, "1")
    write(folder, "base", "3")
    await serves(gateway, 2)
    assert await version(gateway, "base") == "3"


async def test_a_plugin_that_is_new_or_gone_is_noticed(gateway: RunningGateway) -> None:
    folder = gateway.folder / "plugins"
    write(folder, "late", "1")
    await serves(gateway, 2)
    assert (await gateway.plugin("late"))["state"] == "active"
    (folder / "late" / "plugin.py").unlink()
    await serves(gateway, 3)
    assert (await gateway.admin("/api/v1/plugins/late")).status == 404


async def test_what_a_rollback_holds_and_what_was_installed_stay_when_something_else_is_edited(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    folder = gateway.folder / "plugins"
    write(tmp_path / "elsewhere", "installed", "1")
    wanted = {"source": str(tmp_path / "elsewhere" / "installed"), "runtime": "inprocess"}
    assert (await gateway.admin("/api/v1/plugins/install", "POST", wanted)).status == 200
    write(folder, "base", "2")
    await serves(gateway, 3)
    assert (await gateway.admin("/api/v1/plugins/rollback", "POST", {})).status == 200
    write(folder, "other", "2")
    await serves(gateway, 5)
    assert [await version(gateway, name) for name in (*NAMES, "installed")] == ["1", "1", "2", "1"]
    assert (await history(gateway))[0] == ("watcher", "watch", ["other"])
