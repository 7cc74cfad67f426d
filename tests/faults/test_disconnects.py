"""A client that leaves ends the upstream's call soon, and its record says 499."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.testing import Answer, Reply, until

from .apis import Stage

REPLY = Reply(text="one two three four five six")
SOON_S = 5.0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_leaving_before_the_answer(crossed: Stage, stream: bool, reset: bool) -> None:
    crossed.upstream.script(Answer.hang_before_head())
    caller = crossed.caller()
    asking = asyncio.ensure_future(caller.post(crossed.api.path, crossed.api.body(stream=stream)))
    await crossed.upstream.received(1)
    asking.cancel()
    caller.leave(reset=reset)

    await crossed.upstream.disconnected(1, within=SOON_S)
    (record,) = await crossed.gateway.records(1)
    assert (record["status"], record["error"]) == (499, "client_gone")
    assert (record["stream"], record["model"]) == (stream, "scripted")


@pytest.fixture
async def patient(open_stage: Any, provider: str) -> Stage:
    """The upstream may be silent for longer than the client stays."""
    stage: Stage = await open_stage(provider, link={"first_byte_s": 5, "idle_s": 5})
    return stage


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_leaving_in_the_middle_of_a_stream(patient: Stage, reset: bool) -> None:
    patient.upstream.script(Answer.hang_after(5, REPLY))
    async with patient.caller() as caller:
        called = await caller.begin("POST", patient.api.path, body=patient.api.body(stream=True))
        await caller.read(called, events=2)
        caller.leave(reset=reset)

    await patient.upstream.disconnected(1, within=SOON_S)
    record = await patient.record_of(called)
    assert (record["status"], record["error"], record["stream"]) == (499, "client_gone", True)
    assert record["response_bytes"] > 0
    assert record["upstream"] is not None


async def test_leaving_in_the_middle_of_a_whole_answer(patient: Stage) -> None:
    patient.upstream.script(Answer.hang_after(3, REPLY))
    caller = patient.caller()
    asking = asyncio.ensure_future(caller.post(patient.api.path, patient.api.body()))
    await patient.upstream.received(1)
    asking.cancel()
    caller.leave()

    await patient.upstream.disconnected(1, within=SOON_S)
    assert (await patient.gateway.record())["status"] == 499


async def test_leaving_while_a_plugin_works(open_stage: Any) -> None:
    plugin = """
        import asyncio
        from jackfield.sdk import Plugin, hook

        class Slow(Plugin):
            @hook("pre_flight", on_failure="open", timeout_ms=20_000)
            async def check(self, exchange):
                await asyncio.sleep(20)
    """
    stage: Stage = await open_stage(plugins={"slow": plugin})
    caller = stage.caller()
    asking = asyncio.ensure_future(caller.post(stage.api.path, stage.api.body()))
    await until(stage.gateway.metrics, lambda found: found["jackfield_in_flight"] == 1)
    asking.cancel()
    caller.leave()
    (record,) = await stage.gateway.records(1)

    assert record["status"] == 499
    assert stage.upstream.requests == []
    assert (await stage.gateway.plugin("slow"))["stats"]["errors"] == 0


async def test_a_client_that_only_closes_its_sending_side_is_answered_or_given_up_but_never_kept(
    crossed: Stage,
) -> None:
    async with crossed.caller() as caller:
        body = b"%b" % str(crossed.api.body()).replace("'", '"').encode()
        head = caller.write_head("POST", crossed.api.path, {"content-length": str(len(body))})
        await caller.write(head + body)
        caller.half_close()
        (record,) = await crossed.gateway.records(1)

    assert record["status"] in (200, 499)


async def test_two_hundred_clients_that_leave_at_once(patient: Stage) -> None:
    patient.upstream.always(Answer.hang_after(5, REPLY))
    callers = [patient.caller() for _ in range(200)]
    streams = await asyncio.gather(
        *(c.begin("POST", patient.api.path, body=patient.api.body(stream=True)) for c in callers)
    )
    assert {called.status for called in streams} == {200}
    for caller in callers:
        caller.leave()

    await patient.upstream.disconnected(200, within=5)
    records = await patient.gateway.records(200)
    assert [record["status"] for record in records] == [499] * 200
    assert len({record["id"] for record in records}) == 200
