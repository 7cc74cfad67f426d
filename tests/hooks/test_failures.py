"""Whatever a hook raises becomes one failure, at one place, by the hook's policy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.errors import Malformed, NotFound, PluginFailed, Refused, UpstreamBroken
from jackfield.hooks.dispatch import notify
from jackfield.hooks.trace import Trace
from jackfield.sdk import Exchange

from .scene import Asked, Call, answer_with, decide_all, make_exchange, make_hook, raise_it


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class OwnRoot(BaseException):
    pass


def descend() -> None:
    descend()


async def recurse(_: object) -> None:
    descend()


async def misuse(_: object) -> None:
    raise StopIteration("swallowed by nobody")


RAISED: list[BaseException] = [
    Exception("e"),
    ValueError("v"),
    KeyError("k"),
    AssertionError(),
    OSError(2, "gone"),
    MemoryError(),
    TimeoutError("its own"),
    asyncio.CancelledError("its own"),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopAsyncIteration(),
    OwnRoot(),
    Unspeakable(),
    ExceptionGroup("several", [ValueError("v")]),
    BaseExceptionGroup("worse", [KeyboardInterrupt()]),
    UpstreamBroken("its own client"),
    NotFound("ours, raised by a plugin"),
    Refused(403, "c", "m"),
    Malformed("raised for a body that is well formed"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
]
CALLS: list[tuple[str, Call]] = [(type(error).__name__, raise_it(error)) for error in RAISED]
CALLS += [("RecursionError", recurse), ("RuntimeError", misuse)]
IDS = [name for name, _ in CALLS]


def after_a_wait(call: Call) -> Call:
    async def hook(exchange: object) -> Any:
        await asyncio.sleep(0)
        return await call(exchange)

    return hook


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
@pytest.mark.parametrize(("kind", "call"), CALLS, ids=IDS)
async def test_an_open_hook_that_raises_lets_the_exchange_go_on(kind: str, call: Call, waits: bool) -> None:
    asked = Asked(make_hook(after_a_wait(call) if waits else call))
    with capture_logs() as logs:
        assert await asked.ask() is None
    assert asked.outcome == "failed"
    report = asked.hook.guard.stats.report()
    assert (report["calls"], report["errors"], report["timeouts"]) == (1, 1, 0)
    assert report["last_error"].startswith(f"check: {kind}")
    assert [(log["event"], log["plugin"], log["hook"]) for log in logs] == [("hook_failed", "tested", "check")]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
@pytest.mark.parametrize(("kind", "call"), CALLS, ids=IDS)
async def test_a_closed_hook_that_raises_refuses_the_exchange(kind: str, call: Call, waits: bool) -> None:
    asked = Asked(make_hook(after_a_wait(call) if waits else call, on_failure="closed"))
    with pytest.raises(PluginFailed) as refusal:
        await asked.ask()
    error = refusal.value
    assert (error.status, error.code, error.plugin) == (502, "plugin_failed", "tested")
    assert error.message == "plugin tested failed (check)"
    assert asked.hook.guard.stats.errors == 1


async def test_what_a_plugin_raises_is_told_to_the_operator_and_not_to_the_client() -> None:
    asked = Asked(make_hook(raise_it(ValueError("password=hunter2")), on_failure="closed"))
    with pytest.raises(PluginFailed) as refusal:
        await asked.ask()
    assert "hunter2" not in refusal.value.message
    assert refusal.value.__cause__ is None
    assert "hunter2" in str(asked.hook.guard.stats.last_error)


async def test_hooks_after_an_open_failure_are_asked() -> None:
    _, _, trace = await decide_all(
        make_hook(raise_it(ValueError()), plugin="a"), make_hook(answer_with(None), plugin="b")
    )
    assert [(call[1], call[3]) for call in trace.hooks] == [("a", "failed"), ("b", "passed")]


async def test_hooks_after_a_closed_failure_are_not_asked() -> None:
    last = make_hook(answer_with(None), plugin="b")
    with pytest.raises(PluginFailed):
        await decide_all(make_hook(raise_it(ValueError()), plugin="a", on_failure="closed"), last)
    assert last.guard.stats.report()["calls"] == 0


async def test_observers_are_all_called_whatever_one_of_them_does() -> None:
    hooks = tuple(
        make_hook(call, "background", plugin=plugin)
        for plugin, call in zip(
            "abcd", (raise_it(SystemExit()), read, answer_with("nonsense"), answer_with(None)), strict=True
        )
    )
    trace = Trace(0)
    await notify(hooks, make_exchange(b"no json"), trace)
    assert [call[3] for call in trace.hooks] == ["failed", "malformed", "failed", "passed"]


async def read(exchange: Exchange) -> None:
    _ = exchange.request


async def read_model(exchange: Exchange) -> None:
    _ = exchange.model


@pytest.mark.parametrize("call", [read, read_model, after_a_wait(read)])
@pytest.mark.parametrize("on_failure", ["open", "closed"])
async def test_a_malformed_body_is_the_clients_fault_and_not_the_plugins(call: Call, on_failure: Any) -> None:
    asked = Asked(make_hook(call, on_failure=on_failure), make_exchange(b'{"model": 7}'))
    with pytest.raises(Malformed):
        await asked.ask()
    assert asked.outcome == "malformed"
    assert asked.hook.guard.stats.errors == 0


async def test_malformed_bodies_never_quarantine_a_plugin() -> None:
    asked = Asked(make_hook(read), make_exchange(b"[]"))
    for _ in range(20):
        with pytest.raises(Malformed):
            await asked.ask()
    assert asked.hook.guard.breaker.state == "closed"


async def test_a_call_with_the_wrong_arguments_is_a_failure() -> None:
    async def two(exchange: object, event: object) -> None: ...

    asked = Asked(make_hook(two))
    assert await asked.ask() is None
    assert "TypeError" in str(asked.hook.guard.stats.last_error)


@pytest.mark.parametrize("made", [None, 7, asyncio.Event])
async def test_what_is_no_coroutine_is_a_failure(made: Any) -> None:
    asked = Asked(make_hook(lambda exchange: made))  # type: ignore[arg-type, return-value]
    assert await asked.ask() is None
    assert asked.outcome == "failed"


async def test_a_wait_for_something_that_cannot_be_waited_for_is_a_failure() -> None:
    class Odd:
        def __await__(self) -> Any:
            yield "odd"

    async def hook(_: object) -> None:
        await Odd()

    asked = Asked(make_hook(hook))
    assert await asked.ask() is None
    assert "odd" in str(asked.hook.guard.stats.last_error)
