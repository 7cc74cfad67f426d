"""The end of an exchange: its record, whatever hooks, clients and upstreams make of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.control.prices import PriceTable
from jackfield.control.records import UsageRecord
from jackfield.errors import UpstreamRejected
from jackfield.hooks.table import HookTable
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot
from jackfield.pipeline.exchange import Route, State
from jackfield.pipeline.meter import ExchangeMeter
from jackfield.pipeline.settle import LONGEST_NAME, MOST_HELD, WITHIN_S, Settler, storable
from jackfield.sdk.context import Candidate, InboundRequest
from jackfield.sdk.outcomes import Identity
from jackfield.telemetry.metrics import Metrics
from jackfield.testing import Answer, Reply, until
from jackfield.wire import format_named
from jackfield.wire.base import Peek
from jackfield.wire.chat import Usage

from .conftest import OpenGate
from .gate import deadline_ms


def replaces(body: str) -> str:
    """A hook that replaces the record."""
    head = f"@hook('background', replaces_record=True, timeout_ms={deadline_ms(body)})"
    return f"{head}\nasync def own(self, exchange):\n    {body}"


class Kept:
    """A recorder that keeps what it is given, in order."""

    def __init__(self) -> None:
        self.records: list[UsageRecord] = []
        self.traces: list[Any] = []
        self.lost = 0

    def add(self, record: UsageRecord) -> None:
        self.records.append(record)

    def trace(self, body: Any) -> None:
        self.traces.append(body)

    def lose(self, count: int, reason: str) -> None:
        self.lost += count


def exchange(model: str = "asked", **fields: Any) -> State:
    inbound = InboundRequest("POST", "/v1/chat/completions", (), b"{}")
    snapshot = Snapshot(generation=1, plugins={}, table=HookTable(()), routes=Routes(()))
    state = State("req_1", Route("POST /v1/chat/completions", format_named("openai_chat")), inbound, snapshot, 0)
    state.peek = Peek(model=model, stream=False, stream_usage=False)
    state.served_by = Candidate(upstream="local", model="gpt-4o-mini", provider="openai")
    state.status = 200
    for name, value in fields.items():
        setattr(state, name, value)
    return state


async def settled(state: State, *observers: Any) -> UsageRecord:
    kept = Kept()
    settler = Settler(kept, PriceTable.load(), ExchangeMeter(Metrics()), "w", observers)  # type: ignore[arg-type]
    assert settler.settle(state) is None
    settler.catch_up()
    (record,) = kept.records
    return record


async def test_the_record_holds_all_that_is_known() -> None:
    state = exchange(
        usage=Usage(input=100, cached=10, cache_write=5, output=20, reasoning=3),
        identity=Identity(app="shop", user="ann", credential="key_1", namespace="east"),
        finish_reason="stop",
        response_bytes=7,
        decided_by="guard",
    )
    record = await settled(state)
    assert [record.input_tokens, record.cached_tokens, record.cache_write_tokens] == [100, 10, 5]
    assert [record.output_tokens, record.reasoning_tokens] == [20, 3]
    assert [record.app, record.user, record.key_id, record.namespace] == ["shop", "ann", "key_1", "east"]
    assert [record.model, record.provider, record.upstream] == ["asked", "openai", "local"]
    assert [record.upstream_model, record.finish_reason, record.plugin] == ["gpt-4o-mini", "stop", "guard"]
    assert [record.request_bytes, record.response_bytes, record.worker] == [2, 7, "w"]
    assert record.cost_nanousd == state.cost_nanousd
    assert record.cost_nanousd is not None
    assert record.cost_nanousd > 0
    assert record.total_ms is not None


async def test_what_has_no_price_costs_nothing_known() -> None:
    served = Candidate(upstream="local", model="a-model-of-nobody", provider="mine")
    state = exchange(served_by=served, usage=Usage(input=1, output=1))
    assert (await settled(state)).cost_nanousd is None
    assert state.cost_usd is None


NONSENSE: list[Any] = [float("nan"), float("inf"), "x", None, -1, 2**70, 3.5, True]


@pytest.mark.parametrize("number", NONSENSE, ids=repr)
@pytest.mark.parametrize("field", Usage.__struct_fields__)
async def test_numbers_that_count_no_tokens_count_as_none(field: str, number: Any) -> None:
    state = exchange(usage=Usage(**({"input": 1, "output": 1} | {field: number})))
    record = await settled(state)
    assert (record.input_tokens, record.output_tokens, record.cost_nanousd, state.cost_usd) == (0, 0, None, None)
    assert state.usage is None


async def test_an_exchange_that_came_to_nothing_has_a_record_too() -> None:
    record = await settled(exchange(peek=None, served_by=None, status=400))
    assert (record.model, record.upstream, record.input_tokens, record.status) == (None, None, 0, 400)


async def test_an_observer_finds_the_record_kept() -> None:
    kept = Kept()
    found: list[int] = []
    settler = Settler(
        kept,  # type: ignore[arg-type]
        PriceTable.load(),
        ExchangeMeter(Metrics()),
        "w",
        (lambda state, record: found.append(len(kept.records)),),
    )
    settler.settle(exchange())
    assert found == [1]


async def test_records_are_made_when_there_are_some_or_much_is_held_or_somebody_looks() -> None:
    kept = Kept()
    settler = Settler(kept, PriceTable.load(), ExchangeMeter(Metrics()), "w", together=3)  # type: ignore[arg-type]
    for waiting in (0, 0, 3):
        settler.settle(exchange())
        assert len(kept.records) == waiting
    settler.settle(exchange(body=b" " * MOST_HELD))
    assert len(kept.records) == 4
    settler.settle(exchange())
    settler.catch_up()
    assert len(kept.records) == 5


@pytest.mark.parametrize("background", [False, True])
async def test_who_is_told_of_the_end_costs_no_exchange_its_record(background: bool) -> None:
    def fail(state: State) -> None:
        raise RuntimeError("no")

    kept = Kept()
    settler = Settler(kept, PriceTable.load(), ExchangeMeter(Metrics()), "w", ended=fail)  # type: ignore[arg-type]
    state = exchange()
    if background:
        state.row = waiting_row(replaces=False)
    hooks = settler.settle(state)
    if hooks is not None:
        waiting = asyncio.ensure_future(hooks)
        await asyncio.sleep(0)
        waiting.cancel()
    settler.catch_up()
    assert [record.id for record in kept.records] == ["req_1"]


async def test_what_is_told_of_the_end_is_what_is_recorded() -> None:
    told: list[Usage | None] = []
    settler = Settler(
        Kept(),  # type: ignore[arg-type]
        PriceTable.load(),
        ExchangeMeter(Metrics()),
        "w",
        ended=lambda state: told.append(state.usage),
    )
    settler.settle(exchange(usage=Usage(input=-5, output=2**70)))
    assert told == [None]


async def test_at_the_end_times_are_known_and_credentials_gone_whenever_the_record_is_made() -> None:
    settler = Settler(Kept(), PriceTable.load(), ExchangeMeter(Metrics()), "w")  # type: ignore[arg-type]
    headers = ((b"authorization", b"Bearer secret"),)
    state = exchange(inbound=InboundRequest("POST", "/v1/chat/completions", headers, b"{}"), status=401)
    settler.settle(state)
    assert state.view.inbound.headers == ()
    assert state.view.timings is not None


async def test_no_record_waits_for_others_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, timers = Kept(), []
    settler = Settler(kept, PriceTable.load(), ExchangeMeter(Metrics()), "w")  # type: ignore[arg-type]
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda *timer: timers.append(timer) or timer)
    for _ in range(2):
        settler.settle(exchange())
    ((delay, catch_up),) = timers
    catch_up()
    assert (delay, len(kept.records)) == (WITHIN_S, 2)
    settler.settle(exchange())
    assert len(timers) == 2


async def test_an_exchange_whose_record_cannot_be_made_keeps_out_no_other() -> None:
    kept = Kept()
    settler = Settler(kept, PriceTable.load(), ExchangeMeter(Metrics()), "w")  # type: ignore[arg-type]
    for attempts in (None, ()):
        settler.settle(exchange(attempts=attempts))
    settler.catch_up()
    assert (len(kept.records), kept.lost) == (1, 1)


NAMES = {
    "plain": ("gpt-4o", "gpt-4o"),
    "spaces and letters": ("mödel 模型 x", "mödel 模型 x"),
    "NUL": ("a\0b", "a?b"),
    "lone surrogate": ("a\ud800b", "a?b"),
    "line break": ("a\nb", "a\nb"),
    "long": ("x" * 5_000_000, "x" * LONGEST_NAME),
    "long and odd": ("\ud800" * 5000, "?" * LONGEST_NAME),
}


@pytest.mark.parametrize(("name", "stored"), NAMES.values(), ids=NAMES)
async def test_names_are_kept_as_a_database_takes_them(name: str, stored: str) -> None:
    assert storable(name) == stored
    error = UpstreamRejected(502, "no", code=name)
    record = await settled(exchange(name, identity=Identity(user=name), error=error))
    assert (record.model, record.user, record.error) == (stored, stored, stored)


async def test_odd_names_harm_no_other_record(open_gate: OpenGate) -> None:
    names = """
        @hook("auth")
        async def who(self, exchange):
            user = exchange.inbound.header("x-user")
            return Identity(user={"nul": "a\\0b", "half": "a\\ud800b"}[user]) if user else None
    """
    gate = await open_gate({"a": names})
    for headers in ({}, {"x-user": "nul"}, {"x-user": "half"}):
        assert (await gate.chat(headers=headers)).status == 200
    await gate.chat(model="no\0such")
    records = await gate.gateway.records(4)
    assert [record["user"] for record in records] == [None, "a?b", "a?b", None]
    assert [record["model"] for record in records] == ["no?such", "scripted", "scripted", "scripted"]
    assert (await gate.gateway.metrics())["jackfield_records_lost"] == 0


async def test_what_has_no_price_bears_no_header(open_gate: OpenGate) -> None:
    gate = await open_gate({}, models={"priced": "gpt-4o-mini", "free": "a-model-of-nobody"})
    gate.upstream.models = ("gpt-4o-mini", "a-model-of-nobody")
    priced, free = await gate.chat(model="priced"), await gate.chat(model="free")
    assert float(priced.headers["x-jackfield-cost-usd"]) > 0
    assert "x-jackfield-cost-usd" not in free.headers
    costs = [record["cost_nanousd"] for record in await gate.gateway.records(2)]
    assert costs[0] is None
    assert costs[1] / 1e9 == pytest.approx(float(priced.headers["x-jackfield-cost-usd"]))


async def test_an_answer_of_a_plugin_is_on_record_as_such(open_gate: OpenGate) -> None:
    gate = await open_gate(
        {"cache": "@hook('pre_flight', on_failure='open')\nasync def hit(self, exchange):\n    return Answer(say('x'))"}
    )
    assert (await gate.chat()).status == 200
    assert (await gate.stream()).status == 200
    for record in await gate.gateway.records(2):
        assert (record["cached_answer"], record["plugin"], record["upstream"]) == (True, "cache", None)
        assert (record["attempts"], record["cost_nanousd"]) == (0, None)
    assert gate.asked == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hook_that_replaces_the_record_and_succeeds_leaves_none(open_gate: OpenGate, stream: bool) -> None:
    gate = await open_gate({"a": replaces("SEEN.append(exchange.id)"), "b": "x = 1"})
    called = await gate.chat(stream=stream)
    assert called.status == 200
    await gate.gateway.quiet()
    traces = (await gate.gateway.admin("/api/v1/traces")).json["data"]
    assert [trace["id"] for trace in traces] == [called.headers["x-request-id"]]
    assert (await gate.gateway.admin("/api/v1/usage")).json["records"] == []
    assert (await gate.gateway.metrics())["jackfield_requests_total"] == 1


@pytest.mark.parametrize("body", ["raise RuntimeError", "await asyncio.Event().wait()", "return 5", "raise SystemExit"])
async def test_a_hook_that_would_replace_the_record_and_fails_leaves_the_built_in_one(
    open_gate: OpenGate, body: str
) -> None:
    gate = await open_gate({"a": replaces(body)})
    called = await gate.chat()
    assert (await gate.record())["id"] == called.headers["x-request-id"]


async def test_one_of_several_that_replace_it_is_enough(open_gate: OpenGate) -> None:
    gate = await open_gate({"a": replaces("raise RuntimeError"), "b": replaces("SEEN.append(1)")})
    await gate.chat()
    await gate.gateway.quiet()
    assert (await gate.gateway.admin("/api/v1/usage")).json["records"] == []


async def test_the_record_is_kept_while_background_hooks_still_run(open_gate: OpenGate, seen: list[Any]) -> None:
    waits = """
        @hook("background", timeout_ms=20_000)
        async def wait(self, exchange):
            event = asyncio.Event()
            SEEN.append(event)
            await event.wait()
    """
    gate = await open_gate({"a": waits})
    called = await gate.chat()
    assert (await gate.record())["id"] == called.headers["x-request-id"]
    await until(lambda: size(seen), bool)
    seen[0].set()


async def size(values: list[Any]) -> int:
    return len(values)


async def test_a_client_that_leaves_while_it_is_settled_changes_nothing(open_gate: OpenGate, seen: list[Any]) -> None:
    waits = replaces("event = asyncio.Event()\n    SEEN.append(event)\n    await event.wait()\n    raise RuntimeError")
    gate = await open_gate({"a": waits})
    gate.upstream.script(Answer.reply(Reply(text="one two")))
    async with gate.gateway.caller() as caller:
        body = {"model": "scripted", "messages": [{"role": "user", "content": "x"}]}
        called = await caller.post("/v1/chat/completions", body)
        await until(lambda: size(seen), bool)
    await gate.gateway.quiet()
    assert (await gate.gateway.admin("/api/v1/usage")).json["records"] == []
    seen[0].set()
    record = await gate.record()
    assert (record["id"], record["status"], record["error"]) == (called.headers["x-request-id"], 200, None)


async def test_a_task_that_is_cancelled_while_a_hook_may_replace_the_record_leaves_the_built_in_one() -> None:
    kept = Kept()
    settler = Settler(kept, PriceTable.load(), ExchangeMeter(Metrics()), "w")  # type: ignore[arg-type]
    state = exchange()
    state.row = waiting_row()
    hooks = settler.settle(state)
    assert hooks is not None
    task = asyncio.ensure_future(hooks)
    await asyncio.sleep(0)
    assert kept.records == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.id for record in kept.records] == ["req_1"]


def waiting_row(*, replaces: bool = True) -> Any:
    from jackfield.clock import SystemClock
    from jackfield.hooks.guard import PluginGuard
    from jackfield.hooks.table import BoundHook
    from jackfield.sdk import Plugin, hook
    from jackfield.sdk.hooks import hooks_of

    class Waiting(Plugin):
        @hook("background", replaces_record=replaces)
        async def own(self, exchange: Any) -> None:
            await asyncio.Event().wait()

    (spec,) = hooks_of(Waiting)
    guard = PluginGuard("waiting", SystemClock())
    plugin = Waiting("waiting", None)  # type: ignore[arg-type]
    bound = BoundHook("waiting", spec, plugin.own, guard, priority=100, timeout_ms=20_000, closed=False)
    return HookTable((bound,)).row("chat")
