"""`jackfield serve --dev` with toolbox plugins: what an author saves is what serves, about a second later."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from jackfield.testing import until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.processes import read_outputs

Spawn = Callable[..., Awaitable[RunningGateway]]
SOON_S = 5.0
CODE = """
    export const plugin = {{ onLoad(api) {{
      api.logger.info("tells {text}");
      api.logger.debug("only an author sees {text} in " + process.env.NODE_ENV);
    }} }};
"""


def write(folder: Path, name: str, version: str = "1.0.0", *, text: str = "one", main: str = "index.ts") -> Path:
    file = folder / name / main
    file.parent.mkdir(parents=True, exist_ok=True)
    manifest = {"id": name, "name": name, "version": version, "main": main}
    (folder / name / "manifest.json").write_text(json.dumps(manifest))
    file.write_text(CODE.format(text=f"{name} {text}"))
    return file


@pytest.fixture
async def gateway(spawn: Spawn, tmp_path: Path) -> RunningGateway:
    folder = tmp_path / "edited"
    for name in ("foo", "foo-bar"):
        write(folder, name)
    write(folder, "nested", main="src/deep/main.ts")
    gateway = await spawn("--dev", "--plugins-dir", str(folder))
    gateway.folder.joinpath("plugins").symlink_to(folder)
    # It serves before it watches.
    await says(gateway, "watching")
    return gateway


async def says(gateway: RunningGateway, text: str, times: int = 1) -> None:
    async def count() -> int:
        return "".join(read_outputs(gateway.folder)).count(text)

    await until(count, lambda found: found >= times, within=SOON_S)


async def history(gateway: RunningGateway) -> list[list[str]]:
    """Which plugins were taken in anew, newest first."""
    found = (await gateway.admin("/api/v1/generations")).json["data"]
    return [one["plugins"] for one in found]


async def version(gateway: RunningGateway, name: str) -> str:
    return str((await gateway.plugin(name))["version"])


async def test_each_edit_reloads_the_plugin_that_it_is_in_and_no_other(gateway: RunningGateway) -> None:
    folder = gateway.folder / "plugins"
    await says(gateway, "only an author sees foo one in development")
    write(folder, "foo-bar", text="two")
    await says(gateway, "[Plugin:foo-bar] tells foo-bar two")
    write(folder, "foo", "2.0.0")
    await until(lambda: version(gateway, "foo"), lambda found: found == "2.0.0", within=SOON_S)
    write(folder, "nested", text="two", main="src/deep/main.ts")
    await says(gateway, "[Plugin:nested] tells nested two")
    await until(lambda: history(gateway), lambda found: found[:3] == [["nested"], ["foo"], ["foo-bar"]])


async def test_a_broken_edit_is_told_and_the_old_one_serves_until_it_is_mended(gateway: RunningGateway) -> None:
    folder = gateway.folder / "plugins"
    write(folder, "foo").write_text("export const plugin = {")
    await says(gateway, "reload_refused")
    assert (await gateway.plugin("foo"))["state"] == "active"
    manifest = folder / "foo-bar" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": "1.0.0"', '"version": "none"'))
    await says(gateway, "version: is no semantic version")
    assert await version(gateway, "foo-bar") == "1.0.0"
    write(folder, "foo", "1.0.1")
    write(folder, "foo-bar", "1.0.1")
    for name in ("foo", "foo-bar"):
        await until(lambda name=name: version(gateway, name), lambda found: found == "1.0.1", within=SOON_S)


async def test_a_folder_that_is_new_or_gone_is_noticed(gateway: RunningGateway) -> None:
    folder = gateway.folder / "plugins"
    write(folder, "late")
    await until(lambda: status(gateway, "late"), lambda found: found == 200, within=SOON_S)
    assert (await gateway.plugin("late"))["dialect"] == "toolbox"
    shutil.rmtree(folder / "late")
    await until(lambda: status(gateway, "late"), lambda found: found == 404, within=SOON_S)


async def status(gateway: RunningGateway, name: str) -> int:
    return (await gateway.admin(f"/api/v1/plugins/{name}")).status


async def test_in_production_nothing_is_watched_and_debug_is_silent(
    start_gateway: Spawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "kept", "foo")
    gateway = await start_gateway(environ={"JACKFIELD_PLUGINS__DIRS": json.dumps([str(tmp_path / "kept")])})
    assert (await gateway.plugin("foo"))["state"] == "active"
    assert "plugin-watcher" not in {task.get_name() for task in asyncio.all_tasks()}
    told = capsys.readouterr()
    assert "[Plugin:foo] tells foo one" in told.out + told.err
    assert "only an author" not in told.out + told.err
