"""A whole gateway with an isolated plugin: it is listed, configured, put to rest and replaced as any other."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from tests.guests.places import PLUGINS

from jackfield.hooks.guard import QUARANTINE_AFTER
from jackfield.runtimes import process
from jackfield.testing.gateway import RunningGateway, run_gateway
from jackfield.testing.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVELY = (PLUGINS / "lively" / "plugin.py").read_text()
PATH = "/api/v1/plugins"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningGateway]:
    set_by = "JACKFIELD_PLUGINS__CONFIG__LIVELY__"
    environ = {f"{set_by}RUNTIME": "isolated", f"{set_by}CITY": "Ys", f"{set_by}KEY": "open sesame"}
    folder = tmp_path_factory.mktemp("gateway")
    async with run_gateway(folder, plugins={"lively": LIVELY}, environ=environ) as gateway:
        yield gateway


async def told(gateway: RunningGateway) -> str:
    async with gateway.caller() as caller:
        body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        called = await caller.call("POST", "/v1/chat/completions", body=body)
    return str(called.json["error"]["message"]) if called.status == 400 else called.body.decode()


async def test_it_is_listed_with_its_process(gateway: RunningGateway) -> None:
    found = await gateway.plugin("lively")
    assert (found["state"], found["runtime"], found["reason"]) == ("active", "isolated", None)
    assert found["process"]["state"] == "running"
    assert "landlock" in found["process"]["layers"]
    assert [(hook["point"], hook["on_failure"]) for hook in found["hooks"]] == [("pre_flight", "open")]
    assert found["config"] == {"city": "Ys", "most": 3, "wrong": "", "key": "***"}


async def test_it_serves(gateway: RunningGateway) -> None:
    assert (await told(gateway)).startswith("('Ys', 3, 'open sesame', ['load', 'enable'])")


async def test_a_wrong_config_names_the_field_and_changes_nothing(gateway: RunningGateway) -> None:
    for body, field in (({"most": 99}, "most"), ({"town": 1}, "town"), ({"city": "Atlantis"}, "city")):
        called = await gateway.admin(f"{PATH}/lively/config", "PUT", body)
        assert called.status == 422, called.body
        assert f"plugins.config.lively.{field}" in called.body.decode()
        assert called.json["changed"] is False
    assert (await told(gateway)).startswith("('Ys', 3,")


async def test_a_new_config_starts_another_process(gateway: RunningGateway) -> None:
    former = (await gateway.plugin("lively"))["process"]["pid"]
    called = await gateway.admin(f"{PATH}/lively/config", "PUT", {"most": 5})
    assert called.status == 200, called.body
    assert (await gateway.plugin("lively"))["process"]["pid"] != former
    assert (await told(gateway)).startswith("('Ys', 5,")


async def test_it_is_put_to_rest_and_woken(gateway: RunningGateway) -> None:
    for enabled in (False, True):
        called = await gateway.admin(f"{PATH}/toggle", "POST", {"name": "lively", "enabled": enabled})
        assert called.status == 200, called.body
        found = await gateway.plugin("lively")
        assert found["state"] == ("active" if enabled else "disabled")
    assert (await told(gateway)).startswith("('Ys', ")


async def state(gateway: RunningGateway) -> str:
    return str((await gateway.plugin("lively"))["state"])


def process_state(gateway: RunningGateway) -> Callable[[], Awaitable[str]]:
    async def look() -> str:
        return str((await gateway.plugin("lively"))["process"]["state"])

    return look


async def lose(gateway: RunningGateway) -> None:
    """Until nobody asks it any more."""
    os.kill((await gateway.plugin("lively"))["process"]["pid"], signal.SIGKILL)
    for _ in range(QUARANTINE_AFTER):
        assert "hi" in await told(gateway)
    assert await state(gateway) == "quarantined"


async def test_it_serves_again_as_soon_as_its_process_is_back(gateway: RunningGateway) -> None:
    await lose(gateway)
    assert await until(lambda: state(gateway), lambda found: found == "active", within=10) == "active"
    assert (await told(gateway)).startswith("('Ys', ")


async def test_one_that_stays_away_serves_as_soon_as_it_is_enabled_anew(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MOST_LOSSES", 1)
    await lose(gateway)
    # It is known at once that it is gone, and a little later that it stays away.
    await until(process_state(gateway), lambda found: found == "failed", within=10)
    for enabled in (False, True):
        await gateway.admin(f"{PATH}/toggle", "POST", {"name": "lively", "enabled": enabled})
    assert await state(gateway) == "active"
    assert (await told(gateway)).startswith("('Ys', ")


async def test_a_broken_edit_keeps_the_old_one_serving(gateway: RunningGateway) -> None:
    file = gateway.folder / "plugins" / "lively" / "plugin.py"
    file.write_text("raise KeyError('city')\n")
    swapped: Any = await gateway.admin(f"{PATH}/hot-swap", "POST", {})
    assert swapped.status == 409, swapped.body
    assert "KeyError: 'city'" in swapped.body.decode()
    assert (await told(gateway)).startswith("('Ys', ")
    file.write_text(LIVELY)
