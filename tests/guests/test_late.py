"""A whole gateway with a plugin whose process never says where it listens: it is ready, serves, and refuses only what
must not be passed by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jackfield.testing.caller import Called
from jackfield.testing.gateway import RunningGateway, run_gateway

MANIFEST = """
id = "silent"
version = "1.0.0"
runtime = "grpc"

[grpc]
command = "python"
args = ["-c", "import time; time.sleep(600)"]
"""
BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


def write(folder: Path) -> Path:
    place = folder / "plugins" / "silent"
    place.mkdir(parents=True)
    place.joinpath("jackfield.toml").write_text(MANIFEST)
    return folder


@asynccontextmanager
async def starting(folder: Path, **environ: str) -> AsyncIterator[RunningGateway]:
    environ = {"JACKFIELD_PLUGINS__START_PATIENCE_S": "0.05", **environ}
    async with run_gateway(write(folder), environ=environ) as gateway:
        yield gateway


async def chat(gateway: RunningGateway) -> Called:
    async with gateway.caller() as caller:
        return await caller.call("POST", "/v1/chat/completions", body=BODY)


async def ready(gateway: RunningGateway) -> Called:
    async with gateway.caller() as caller:
        return await caller.get("/ready")


async def test_the_gateway_is_ready_and_serves(tmp_path: Path) -> None:
    async with starting(tmp_path) as gateway:
        found = await gateway.plugin("silent")
        assert (found["state"], found["runtime"]) == ("loading", "grpc")
        assert "it is starting" in found["reason"]
        told = await ready(gateway)
        assert told.status == 200, told.body
        assert "plugin silent is loading" in told.body.decode()
        assert (await chat(gateway)).status == 200


async def test_what_is_required_is_refused_while_it_starts(tmp_path: Path) -> None:
    async with starting(tmp_path, JACKFIELD_PLUGINS__REQUIRED='["silent"]') as gateway:
        refused = await chat(gateway)
        assert refused.status == 503, refused.body
        assert "plugin silent is required and does not run: it is loading" in refused.body.decode()
        assert (await ready(gateway)).status == 503
        async with gateway.caller() as caller:
            # What only asks who calls would have passed it by too.
            listed = await caller.get("/v1/models")
        assert (listed.status, listed.json["error"]["plugin"]) == (503, "silent")
        # Whoever may change it is not kept waiting by it.
        changed = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "silent", "enabled": False})
        assert changed.status == 200, changed.body
        assert (await gateway.plugin("silent"))["state"] == "disabled"
