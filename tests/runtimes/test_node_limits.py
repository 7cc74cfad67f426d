"""What a plugin may take of the machine, and that others do not suffer by one that takes more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.runtimes.conftest import StartNode
from tests.runtimes.programs import Host

from jackfield.errors import PluginTimeout, SessionDenied, SessionLost
from jackfield.runtimes.limits import Limits
from jackfield.testing.waiting import until


async def lost(call: Awaitable[Any]) -> str:
    with pytest.raises(SessionLost) as caught:
        await call
    return str(caught.value)


async def test_one_that_spins_is_killed_and_named(start_node: StartNode, host: Host) -> None:
    session = await start_node(Limits(hang_s=0.5))
    told = await lost(session.call("spin", deadline_s=5))
    assert "killed by SIGKILL: it answered nothing for 0.5 s" in told
    await until(lambda: asyncio.sleep(0, host.losses), bool)
    assert host.losses[0].exit == "killed by SIGKILL: it answered nothing for 0.5 s"


async def test_one_that_waits_long_is_left_alone(start_node: StartNode) -> None:
    session = await start_node(Limits(hang_s=0.2))
    with pytest.raises(PluginTimeout):
        await session.call("wait", deadline_s=0.7)
    assert await session.call("echo", 1, deadline_s=2) == 1


async def test_one_that_burns_the_processor_is_killed_and_named(start_node: StartNode) -> None:
    session = await start_node(Limits(cpu_s=0.3, cpu_window_s=10))
    told = await lost(session.call("burn", deadline_s=10))
    assert "killed by SIGKILL: more than 0.3 s of processor time within 10 s" in told


async def test_one_whose_heap_grows_ends_and_is_named(start_node: StartNode) -> None:
    session = await start_node(Limits(memory_mb=96))
    told = await lost(session.call("hog_heap", deadline_s=10))
    assert "it ran out of the 96 MB of memory that it may have" in told or "more than 96 MB of memory" in told


async def test_what_would_not_fit_at_all_is_refused_to_the_code(start_node: StartNode) -> None:
    session = await start_node()
    for code in ("Buffer.alloc(4e9, 1)", "new SharedArrayBuffer(4e9)", "new WebAssembly.Memory({ initial: 60000 })"):
        with pytest.raises(SessionDenied, match=r"allocat"):
            await session.call("run", code, deadline_s=5)
    assert session.diagnose().starts == 1


async def test_one_that_hogs_memory_beside_the_heap_is_killed_and_named(start_node: StartNode) -> None:
    session = await start_node(Limits(memory_mb=128))
    told = await lost(session.call("hog_buffers", deadline_s=10))
    assert "more than 128 MB of memory" in told


async def test_one_that_floods_its_output_costs_little_and_its_end_is_kept(start_node: StartNode) -> None:
    session = await start_node()
    assert await session.call("flood", 3000, deadline_s=10) == "flooded"
    await until(lambda: asyncio.sleep(0, session.diagnose().last_words), lambda words: words.endswith("2999"))
    assert len(session.diagnose().last_words) <= 8 * 1024


async def test_one_that_floods_its_host_is_read_from_more_slowly(start_node: StartNode, host: Host) -> None:
    flooding = await start_node(Limits(hang_s=0.5))
    other = await start_node()
    call = asyncio.create_task(flooding.call("flood_host", "x" * 1000, deadline_s=5))
    loop = asyncio.get_running_loop()
    slowest = 0.0
    for _ in range(100):
        began = loop.time()
        await other.call("echo", 1, deadline_s=2)
        slowest = max(slowest, loop.time() - began)
        await asyncio.sleep(0)
    assert slowest < 0.5
    assert host.count("flood") < 10_000
    assert "killed by SIGKILL" in await lost(call)


async def test_one_that_says_more_than_is_read_of_it_is_not_silent(start_node: StartNode, host: Host) -> None:
    """Its answer stands behind a second of what it said."""
    session = await start_node(Limits(hang_s=0.5))
    assert await session.call("speak", 6000, deadline_s=10) == "done"
    assert host.count("said") == 6000


async def test_what_it_printed_is_told_of_who_floods(start_node: StartNode, host: Host) -> None:
    session = await start_node()
    await session.call("flood", 3000, deadline_s=10)
    await until(lambda: asyncio.sleep(0, session.diagnose().last_words), lambda words: words.endswith("2999"))
    assert (
        (await lost(session.call("exit", 3, deadline_s=5)))
        .partition("; its last words")[0]
        .endswith("exit code 3; it printed 2 MB")
    )


async def test_one_bad_plugin_among_many_harms_no_other(start_node: StartNode) -> None:
    bad = await start_node(Limits(hang_s=0.5))
    good = [await start_node() for _ in range(3)]
    spinning = asyncio.create_task(bad.call("spin", deadline_s=5))
    for _ in range(10):
        answers = await asyncio.gather(*(session.call("echo", 7, deadline_s=2) for session in good))
        assert answers == [7, 7, 7]
    await lost(spinning)
    assert all(session.diagnose().starts == 1 for session in good)
