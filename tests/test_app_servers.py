"""Gateways that share a PostgreSQL and a Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from redis.asyncio import Redis

from jackfield.cli.diagnosis import check_redis, check_store
from jackfield.settings import load
from jackfield.testing import until
from jackfield.testing.gateway import KEYS, RunningGateway
from servers import migrated_postgres

Start = Callable[..., Awaitable[RunningGateway]]

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
COUNTER = """
from jackfield.sdk import Plugin, hook

class Counter(Plugin):
    \"\"\"Counts what it sees.\"\"\"

    permissions = ("storage:read", "storage:write")

    @hook("pre_flight", on_failure="closed")
    async def count(self, exchange):
        await self.services.kv.increment("seen")
"""


async def chat(gateway: RunningGateway, key: str | None = None) -> int:
    async with gateway.caller(key) as caller:
        return (await caller.post("/v1/chat/completions", CHAT)).status


async def test_gateways_on_the_same_servers_share_keys_records_and_what_plugins_store(
    start_gateway: Start, redis_url: str
) -> None:
    async with migrated_postgres() as url:
        store = {"url": url, "redis": redis_url}
        environ = {"JACKFIELD_SECRET": "the same secret for both gateways"}
        gateways = [await start_gateway(store=store, environ=environ, plugins={"counter": COUNTER}) for _ in range(2)]
        assert [await chat(gateway) for gateway in gateways] == [200, 200]
        assert len(await gateways[0].records(2)) == 2
        made = (await gateways[0].admin("/api/v1/credentials", "POST", {"name": "new"})).json
        await until(lambda: chat(gateways[1], made["key"]), lambda status: status == 200, within=5)
        async with Redis.from_url(redis_url) as redis:
            assert int(await redis.get("sentinel:plugin:counter:plugin::seen")) >= 3


async def test_doctor_looks_at_both_servers(tmp_path: Path, redis_url: str, postgres_url: str) -> None:
    settings = load(None, {"store.url": postgres_url, "store.redis": redis_url, "store.data_dir": tmp_path}, KEYS)
    found = [await check_store(settings), *await check_redis(settings)]
    assert [(finding.check, finding.status) for finding in found] == [("store", "ok"), ("redis", "ok")]
    assert found[0].detail.endswith("will be made at the first start")


async def test_doctor_names_the_server_that_is_not_there(tmp_path: Path) -> None:
    urls = {"store.url": "postgresql://u:hunter2@127.0.0.1:1/db", "store.redis": "redis://u:hunter2@127.0.0.1:1/0"}
    settings = load(None, {**urls, "store.data_dir": tmp_path}, KEYS)
    found = [await check_store(settings), *await check_redis(settings)]
    assert [finding.status for finding in found] == ["fail", "fail"]
    assert "postgresql://127.0.0.1:1/db cannot be reached" in found[0].detail
    assert "redis://127.0.0.1:1/0 failed" in found[1].detail
    assert "hunter2" not in str(found)
