"""What comes in begins in the order in which it came, each in a context and, where it waits, in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import msgspec
import pytest
from tests.rpc.peers import Scripted, connected, facing_a_stranger

from jackfield.errors import PluginTimeout, SessionDenied
from jackfield.rpc.binary import MSGPACK
from jackfield.rpc.codec import JSON

NOBODY = Scripted()
MARK: ContextVar[str] = ContextVar("mark", default="none")


async def test_what_does_not_wait_is_answered_in_one_turn_of_the_loop() -> None:
    tasks: list[Any] = []

    async def echo(params: Any) -> Any:
        tasks.append(asyncio.current_task())
        return params

    async with connected(NOBODY, Scripted(echo=echo)) as (one, _):
        assert await asyncio.gather(*(one.call("echo", number) for number in range(50))) == list(range(50))
    assert len(set(tasks)) == 1


async def test_who_waits_keeps_its_task_and_holds_nobody_up() -> None:
    gate = asyncio.Event()
    tasks: dict[str, list[Any]] = {}

    async def work(params: Any) -> Any:
        mine = tasks.setdefault(params, [asyncio.current_task()])
        if params.startswith("slow"):
            await gate.wait()
            await asyncio.sleep(0)
        mine.append(asyncio.current_task())
        return params

    async with connected(NOBODY, Scripted(work=work)) as (one, _):
        slow = [asyncio.create_task(one.call("work", f"slow{number}")) for number in range(3)]
        assert await one.call("work", "quick") == "quick"
        gate.set()
        assert await asyncio.gather(*slow) == ["slow0", "slow1", "slow2"]
    assert all(first is last for first, last in tasks.values())
    assert len({first for name, (first, _) in tasks.items() if name != "quick"}) == 3


async def time_out(params: Any) -> Any:
    try:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    except TimeoutError:
        return "timed out"


async def group(params: Any) -> Any:
    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(asyncio.sleep(0, number)) for number in range(3)]
    return [task.result() for task in made]


async def fail_in_a_group(params: Any) -> Any:
    async def fail() -> None:
        raise ValueError("no luck")

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            await asyncio.Event().wait()
    except ExceptionGroup as errors:
        return str(errors.exceptions[0])


@pytest.mark.parametrize(
    ("work", "result"), [(time_out, "timed out"), (group, [0, 1, 2]), (fail_in_a_group, "no luck")]
)
async def test_time_outs_and_groups_mean_what_they_say(work: Callable[[Any], Awaitable[Any]], result: Any) -> None:
    async with connected(NOBODY, Scripted(work=work)) as (one, _):
        assert await asyncio.gather(*(one.call("work", None) for _ in range(5))) == [result] * 5


async def test_what_one_sets_in_its_context_no_other_sees() -> None:
    async def mark(params: Any) -> Any:
        before = MARK.get()
        MARK.set(params)
        if params == "waits":
            await asyncio.sleep(0)
        return [before, MARK.get()]

    async with connected(NOBODY, Scripted(mark=mark)) as (one, _):
        for name in ("quick", "waits", "quick"):
            assert await one.call("mark", name) == ["none", name]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
@pytest.mark.parametrize("waits", [False, True])
async def test_whatever_it_raises_is_its_answer_and_no_more(error: BaseException, waits: bool) -> None:
    async def leave(params: Any) -> Any:
        if waits:
            await asyncio.sleep(0)
        raise error

    async def echo(params: Any) -> Any:
        return params

    async with connected(NOBODY, Scripted(leave=leave, echo=echo)) as (one, _):
        asked = [asyncio.create_task(one.call(method, 1)) for method in ("leave", "echo", "leave", "echo")]
        done = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in done] == [SessionDenied, int, SessionDenied, int]


async def test_an_error_comes_with_its_code() -> None:
    async def refuse(params: Any) -> Any:
        raise PluginTimeout("too late") if params else KeyError("x")

    async with connected(NOBODY, Scripted(refuse=refuse)) as (one, _):
        for params, told in ((1, "plugin_timeout"), (0, "KeyError")):
            with pytest.raises(SessionDenied) as caught:
                await one.call("refuse", params)
            assert caught.value.told == told


async def test_what_is_told_while_others_wait_is_heard_before_the_answer_after_it() -> None:
    """A call that waits, a word, and an answer, all in one piece: the word comes before the answer."""
    gate = asyncio.Event()

    async def wait(params: Any) -> Any:
        await gate.wait()

    handler = Scripted(wait=wait)
    async with facing_a_stranger(handler) as (peer, stranger):
        asked = asyncio.create_task(peer.call("ask", None))
        _, number, *_ = await stranger.read()
        pieces = [[0, 1, None, "wait", None], [4, None, "said", 1], [1, number, "done"], [4, None, "said", 2]]
        await stranger.send_raw(b"".join(len(body := JSON.encode(each)).to_bytes(4, "big") + body for each in pieces))
        assert await asked == "done"
        assert ("said", 1) in handler.heard
        gate.set()


async def test_cancelled_before_it_began_it_never_does() -> None:
    begun: list[int] = []

    async def note(params: Any) -> Any:
        begun.append(params)

    async with facing_a_stranger(Scripted(note=note)) as (_, stranger):
        pieces = [[0, 1, None, "note", 1], [3, 1], [0, 2, None, "note", 2]]
        await stranger.send_raw(b"".join(len(body := JSON.encode(each)).to_bytes(4, "big") + body for each in pieces))
        assert (await stranger.read())[:2] == [1, 2]
    assert begun == [2]


class City(msgspec.Struct):
    name: str


async def test_values_are_read_as_what_each_side_wants_them_as() -> None:
    async def grow(params: Any) -> Any:
        assert type(params) is City
        return City(params.name + "!")

    async with connected(NOBODY, Scripted(grow=grow), codec=MSGPACK) as (one, other):
        other.kinds = {"grow": City}
        assert await one.call("grow", City("Oslo"), into=City) == City("Oslo!")
        assert await one.call("grow", {"name": "Oslo"}) == {"name": "Oslo!"}
        with pytest.raises(SessionDenied, match="Expected `str`, got `int`") as caught:
            await one.call("grow", {"name": 1})
        assert caught.value.told == "invalid_value"
        with pytest.raises(SessionDenied, match="is not what was asked for: Expected `int`, got `object`"):
            await one.call("grow", City("Oslo"), into=int)
        assert await one.call("grow", City("Oslo"), into=City) == City("Oslo!")


async def test_a_call_has_its_deadline_and_the_other_side_is_told() -> None:
    ended = asyncio.Event()

    async def wait(params: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with connected(NOBODY, Scripted(wait=wait)) as (one, _):
        with pytest.raises(PluginTimeout, match=r"plugin weather: wait did not answer within 0.02 s"):
            await one.call("wait", None, deadline_s=0.02)
        async with asyncio.timeout(2):
            await ended.wait()
        assert one.waiting == 0


async def test_to_wait_for_room_counts_in_the_deadline() -> None:
    async with facing_a_stranger(NOBODY) as (peer, _):
        first = asyncio.create_task(peer.call("first", "x" * 4_000_000))
        await asyncio.sleep(0)
        with pytest.raises(PluginTimeout, match=r"second did not answer within 0.02 s"):
            await peer.call("second", None, deadline_s=0.02)
        first.cancel()
