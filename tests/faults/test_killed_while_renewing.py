"""A gateway that is killed while it renews a token: another account serves, and what was lost is said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.oauth_server import run_oauth_server
from tests.signing_in import accounts, sign_in

from jackfield.testing import Upstream, until
from jackfield.testing.gateway import RunningGateway
from jackfield.testing.setup import link

StartGateway = Callable[..., Awaitable[RunningGateway]]

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}


async def test_what_it_was_renewing_is_lost_and_nothing_else(
    spawn: StartGateway, tmp_path: Path, upstream: Upstream
) -> None:
    with run_oauth_server() as oauth:
        setup = {"upstreams": [link(upstream, account="acme")], "sign_in": {"acme": oauth.sign_in()}}
        setup |= {"store": {"data_dir": tmp_path / "data"}}
        oauth.life_s = 0

        async def renewed() -> bool:
            return len(oauth.tokens) == 3

        gateway = await spawn(**setup)
        for label in ("anna", "bert"):
            await sign_in(gateway, oauth, label)
        oauth.gate.clear()
        async with gateway.caller() as caller:
            asking = asyncio.create_task(caller.post("/v1/chat/completions", CHAT))
            assert await asyncio.to_thread(oauth.reached.wait, 10)
            assert gateway.process is not None
            gateway.process.kill()
            await gateway.process.wait()
            await asyncio.gather(asking, return_exceptions=True)
        # The provider has renewed it, and nobody was there to hear.
        oauth.life_s = 3600
        oauth.gate.set()
        await until(renewed, bool)
        gateway = await spawn(**setup)
        async with gateway.caller() as caller:
            for _ in range(2):
                assert (await caller.post("/v1/chat/completions", CHAT)).status == 200
        found = await accounts(gateway)
        assert sorted(one["state"] for one in found.values()) == ["ready", "signed_out"]
        (lost,) = [one for one in found.values() if one["state"] == "signed_out"]
        assert "sign in again" in lost["reason"]
