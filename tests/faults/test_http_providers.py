"""Providers over HTTP that go wrong in each way: nobody else is harmed, and they are back, or in a crash loop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.dialects.provider import gateways
from tests.dialects.provider.gateways import OpenGateway, make_quick, provider_gateway
from tests.dialects.provider.manifests import manifest, write_plugin
from tests.dialects.provider.stub import METADATA, Reply, Stub, answer, write_event
from tests.runtimes import http_program

from jackfield.testing.gateway import RunningGateway, find_free_port
from jackfield.testing.waiting import until

PROGRAM = Path(http_program.__file__)
MEMORY_MB = 150


@pytest.fixture
async def open_gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[OpenGateway]:
    make_quick(monkeypatch, memory_mb=MEMORY_MB)
    async with AsyncExitStack() as stack:

        async def open_one(plugins: dict[str, Any]) -> RunningGateway:
            return await stack.enter_async_context(provider_gateway(tmp_path, plugins))

        yield open_one


def started(port: int, **changes: Any) -> dict[str, Any]:
    args = ["-S", str(PROGRAM), str(port), "small"]
    told = {"metadata": {"provider_type": "small"}, "command": sys.executable, "args": args} | changes
    return manifest(f"http://127.0.0.1:{port}", **told)


async def ask(gateway: RunningGateway, deed: str, model: str = "small", **more: Any) -> Any:
    async with gateway.caller() as caller:
        asked = {"model": model, "messages": [{"role": "user", "content": deed}], **more}
        return await caller.post("/v1/chat/completions", asked)


async def ask_others(gateway: RunningGateway, until_done: asyncio.Future[Any]) -> list[int]:
    """What those get meanwhile who ask somebody else."""
    statuses = []
    async with gateway.caller() as caller:
        while not until_done.done():
            asked = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
            statuses.append((await caller.post("/v1/chat/completions", asked)).status)
            # They are many, but leave the processor to what goes wrong meanwhile.
            await asyncio.wait([until_done], timeout=0.005)
    return statuses


async def served_again(gateway: RunningGateway) -> Any:
    async def look() -> Any:
        called = await ask(gateway, "tell")
        return called.json.get("told") if called.status == 200 else None

    return await until(look, bool, within=15)


def children(pid: int | str = "self") -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found |= {int(word) for word in (thread / "children").read_text().split()}
    return found


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return False


@pytest.mark.parametrize("deed", ["die", "flood", "spew", "leak"])
async def test_what_it_does_to_itself_harms_nobody_else(
    open_gateway: OpenGateway, deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The request is tried again, and what has just been started does it again: that is no crash loop yet.
    monkeypatch.setattr(gateways, "PACE", msgspec.structs.replace(gateways.PACE, crash_starts=9))
    gateway = await open_gateway({"test": started(find_free_port(), health_check_interval=1)})
    first = await served_again(gateway)
    before, descriptors = children(), len(os.listdir("/proc/self/fd"))
    doing = asyncio.ensure_future(ask(gateway, deed))
    others = await ask_others(gateway, doing)
    assert set(others) <= {200}
    called = doing.result()
    assert called.status in (200, 502, 503, 504), called.body
    again = await served_again(gateway)
    if deed in ("die", "flood"):
        assert again["pid"] != first["pid"]
    process = (await gateway.plugin("test"))["process"]
    assert process["condition"] == "healthy"
    assert len(children()) == len(before)
    assert not any(map(is_zombie, children()))

    async def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    await gateway.quiet()
    await until(opened, lambda found: found <= descriptors + 4, within=3)


async def test_what_hangs_is_found_out_and_started_again(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway({"test": started(find_free_port(), health_check_interval=1)})
    first = await served_again(gateway)
    os.kill(first["pid"], signal.SIGSTOP)
    asking = asyncio.ensure_future(ask(gateway, "tell"))
    assert set(await ask_others(gateway, asking)) <= {200}
    assert asking.result().json["error"]["code"] in ("timeout", "provider_unavailable")
    again = await served_again(gateway)
    assert again["pid"] != first["pid"]
    assert not Path(f"/proc/{first['pid']}").exists()


async def test_what_multiplies_ends_whole(open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found to hang, and all that it started ends with it. It is not ended for their memory before that."""
    make_quick(monkeypatch, memory_mb=8_000)
    gateway = await open_gateway({"test": started(find_free_port(), health_check_interval=1)})
    first = await served_again(gateway)
    doing = asyncio.ensure_future(ask(gateway, "multiply"))
    spawned: set[int] = set()

    async def grown() -> int:
        spawned.update(children(first["pid"]))
        return len(spawned)

    await until(grown, lambda found: found >= 10, within=10)
    again = await served_again(gateway)
    assert again["pid"] != first["pid"]

    async def left() -> list[int]:
        return [pid for pid in spawned if Path(f"/proc/{pid}").exists() and not is_zombie(pid)]

    await until(left, lambda found: not found, within=10)
    await doing
    assert not any(map(is_zombie, children()))


async def test_killed_again_and_again_under_load_it_is_a_crash_loop(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway({"test": started(find_free_port())})
    statuses = set()

    async def condition() -> str:
        process = (await gateway.plugin("test"))["process"]
        statuses.update(called.status for called in await asyncio.gather(*(ask(gateway, "die") for _ in range(4))))
        return str(process["condition"])

    await until(condition, lambda found: found == "crash_loop", within=20)
    assert statuses <= {502, 503, 504}
    reason = (await gateway.plugin("test"))["reason"]
    assert reason.startswith("crash_loop: 3 starts within")
    assert "exit code 3" in reason
    assert (await ask(gateway, "hi", "echo")).status == 200
    assert (await gateway.admin("/ready")).status == 200


TRAPS = [
    *("too short", "too long", "negative", "drip", "announced huge"),
    *("huge", "drip health", "huge health", "deep", "many"),
]


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("/chat/completions", Reply(body=b"{}", headers={"content-length": "1000"}, cut=True)),
        ("/chat/completions", Reply(body=b"{}extra", headers={"content-length": "2"})),
        ("/chat/completions", Reply(headers={"content-length": "-1"})),
        ("/chat/completions", Reply(pieces=[*([b" ", 0.05] * 60), b"{}"])),
        ("/chat/completions", Reply(headers={"content-length": str(2**40)}, body=b"x")),
        ("/chat/completions", Reply(pieces=[b"x" * 1_000_000] * 20)),
        ("/health", Reply(pieces=[*([b" ", 0.05] * 60), b"{}"])),
        ("/health", Reply(pieces=[b"x" * 1_000_000] * 20)),
        ("/models", Reply(body=b"[" * 1_000_000)),
        ("/models", answer([{"id": "x" * 10_000}] * 5_000)),
    ],
    ids=TRAPS,
)  # fmt: skip
async def test_answers_that_are_traps_harm_nobody_else(open_gateway: OpenGateway, path: str, reply: Reply) -> None:
    async with Stub(provider_type="small") as stub:
        right, stub.replies[path] = stub.replies[path], reply
        capable = {"provider_type": "small", "capabilities": METADATA["capabilities"]}
        gateway = await open_gateway({"test": manifest(stub.url, metadata=capable)})
        asking = asyncio.ensure_future(ask(gateway, "hi", "stub-1"))
        assert set(await ask_others(gateway, asking)) <= {200}
        assert asking.result().status in (200, 404, 502, 503, 504)
        stub.replies[path] = right
        if path == "/models":
            return
        await until(lambda: ask(gateway, "hi", "stub-1"), lambda called: called.status == 200, within=10)


async def test_an_endless_stream_ends_with_its_client(open_gateway: OpenGateway) -> None:
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}

    async def stream(asked: Any) -> Reply:
        return Reply(kind="text/event-stream", pieces=(write_event(chunk) if n % 2 else 0.001 for n in range(10**9)))

    async with Stub(provider_type="small") as stub:
        stub.replies["/chat/completions"] = stream
        capable = {"provider_type": "small", "capabilities": METADATA["capabilities"]}
        gateway = await open_gateway({"test": manifest(stub.url, metadata=capable)})
        async with gateway.caller() as caller:
            asked = {"model": "stub-1", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            called = await caller.begin("POST", "/v1/chat/completions", body=asked)
            await caller.read(called, events=5)
        await gateway.quiet()


async def test_a_gateway_that_is_killed_takes_its_programs_along(
    tmp_path: Path, spawn: Callable[..., Awaitable[RunningGateway]]
) -> None:
    """What it started has started something itself, in a session of its own."""
    script = tmp_path / "gateway.py"
    note = tmp_path / "pid"
    shell = f"setsid sleep 60 & echo $! > {note}; sleep 60"
    script.write_text(
        "import asyncio, sys\n"
        "from jackfield.runtimes.http.program import Order, start_program\n"
        "async def main():\n"
        f"    order = Order(argv=('/bin/sh', '-c', {shell!r}), cwd='/', environ={{}}, memory_mb=100)\n"
        "    print((await start_program(order, print)).pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=subprocess.PIPE)
    assert process.stdout is not None
    pid = int(await asyncio.wait_for(process.stdout.readline(), 10))

    async def noted() -> bool:
        return note.exists() and note.read_text().strip() != ""

    await until(noted, bool)
    pids = (pid, int(note.read_text()))
    process.kill()
    await process.wait()

    async def left() -> list[int]:
        return [one for one in pids if Path(f"/proc/{one}").exists() and not is_zombie(one)]

    await until(left, lambda found: not found)


async def test_edits_while_it_is_asked_lose_no_request(open_gateway: OpenGateway) -> None:
    async with Stub(provider_type="small") as first, Stub(provider_type="small") as second:
        gateway = await open_gateway({"test": manifest(first.url, metadata={"provider_type": "small"})})
        stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def keep_asking() -> set[int]:
            statuses = set()
            while not stopping.done():
                statuses.add((await ask(gateway, "hi", "stub-1")).status)
                await asyncio.wait([stopping], timeout=0.005)
            return statuses

        asking = [asyncio.ensure_future(keep_asking()) for _ in range(4)]
        for stub in (second, first, second):
            folder = gateway.folder / "plugins" / "test"
            write_plugin(folder, manifest(stub.url, metadata={"provider_type": "small"}))
            called = await gateway.admin("/api/v1/plugins/hot-swap", "POST", {"names": ["test"]})
            assert called.status == 200, called.body
        stopping.set_result(None)
        assert set().union(*await asyncio.gather(*asking)) == {200}
