"""Calls that take their time: progress, cancellation, many at once; and what is kept of them."""

from __future__ import annotations

import asyncio

import pytest

from jackfield.testing.waiting import until


@pytest.fixture(params=("legacy", "auto"))
def mode(request) -> str:
    return request.param


async def cancelled(client) -> int:
    return int((await client.call_tool("plugin_kit_cancelled")).content[0].text)


async def test_progress_is_told_and_only_grows(gateway, connect, mode) -> None:
    told = []

    async def hear(progress, total, message) -> None:
        told.append((progress, total, message))

    async with connect(gateway, mode=mode) as client:
        reply = await client.call_tool("plugin_kit_climb", progress_callback=hear)
    assert reply.content[0].text == '"there"'
    assert told[0] == (0, 1, "started")
    assert told[1:] == [(0.25, 1, "at 0.25"), (0.5, 1, "at 0.5"), (0.75, 1, "at 0.75")]


async def test_a_call_taken_back_ends_the_tool(gateway, connect, mode) -> None:
    async with connect(gateway, mode=mode) as client:
        before = await cancelled(client)
        waiting = asyncio.create_task(client.call_tool("plugin_kit_wait"))
        await until(gateway.metrics, lambda found: found["jackfield_in_flight"] >= 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await until(lambda: cancelled(client), lambda count: count > before)
    taken_back = [found for found in await gateway.records(2) if found["model"] == "plugin_kit_wait"]
    assert [(found["status"], found["error"]) for found in taken_back] == [(499, "client_gone")]


async def test_one_client_cannot_take_back_the_call_of_another(gateway, connect) -> None:
    async with connect(gateway, mode="legacy") as one, connect(gateway, mode="legacy") as other:
        waiting = asyncio.create_task(one.call_tool("plugin_kit_wait"))
        await until(gateway.metrics, lambda found: found["jackfield_in_flight"] >= 1)
        for number in range(10):
            await other.session._dispatcher.notify("notifications/cancelled", {"requestId": number})
        await other.call_tool("plugin_kit_say", {"text": "done"})
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_a_hundred_calls_at_once_are_answered_each_with_its_own(gateway, connect, mode) -> None:
    async with connect(gateway, mode=mode) as client:
        calls = [client.call_tool("plugin_kit_add", {"a": number, "b": 0}) for number in range(100)]
        replies = await asyncio.gather(*calls)
    assert [reply.structured_content["sum"] for reply in replies] == list(range(100))


async def test_each_call_leaves_a_record_and_counts(gateway, connect) -> None:
    async with connect(gateway) as client:
        await client.list_tools()
        await client.call_tool("plugin_kit_say", {"text": "hi"})
        await client.call_tool("plugin_kit_fail")
    failed, said = await gateway.records(2)
    assert (said["operation"], said["route"], said["client_format"]) == ("tool", "POST /mcp", "mcp")
    assert (said["model"], said["upstream_model"], said["plugin"]) == ("plugin_kit_say", "plugin_kit_say", "kit")
    assert (said["status"], said["error"]) == (200, None)
    assert said["request_bytes"] > 0 < said["response_bytes"]
    assert said["key_id"]
    assert (failed["status"], failed["error"]) == (200, "tool_failed")
    assert (await gateway.metrics())["jackfield_requests_total"] == 2
