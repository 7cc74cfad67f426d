"""`jackfield serve` as a process: its first keys, its exit codes, and how it stops."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jackfield.testing import Answer, Caller, Reply, Upstream, until
from jackfield.testing.gateway import KEYS, RunningGateway, find_free_port
from jackfield.testing.processes import end_process, read_outputs, run_command, start_process
from jackfield.testing.setup import link, write_setup

Spawn = Callable[..., Awaitable[RunningGateway]]

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]}
ECHO = CHAT | {"model": "echo"}
REPLY = Reply(text="one two three four five six")
SOON_S = 10.0


@asynccontextmanager
async def served(
    folder: Path, *arguments: str, **environ: str
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A gateway with the defaults, once it answers: its address and its process."""
    port = find_free_port()
    process = await start_process(folder, "serve", "--port", str(port), *arguments, environ=environ)
    try:
        await until(lambda: answers(port), bool, within=20)
        yield f"http://127.0.0.1:{port}", process
    finally:
        await end_process(process)


async def answers(port: int) -> bool:
    try:
        async with Caller(f"http://127.0.0.1:{port}") as caller:
            return (await caller.get("/health")).status == 200
    except OSError:
        return False


async def stopped(process: asyncio.subprocess.Process, *signals: signal.Signals) -> int:
    for number in signals:
        process.send_signal(number)
    async with asyncio.timeout(SOON_S):
        return await process.wait()


def records_in(folder: Path) -> list[tuple[str, int, str | None]]:
    with sqlite3.connect(folder / "data" / "jackfield.db") as database:
        return database.execute("SELECT id, status, error FROM usage ORDER BY at").fetchall()


async def test_the_first_start_prints_keys_that_work_and_the_second_none(tmp_path: Path) -> None:
    async with served(tmp_path) as (url, process):
        output, errors = read_outputs(tmp_path)
        printed = output.splitlines()
        assert f"Jackfield listens on {url}" in errors
        assert "Plugin loaded: echo" in errors
        admin, inference = (line.rsplit(" ", 1)[1] for line in printed)
        assert ["admin" in printed[0], "inference" in printed[1]] == [True, True]
        async with Caller(url, headers={"x-api-key": inference}) as caller:
            assert (await caller.post("/v1/chat/completions", ECHO)).status == 200
            assert (await caller.get("/api/v1/usage")).status == 403
        async with Caller(url, headers={"x-api-key": admin}) as caller:
            assert (await caller.get("/api/v1/usage")).status == 200
        assert await stopped(process, signal.SIGTERM) == 0

    async with served(tmp_path):
        output, errors = read_outputs(tmp_path)
        assert output == ""
        assert admin not in errors
        assert inference not in errors


async def test_keys_come_from_the_environment_and_are_printed_nowhere(tmp_path: Path) -> None:
    async with served(tmp_path, **KEYS) as (url, _):
        async with Caller(url, headers={"x-api-key": KEYS["JACKFIELD_API_KEY"]}) as caller:
            assert (await caller.post("/v1/chat/completions", ECHO)).status == 200
        output, errors = read_outputs(tmp_path)
        assert output == ""
        assert not any(key in errors for key in KEYS.values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_signal_stops_it_with_code_0(tmp_path: Path, number: signal.Signals, workers: str) -> None:
    async with served(tmp_path, "--workers", workers) as (_, process):
        assert await stopped(process, number) == 0
        assert "Traceback" not in read_outputs(tmp_path)[1]


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_signal_during_the_start_stops_it_with_code_0(tmp_path: Path, workers: str) -> None:
    write_setup(tmp_path, {}, {"slow": SLOW_START})
    process = await start_process(tmp_path, "serve", "--port", "0", "--workers", workers)
    try:
        await until(lambda: exists(tmp_path / "loading"), bool, within=20)
        assert await stopped(process, signal.SIGTERM) == 0
    finally:
        await end_process(process)


SLOW_START = """
    import asyncio, pathlib
    from jackfield.sdk import Plugin

    class Slow(Plugin):
        async def on_load(self):
            pathlib.Path("loading").touch()
            await asyncio.sleep(9)
"""


async def exists(file: Path) -> bool:
    return file.exists()


UPSTREAM = {"name": "local", "provider": "openay", "base_url": "http://127.0.0.1:9/v1", "models": ["m"]}
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown provider": ({"upstreams": [UPSTREAM]}, ["local", "openay", "openai"]),
    "store that cannot open": ({"store": {"url": "sqlite:////proc/none/store.db"}}, ["/proc/none"]),
    "store of another kind": ({"store": {"url": "mysql://user:password@host/db"}}, ["store.url", "postgresql"]),
    "prices that are not there": ({"usage": {"prices": ["none.toml"]}}, ["none.toml"]),
}


@pytest.mark.usefixtures("forked_commands")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("sections", "named"), WRONG.values(), ids=WRONG)
async def test_what_cannot_start_says_why_in_one_line_and_ends_with_code_1(
    tmp_path: Path, sections: dict[str, Any], named: list[str], workers: int
) -> None:
    write_setup(tmp_path, {"server": {"port": 0, "workers": workers}, **sections}, {})
    code, _, errors = await run_command(tmp_path, "serve", environ=KEYS)

    assert code == 1, errors
    (line,) = errors.splitlines()
    assert line.startswith("jackfield: ")
    assert "password" not in line
    for text in named:
        assert text in line


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_port_that_another_gateway_listens_on_is_refused(tmp_path: Path, workers: str) -> None:
    (tmp_path / "other").mkdir()
    async with served(tmp_path / "other", "--workers", workers) as (url, _):
        port = url.rpartition(":")[2]
        code, _, errors = await run_command(tmp_path, "serve", "--port", port, "--workers", workers)
    assert code == 1
    assert f"127.0.0.1:{port}" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_what_is_under_way_ends_before_it_stops(
    spawn: Spawn, upstream: Upstream, tmp_path: Path, workers: str
) -> None:
    release = asyncio.Event()
    upstream.script(Answer.held(release, events=3, reply=REPLY), Answer.held(release, events=0, reply=REPLY))
    gateway = await spawn("--workers", workers, upstreams=[link(upstream)])
    process = gateway.process
    assert process is not None
    async with gateway.caller() as streaming, gateway.caller() as asking:
        stream = await streaming.begin("POST", "/v1/chat/completions", body=CHAT | {"stream": True})
        whole = asyncio.ensure_future(asking.post("/v1/chat/completions", CHAT))
        await upstream.received(2)
        process.send_signal(signal.SIGTERM)
        await until(lambda: refuses(gateway.url), bool, within=SOON_S)
        release.set()
        await streaming.finish(stream)
        assert stream.events[-1] == (None, "[DONE]")
        assert (await whole).status == 200
    assert await stopped(process) == 0
    assert [status for _, status, _ in records_in(gateway.folder)] == [200, 200]


async def refuses(url: str) -> bool:
    try:
        async with Caller(url) as caller:
            await caller.get("/health")
    except OSError:
        return True
    return False


async def test_what_takes_longer_than_the_drain_is_cut_and_on_record(spawn: Spawn, upstream: Upstream) -> None:
    upstream.script(Answer.hang_after(3, REPLY), Answer.hang_before_head())
    gateway = await spawn(upstreams=[link(upstream)], server={"drain_s": 0.2})
    process = gateway.process
    assert process is not None
    async with gateway.caller() as streaming, gateway.caller() as asking:
        stream = await streaming.begin("POST", "/v1/chat/completions", body=CHAT | {"stream": True})
        await streaming.read(stream, events=2)
        whole = asyncio.ensure_future(asking.post("/v1/chat/completions", CHAT))
        await upstream.received(2)
        assert await stopped(process, signal.SIGTERM) == 0
        told = await whole
        with pytest.raises(ConnectionError):
            await streaming.finish(stream)
    assert (told.status, told.json["error"]["code"]) == (503, "unavailable")
    assert sorted(records_in(gateway.folder)) == sorted(
        [
            (told.headers["x-request-id"], 503, "unavailable"),
            (stream.headers["x-request-id"], 503, "unavailable"),
        ]
    )
    assert "Traceback" not in read_outputs(gateway.folder)[1]


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_second_interrupt_ends_it_at_once(spawn: Spawn, upstream: Upstream, workers: str) -> None:
    upstream.always(Answer.hang_before_head())
    gateway = await spawn("--workers", workers, upstreams=[link(upstream)], server={"drain_s": 600})
    process = gateway.process
    assert process is not None
    async with gateway.caller() as caller:
        asking = asyncio.ensure_future(caller.post("/v1/chat/completions", CHAT))
        await upstream.received(1)
        process.send_signal(signal.SIGINT)
        await until(lambda: refuses(gateway.url), bool, within=SOON_S)
        assert await stopped(process, signal.SIGINT) == 0
        await asyncio.gather(asking, return_exceptions=True)
    assert [status for _, status, _ in records_in(gateway.folder)] == [503]
