"""A change of plugins through one worker is one of the whole gateway."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from jackfield.testing import Caller, until
from jackfield.testing.gateway import ADMIN_KEY, RunningGateway
from test_app_workers import WORKERS, Crew, reach_each

Spawn = Callable[..., Awaitable[RunningGateway]]

PLUGINS = "/api/v1/plugins"
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
SOURCE = """
from jackfield.sdk import Plugin, PluginConfig, Reject, hook
class Config(PluginConfig):
    word: str = "none"
class One(Plugin[Config]):
    id = "one"
    version = "{version}"
    @hook("pre_flight", on_failure="closed")
    async def refuse(self, exchange):
        return Reject(418, "version", "{version} " + self.config.word)
"""


def write(folder: Path, version: str) -> None:
    (folder / "one").mkdir(parents=True, exist_ok=True)
    (folder / "one" / "plugin.py").write_text(SOURCE.format(version=version), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "edited"


@pytest.fixture
async def crew(spawn: Spawn, folder: Path) -> AsyncIterator[Crew]:
    write(folder, "1")
    gateway = await spawn("--workers", str(WORKERS), "--plugins-dir", str(folder))
    async with AsyncExitStack() as stack:
        yield Crew(gateway, await until(lambda: reach_each(gateway, stack), lambda found: len(found) == WORKERS))


async def change(caller: Caller, path: str, body: Any, method: str = "POST") -> int:
    called = await caller.call(method, f"{PLUGINS}/{path}", body=body, headers=ADMIN)
    assert called.status == 200, called.body
    return int(called.json["generation"])


async def told(caller: Caller) -> tuple[int, str]:
    """The generation that the worker reports, and what its plugin tells."""
    reported = (await caller.call("GET", PLUGINS, headers=ADMIN)).json["generation"]
    return reported, (await caller.post("/v1/chat/completions", CHAT)).json["error"]["message"]


async def all_tell(crew: Crew, generation: int, words: str, *, within: float = 1.0) -> None:
    async def ask() -> set[tuple[int, str]]:
        return {await told(caller) for caller in crew.callers.values()}

    await until(ask, lambda found: found == {(generation, words)}, within=within)


async def test_a_change_through_one_is_served_by_all_within_a_second(crew: Crew, folder: Path) -> None:
    one, other = crew.callers.values()
    await all_tell(crew, 1, "1 none")
    write(folder, "2")
    assert await change(one, "hot-swap", {}) == 2
    await all_tell(crew, 2, "2 none")
    assert await change(other, "one/config", {"word": "x"}, "PUT") == 3
    await all_tell(crew, 3, "2 x")
    assert await change(one, "rollback", {}) == 4
    await all_tell(crew, 4, "2 none")


async def test_changes_through_both_at_once_are_one_after_another(crew: Crew) -> None:
    one, other = crew.callers.values()
    for number in range(1, 6):
        caller = one if number % 2 else other
        assert await change(caller, "one/config", {"word": str(number)}, "PUT") == number + 1
    await all_tell(crew, 6, "1 5")


async def test_a_worker_that_starts_late_serves_what_the_others_do_whatever_the_disk_has_by_then(
    crew: Crew, folder: Path
) -> None:
    victim, survivor = crew.callers
    assert await change(crew.callers[survivor], "one/config", {"word": "x"}, "PUT") == 2
    (folder / "one" / "plugin.py").write_text("def half_saved(:", encoding="utf-8")
    os.kill(victim, signal.SIGKILL)
    async with AsyncExitStack() as stack:
        now = await until(lambda: reach_each(crew.gateway, stack), lambda found: len(found) == WORKERS, within=10)
        assert victim not in now
        assert {await told(caller) for caller in now.values()} == {(2, "1 x")}
