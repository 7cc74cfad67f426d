"""What plugins have scheduled, for operators."""

from __future__ import annotations

from datetime import UTC, datetime

from .admin import refused
from .plugins import StartGateway

TIDY = """
    from jackfield.sdk import Plugin, task

    class Tidy(Plugin):
        permissions = ("scheduler:write",)

        @task(every_s=3600)
        async def sweep(self): ...

        @task(cron="15 4 * * *", timezone="Europe/Berlin")
        async def count(self): ...
"""


async def test_each_task_is_told_with_its_next_run(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(plugins={"tidy": TIDY})
    tasks = {task["name"]: task for task in (await gateway.admin("/api/v1/tasks")).json["data"]}
    assert {name: (task["plugin"], task["schedule"], task["timezone"]) for name, task in tasks.items()} == {
        "sweep": ("tidy", 3600, "UTC"),
        "count": ("tidy", "15 4 * * *", "Europe/Berlin"),
    }
    ahead = datetime.fromisoformat(tasks["sweep"]["next_run"]) - datetime.now(UTC)
    assert 3500 < ahead.total_seconds() <= 3600
    assert (tasks["sweep"]["last_run"], tasks["sweep"]["runs"], tasks["sweep"]["last_error"]) == (None, 0, None)
    await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "tidy", "enabled": False})
    assert (await gateway.admin("/api/v1/tasks")).json == {"data": []}


async def test_it_needs_an_admin_key(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with gateway.caller() as caller:
        refused(await caller.get("/api/v1/tasks"), 403, "forbidden")
