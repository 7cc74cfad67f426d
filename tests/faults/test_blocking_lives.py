"""A plugin whose life keeps the event loop is named in the log, with how long: while it lasts, and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jackfield.testing.gateway import RunningGateway
from jackfield.testing.processes import read_outputs

StartGateway = Callable[..., Awaitable[RunningGateway]]

PLUGIN = """
import time
from jackfield.sdk import Health, Plugin

class Slow(Plugin):
    id = "slow"

    async def {step}(self):
        time.sleep({seconds})
        return Health()
"""


def slow(step: str, seconds: float) -> dict[str, Any]:
    return {"plugins": {"slow": PLUGIN.format(step=step, seconds=seconds)}}


@pytest.mark.parametrize("step", ["on_load", "health"])
async def test_a_step_that_kept_the_loop_is_reported(
    start_gateway: StartGateway, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await start_gateway(**slow(step, 0.06))
    assert (await gateway.plugin("slow"))["state"] == "active"
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "hook_blocked_loop" in line]
    assert f"hook={step} plugin=slow seconds=0." in told


async def test_one_that_keeps_it_at_the_start_is_named_while_it_does(spawn: StartGateway) -> None:
    """The watchdog looks every second: of two it is sure to see one."""
    gateway = await spawn(**slow("on_load", 2.1), logs={"format": "json"})
    lines = "".join(read_outputs(gateway.folder)).splitlines()
    events = [line for line in lines if '"slow"' in line and '"on_load"' in line]
    assert "event_loop_blocked" in events[0]
    assert "hook_blocked_loop" in events[-1]
