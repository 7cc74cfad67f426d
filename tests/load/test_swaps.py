"""Fifty hot swaps of thirty plugins, twenty of them refused, while 64 clients stream and chat."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable

from jackfield.testing import Called, until
from jackfield.testing.gateway import RunningGateway

from .test_streams import count_tasks
from .versions import COUNT, LIVES, MET, NAMES, REFUSALS, VERSIONS, mend, write_all

CLIENTS = 64
SWAPS = 50
# Of each five swaps the second and the fourth are refused.
REFUSED = (1, 3)
BEFORE = "from jackfield.sdk import Plugin\nclass Before(Plugin):\n    id = '{name}'\n"
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}


async def keep_asking(gateway: RunningGateway, number: int, done: asyncio.Event) -> list[Called]:
    """Every other client streams."""
    answers = []
    body = CHAT | ({"stream": True} if number % 2 else {})
    async with gateway.caller() as caller:
        caller._within = 60
        while not done.is_set():
            answers.append(await caller.post("/v1/chat/completions", body))
    return answers


async def swap(gateway: RunningGateway, number: int) -> Called:
    """Each is refused in another way than the last."""
    folder, version = gateway.folder / "plugins", str(number)
    mend(folder)
    told = None
    ways = (*REFUSALS, *LIVES)
    if number % 5 in REFUSED:
        way, told = ways[(number // 5 * 2 + REFUSED.index(number % 5)) % len(ways)]
        await asyncio.to_thread(write_all, folder, version, **(way if isinstance(way, dict) else {}))
        if not isinstance(way, dict):
            way(folder)
    else:
        await asyncio.to_thread(write_all, folder, version)
    called = await swap_now(gateway)
    assert called.status == (200 if told is None else 409), (number, called.body)
    if told is not None:
        assert told in called.json["error"]["message"]
        assert "swapped_17" in str(called.json["error"]["plugin"])
    return called


async def swap_and_meet(gateway: RunningGateway, number: int) -> Called:
    """Where it is accepted, until a client has met it: however fast the swaps, none is passed over."""
    called = await swap(gateway, number)
    if called.status == 200:
        await until(met_versions, lambda met: str(number) in met, within=30)
    return called


async def met_versions() -> set[str]:
    return VERSIONS


async def swap_now(gateway: RunningGateway) -> Called:
    async with gateway.caller(gateway.admin_key) as caller:
        caller._within = 60
        return await caller.post("/api/v1/plugins/hot-swap", {})


def remains() -> dict[str, int]:
    """What every former generation would leave more of."""
    gc.collect()
    kinds = Counter(found.__name__ for found in gc.get_objects() if isinstance(found, type))
    own = [name for name in sys.modules if name.startswith("jackfield_plugin_")]
    threads = [thread for thread in threading.enumerate() if thread.name == "jackfield-aside"]
    snapshots = sum(type(found).__name__ == "Snapshot" for found in gc.get_objects())
    return {
        "classes": kinds["Swapped"], "modules": len(own), "threads": len(threads), "snapshots": snapshots,
    }  # fmt: skip


async def test_no_request_fails_and_none_sees_two_generations_and_nothing_stays(
    start_gateway: Callable[..., Awaitable[RunningGateway]],
) -> None:
    # Tests before this one may have left some.
    others = remains()["snapshots"]
    gateway = await start_gateway(plugins={name: BEFORE.format(name=name) for name in NAMES})
    assert (await swap(gateway, 0)).status == 200
    before, tasks = await settled(gateway, others), count_tasks()
    done = asyncio.Event()
    MET.clear()
    VERSIONS.clear()
    clients = [asyncio.create_task(keep_asking(gateway, number, done)) for number in range(CLIENTS)]
    swaps = [await swap_and_meet(gateway, number) for number in range(SWAPS)]
    done.set()
    answers = [called for found in await asyncio.gather(*clients) for called in found]

    assert Counter(called.status for called in swaps) == {200: SWAPS - 20, 409: 20}
    check_answers(answers)
    assert len(VERSIONS) == SWAPS - 20
    mend(gateway.folder / "plugins")
    write_all(gateway.folder / "plugins", "0")
    assert (await swap_now(gateway)).status == 200
    after = await settled(gateway, others)
    assert after == before
    assert before["classes"] == COUNT
    assert count_tasks() <= tasks


def check_answers(answers: list[Called]) -> None:
    assert len(answers) > SWAPS * 2
    for called in answers:
        assert (called.status, called.complete) == (200, True), called.body
        if called.headers["content-type"].startswith("text/event-stream"):
            assert called.events[-1] == (None, "[DONE]")
            assert not any('"error"' in data for _, data in called.events)
    # Each plugin has seen each exchange twice, and all of them had one version.
    met = [MET[called.headers["x-request-id"]] for called in answers]
    assert {tuple(counts.values()) for counts in met} == {(2 * COUNT,)}


async def settled(gateway: RunningGateway, others: int) -> dict[str, int]:
    """What there is once nothing of former generations is left that will go by itself."""
    host = gateway.app._inference._host
    async with asyncio.timeout(30):
        await host.drained()
    await gateway.quiet()

    async def look() -> dict[str, int]:
        return remains()

    # One thread waits for the next change.
    return await until(look, lambda found: found["threads"] <= 1 and found["snapshots"] <= others + 1, within=10)
