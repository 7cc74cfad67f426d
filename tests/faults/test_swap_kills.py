"""A gateway killed at any instant of a change starts again with the old world or the new one, never a mixture."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from jackfield.testing import Caller
from jackfield.testing.gateway import ADMIN_KEY, RunningGateway

Spawn = Callable[..., Awaitable[RunningGateway]]

NAMES = tuple("abcdef")
PLUGINS = "/api/v1/plugins"
SEED = 7_351
KILLS = 5
# Longer than a change takes here.
WITHIN_S = 0.15

SOURCE = """
    from jackfield.sdk import Plugin, PluginConfig, hook

    class Config(PluginConfig):
        word: str = "none"
        again: str = "none"

    class Versioned(Plugin[Config]):
        id = "{name}"
        version = "{version}"
        @hook("pre_flight", on_failure="closed")
        async def check(self, exchange): ...
"""


def sources(version: str) -> dict[str, str]:
    return {name: SOURCE.format(name=name, version=version) for name in NAMES}


def write_all(folder: Path, version: str) -> None:
    for name, source in sources(version).items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "plugin.py").write_text(dedent(source), encoding="utf-8")


async def call(gateway: RunningGateway, path: str, body: dict[str, Any], method: str = "POST") -> dict[str, Any]:
    async with gateway.caller(ADMIN_KEY) as caller:
        called = await caller.call(method, f"{PLUGINS}/{path}", body=body)
    assert called.status == 200, called.body
    return dict(called.json)


async def killed_during(gateway: RunningGateway, delay: float, path: str, body: Any, method: str = "POST") -> None:
    """Asks for a change and kills the process `delay` seconds later, whether it is done or not."""
    async with gateway.caller(ADMIN_KEY) as caller:
        asking = asyncio.create_task(caller.call(method, f"{PLUGINS}/{path}", body=body))
        await asyncio.wait([asking], timeout=delay)
        assert gateway.process is not None
        gateway.process.kill()
        await gateway.process.wait()
        with suppress(OSError, TimeoutError):
            await asking


async def world_of(gateway: RunningGateway) -> dict[str, tuple[str, str, Any]]:
    """Each folder plugin's version, state and config."""
    async with Caller(gateway.url, headers={"authorization": f"Bearer {ADMIN_KEY}"}) as caller:
        found = (await caller.get(PLUGINS)).json["plugins"]
    return {one["id"]: (one["version"], one["state"], one["config"]) for one in found if one["source"] == "folder"}


async def check_sound(gateway: RunningGateway) -> None:
    """It answers, takes further changes, and nothing half-made is in use."""
    async with gateway.caller() as caller:
        body = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
        assert (await caller.post("/v1/chat/completions", body)).status == 200
    history = (await gateway.admin("/api/v1/generations")).json
    numbers = [one["number"] for one in history["data"]]
    assert numbers == sorted(numbers, reverse=True)
    assert history["generation"] == numbers[0]
    await call(gateway, "hot-swap", {"force": True})


@pytest.fixture
def start_again(spawn: Spawn, tmp_path: Path) -> Spawn:
    """Starts a gateway on the plugins and the data of the one before."""
    folder = tmp_path / "kept"
    folder.mkdir()

    async def start() -> RunningGateway:
        (folder / "plugins").mkdir(exist_ok=True)
        return await spawn("--plugins-dir", str(folder / "plugins"), store={"data_dir": folder / "data"})

    return start


async def test_during_a_rollback(start_again: Spawn, tmp_path: Path) -> None:
    """The disk has the new version all the time: only what is kept can tell which one it is."""
    folder, chosen = tmp_path / "kept" / "plugins", random.Random(SEED)
    write_all(folder, "1")
    gateway = await start_again()
    write_all(folder, "2")
    await call(gateway, "hot-swap", {})
    for _ in range(KILLS):
        await killed_during(gateway, chosen.uniform(0, WITHIN_S), "rollback", {})
        gateway = await start_again()
        found = await world_of(gateway)
        assert {state for _, state, _ in found.values()} == {"active"}
        versions = {version for version, _, _ in found.values()}
        assert versions in ({"1"}, {"2"}), found
        assert set(found) == set(NAMES)
        await check_sound(gateway)
        if versions == {"1"}:
            await call(gateway, "hot-swap", {"names": list(NAMES)})
        assert {version for version, _, _ in (await world_of(gateway)).values()} == {"2"}
        # A rollback goes to what was before the last change: let that be the first version.
        write_all(folder, "1")
        await call(gateway, "hot-swap", {})
        write_all(folder, "2")
        await call(gateway, "hot-swap", {})


async def test_during_a_swap(start_again: Spawn, tmp_path: Path) -> None:
    folder, chosen = tmp_path / "kept" / "plugins", random.Random(SEED + 1)
    write_all(folder, "0")
    gateway = await start_again()
    for number in range(1, KILLS + 1):
        write_all(folder, str(number))
        await killed_during(gateway, chosen.uniform(0, WITHIN_S), "hot-swap", {})
        gateway = await start_again()
        assert {(version, state) for version, state, _ in (await world_of(gateway)).values()} == {
            (str(number), "active")
        }
        await check_sound(gateway)


async def test_during_an_install(start_again: Spawn, tmp_path: Path) -> None:
    chosen = random.Random(SEED + 2)
    write_all(tmp_path / "kept" / "plugins", "1")
    gateway = await start_again()
    for number in range(KILLS):
        write_all(tmp_path / "made", str(number))
        source = tmp_path / f"new{number}"
        (tmp_path / "made" / "a").rename(source)
        file = source / "plugin.py"
        file.write_text(file.read_text().replace('id = "a"', 'id = "new"'))
        before = (await world_of(gateway)).get("new")
        wanted = {"source": str(source), "runtime": "inprocess"}
        await killed_during(gateway, chosen.uniform(0, WITHIN_S), "install", wanted)
        gateway = await start_again()
        found = await world_of(gateway)
        after = found.pop("new", None)
        assert after == before or (after is not None and after[:2] == (str(number), "active"))
        assert {state[:2] for state in found.values()} == {("1", "active")}
        await check_sound(gateway)


async def test_during_a_change_of_the_config(start_again: Spawn, tmp_path: Path) -> None:
    chosen = random.Random(SEED + 3)
    write_all(tmp_path / "kept" / "plugins", "1")
    gateway = await start_again()
    word = "none"
    for number in range(KILLS):
        new = f"word-{number}"
        await killed_during(gateway, chosen.uniform(0, WITHIN_S), "a/config", {"word": new, "again": new}, "PUT")
        gateway = await start_again()
        found = await world_of(gateway)
        config = found["a"][2]
        assert config in ({"word": word, "again": word}, {"word": new, "again": new})
        assert {state for _, state, _ in found.values()} == {"active"}
        word = config["word"]
        await check_sound(gateway)
