"""The SDK for Go, and a plugin of it over a session: what it asks for, and that it comes back."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.docs.blocks import read_blocks
from tests.examples.go_programs import RATE_LIMITER, SDK, build_beside_sdk

from jackfield.clock import SystemClock
from jackfield.errors import SessionDenied, SessionLost
from jackfield.runtimes.base import Diagnosis, Session
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.runtimes.grpc.session import GrpcSession
from jackfield.sdk.caller import Caller, acting_for, current_caller
from jackfield.testing.waiting import until
from toolchains import build_go, run_go, unformatted_go

OPENING = msgspec.json.encode(
    {
        "id": "e1",
        "at": 1.0,
        "operation": "chat",
        "route": "POST /v1/chat/completions",
        "client_format": "openai_chat",
        "synthetic": False,
        "inbound": {"method": "POST", "path": "/v1/chat/completions", "headers": [], "body": ""},
    }
)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "grpc-plugins.md"
REQUEST = {"is": "chat_request", "model": "m", "messages": []}


class Store:
    """`Answerer` with one counter for each key."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.counts: dict[str, int] = {}
        self.callers: list[str | None] = []
        self.losses: list[Diagnosis] = []
        self.description: Any = None
        self.loaded: Any = None
        self.granted: list[str] = []
        self.starts = 0

    async def answer(self, method: str, params: Any) -> Any:
        caller = current_caller()
        if method == "kv.get":
            return None
        assert method == "kv.increment"
        self.callers.append(caller.app if caller is not None else None)
        self.counts[params["key"]] = self.counts.get(params["key"], 0) + params["by"]
        return self.counts[params["key"]]

    def hear(self, method: str, params: Any) -> None:
        raise AssertionError(f"{method} was told")

    async def on_start(self, session: Session) -> None:
        self.starts += 1
        self.description = await session.call("describe", deadline_s=9)
        self.loaded = await session.call(
            "load", {"id": "limiter", "config": self.config, "granted": self.granted}, deadline_s=9
        )

    def on_loss(self, diagnosis: Diagnosis) -> None:
        self.losses.append(diagnosis)


def seen(app: str, **told: Any) -> bytes:
    return msgspec.json.encode({"request": REQUEST, "identity": {"app": app}, **told})


@pytest.fixture
def program() -> GrpcProgram:
    path = build_beside_sdk(RATE_LIMITER)
    return GrpcProgram(command=path.name, folder=path.parent)


@pytest.fixture
async def start(program: GrpcProgram) -> AsyncIterator[Any]:
    sessions = []

    async def begin(**config: Any) -> tuple[GrpcSession, Store]:
        store = Store(config)
        session = GrpcSession("limiter", program, store, SystemClock())
        sessions.append(session)
        await session.start()
        return session, store

    yield begin
    for session in sessions:
        await session.stop(0)
    gc.collect()


def test_the_sdk_is_sound() -> None:
    assert unformatted_go(SDK) == ""
    run_go(SDK, "vet", "./...")
    run_go(SDK, "test", "./...")


def test_the_example_is_sound() -> None:
    assert unformatted_go(RATE_LIMITER) == ""
    run_go(RATE_LIMITER, "vet", "./...")
    run_go(RATE_LIMITER, "test", "./...")


async def test_the_plugin_of_the_page_is_one(tmp_path: Path) -> None:
    (source,) = [block.text for block in read_blocks(PAGE) if block.title == "plugins/no-shouting-go/main.go"]
    (tmp_path / "main.go").write_text(source)
    for name in ("go.mod", "go.sum"):
        text = (RATE_LIMITER / name).read_text()
        (tmp_path / name).write_text(text.replace("=> ../../sdk/go", f"=> {SDK}"))
    program = build_go(tmp_path)
    session = GrpcSession("page", GrpcProgram(command=program.name, folder=program.parent), Store({}), SystemClock())
    try:
        await session.start()
        told = await session.call("describe", deadline_s=2)
        assert told["manifest"]["id"] == "no-shouting-go"
        assert [hook["point"] for hook in told["hooks"]] == ["pre_flight"]
    finally:
        await session.stop(0)


async def test_it_says_what_it_is(start: Any) -> None:
    _, store = await start()
    told = store.description
    assert (told["manifest"]["id"], told["config_schema"]["type"]) == ("grpc-rate-limiter-go", "object")
    assert [(hook["point"], hook["on_failure"]) for hook in told["hooks"]] == [
        ("pre_flight", "closed"),
        ("response_head", "open"),
    ]
    assert store.loaded["endpoints"][0]["path"] == "/"


async def test_what_it_asks_for_is_asked_for_its_caller_and_it_knows_the_exchange_later(start: Any) -> None:
    session, store = await start(requests=1)
    call = {"name": "pre_flight", "exchange": ("e1", OPENING, seen("shop"))}
    with acting_for(Caller(app="shop")):
        assert await session.call("hook", call, deadline_s=2) is None
    assert store.callers == ["shop"]
    head = {"name": "response_head", "exchange": ("e1", None, seen("shop", head={"status": 200, "headers": []}))}
    told = msgspec.json.decode(await session.call("hook", head, deadline_s=2))
    assert told["head"] == {
        "status": 200,
        "headers": [["x-ratelimit-limit", "1"], ["x-ratelimit-remaining", "0"]],
    }
    call["exchange"] = ("e2", OPENING, seen("shop"))
    refused = msgspec.json.decode(await session.call("hook", call, deadline_s=2))
    assert (refused["is"], refused["status"], refused["code"]) == ("reject", 429, "rate_limit_exceeded")
    assert 0 < refused["retry_after_s"] <= 60


async def test_an_exchange_that_is_over_is_unknown(start: Any) -> None:
    session, _ = await start()
    call = {"name": "pre_flight", "exchange": ("e1", OPENING, seen("shop"))}
    await session.call("hook", call, deadline_s=2)
    session.tell("over", {"exchange": "e1"}, sticky="e1")
    call["exchange"] = ("e1", None, seen("shop"))

    async def ask() -> str:
        try:
            await session.call("hook", call, deadline_s=2)
        except SessionDenied as denied:
            return denied.told
        return ""

    await until(ask, lambda code: code == "unknown_exchange", within=2)


async def test_a_config_that_is_wrong_names_its_field(start: Any) -> None:
    with pytest.raises(
        SessionDenied, match=r"^plugins\.config\.limiter\.requests: must be 1 or more, not 0$"
    ) as denied:
        await start(requests=0)
    assert denied.value.told == "invalid_config"


async def test_killed_it_comes_back_with_its_services(start: Any) -> None:
    session, store = await start()
    pid = session.diagnose().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    call = {"name": "pre_flight", "exchange": ("e1", OPENING, seen("shop"))}
    with pytest.raises(SessionLost):
        await session.call("hook", call, deadline_s=2)
    await until(lambda: asyncio.sleep(0, session.diagnose().state), lambda state: state == "running", within=5)
    assert await session.call("hook", call, deadline_s=2) is None
    assert [loss.exit for loss in store.losses] == ["killed by SIGKILL"]
    assert store.counts
