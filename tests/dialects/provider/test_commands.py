"""Providers that the gateway starts itself."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.runtimes import http_program

from jackfield.dialects.provider.dialect import ProviderDialect
from jackfield.testing.gateway import RunningGateway, find_free_port
from jackfield.testing.waiting import until

from . import gateways
from .gateways import OpenGateway
from .manifests import manifest, write_plugin
from .test_lives import change, swap

PROGRAM = Path(http_program.__file__)


def started(port: int, *arguments: str, **changes: Any) -> dict[str, Any]:
    """The manifest of a program that serves the model `small`."""
    args = ["-S", str(PROGRAM), str(port), *(arguments or ("small",))]
    return manifest(
        f"http://127.0.0.1:{port}",
        **{"metadata": {"provider_type": "small"}, "command": sys.executable, "args": args} | changes,
    )


async def tell(gateway: RunningGateway, deed: str = "tell") -> dict[str, Any]:
    """What the program says of itself, and the status that it was told with."""
    async with gateway.caller() as caller:
        asked = {"model": "small", "messages": [{"role": "user", "content": deed}]}
        called = await caller.post("/v1/chat/completions", asked)
    told = called.json
    return dict(told.get("told", {}), status=called.status, error=told.get("error"))


async def served_again(gateway: RunningGateway) -> dict[str, Any]:
    return await until(lambda: tell(gateway), lambda told: told["status"] == 200, within=10)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


async def test_it_is_started_in_its_folder_and_ended_when_it_is_disabled(open_gateway: OpenGateway) -> None:
    port = find_free_port()
    gateway = await open_gateway({"test": started(port, env={"LOG_LEVEL": "info", "RATE": 5, "ON": True})})
    told = await tell(gateway)
    assert told["cwd"] == str(gateway.folder / "plugins" / "test")
    assert {"LOG_LEVEL", "RATE", "ON"} <= set(told["environ"])
    assert not any(name.startswith("JACKFIELD") for name in told["environ"])
    process = (await gateway.plugin("test"))["process"]
    assert (process["pid"], process["starts"], process["condition"]) == (told["pid"], 1, "healthy")
    assert "subreaper" in process["layers"]
    await change(gateway, "toggle", {"name": "test", "enabled": False})

    async def alive() -> bool:
        return is_alive(told["pid"])

    await until(alive, lambda found: not found)
    await change(gateway, "toggle", {"name": "test", "enabled": True})
    again = await tell(gateway)
    assert again["status"] == 200
    assert again["pid"] != told["pid"]


async def test_killed_in_the_middle_of_a_request_it_is_back_and_initialized(
    open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The request is tried again, and what has just been started may meet it again: that is no crash loop yet.
    monkeypatch.setattr(gateways, "PACE", msgspec.structs.replace(gateways.PACE, crash_starts=9))
    gateway = await open_gateway({"test": started(find_free_port())})
    told = await tell(gateway, "die")
    assert (told["status"], told["error"]["code"]) == (503, "provider_unavailable")
    again = await served_again(gateway)
    assert again["times"] == 1
    assert (await gateway.plugin("test"))["process"]["starts"] >= 2


async def test_a_command_that_does_not_run_leaves_it_degraded_with_its_last_words(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway({"test": started(find_free_port(), "broken")})
    found = await gateway.plugin("test")
    assert found["state"] == "degraded"
    assert found["reason"].startswith("command_failed: exit code 1; its last words: this program is broken")
    assert (await gateway.admin("/ready")).status == 200

    async def condition() -> str:
        return str((await gateway.plugin("test"))["process"]["condition"])

    await until(condition, lambda found: found == "crash_loop", within=8)
    reason = (await gateway.plugin("test"))["reason"]
    assert reason.startswith("crash_loop: 3 starts within")
    assert "this program is broken" in reason


async def test_a_new_config_goes_to_the_same_program(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway({"test": started(find_free_port())})
    first = await tell(gateway)
    await change(gateway, "test/config", {"any": "thing"})
    second = await tell(gateway)
    assert (second["pid"], second["times"]) == (first["pid"], 2)
    found = await until(lambda: gateway.plugin("test"), lambda one: one["process"]["pid"] == first["pid"])
    assert found["state"] == "active"
    os.kill(first["pid"], signal.SIGKILL)
    await until(lambda: gateway.plugin("test"), lambda one: one["process"]["pid"] not in (None, first["pid"]))


async def test_a_new_command_takes_the_place_of_the_old(open_gateway: OpenGateway) -> None:
    port = find_free_port()
    gateway = await open_gateway({"test": started(port)})
    first = await tell(gateway)
    write_plugin(gateway.folder / "plugins" / "test", started(port, "small", "--verbose"))
    await swap(gateway, "test")
    second = await tell(gateway)
    assert second["argv"][1:] == ["small", "--verbose"]
    assert not is_alive(first["pid"])


async def test_a_broken_command_keeps_the_old_one(open_gateway: OpenGateway) -> None:
    port = find_free_port()
    gateway = await open_gateway({"test": started(port)})
    write_plugin(gateway.folder / "plugins" / "test", started(port, "broken"))
    refused = await swap(gateway, "test", 409)
    assert "this program is broken" in json.dumps(refused)
    assert (await served_again(gateway))["argv"][1:] == ["small"]


async def test_forced_it_is_started_anew(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway({"test": started(find_free_port())})
    first = await tell(gateway)
    await change(gateway, "hot-swap", {"names": ["test"], "force": True})
    second = await tell(gateway)
    assert second["status"] == 200
    assert second["pid"] != first["pid"]


async def test_of_two_workers_one_starts_it_and_the_other_takes_over(tmp_path: Path) -> None:
    """Two dialects with one data folder are what two workers have."""
    first, second = (ProviderDialect(data_dir=tmp_path)._lives for _ in range(2))
    assert first.leads("test")
    assert first.leads("test")
    assert not second.leads("test")
    assert second.leads("other")

    class Living:
        id, provider_type = "test", "small"

    assert first.enter(Living()) is None  # type: ignore[arg-type]
    (living,) = first._living["test"]
    first.leave(living)
    assert second.leads("test")
