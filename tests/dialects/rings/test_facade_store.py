"""The shared store, the response cache and the counters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jackfield.clock import SystemClock
from jackfield.dialects.rings.cache import MOST_ENTRIES, ResponseCache
from jackfield.dialects.rings.counters import MOST_NAMES, Counters
from jackfield.dialects.rings.store import MOST_TOGETHER, OWNER, MemoryValues, OwnValues, RingStore, ScratchStore
from jackfield.errors import Unavailable
from jackfield.stores.database import Database
from jackfield.stores.kv import KeyValueStore

from .course import Course


class SlowValues(MemoryValues):
    """Writes end when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.order: list[tuple[str, Any]] = []
        self.written: list[int] = []

    async def set_many(self, items: Mapping[str, Any]) -> None:
        await self.gate.wait()
        self.order += items.items()
        self.written.append(len(items))
        await super().set_many(items)


class BrokenValues(MemoryValues):
    async def set_many(self, items: Mapping[str, Any]) -> None:
        raise Unavailable("the disk is full")


class ChoosyValues(MemoryValues):
    async def set_many(self, items: Mapping[str, Any]) -> None:
        if "odd" in items:
            raise ValueError("nothing odd")
        await super().set_many(items)


async def test_a_value_comes_back_and_a_missing_one_is_the_default() -> None:
    store = RingStore(MemoryValues())
    await store.set_state("a", {"n": [1, None, "x"]})
    assert await store.get_state("a") == {"n": [1, None, "x"]}
    assert await store.get_state("b") is None
    assert await store.get_state("b", default=0) == 0


async def test_a_write_that_nobody_waits_for_is_seen_at_once_and_becomes_durable() -> None:
    values = SlowValues()
    store = RingStore(values)
    asyncio.create_task(store.set_state("count", "1"))  # noqa: RUF006 - as plugins do
    assert await store.get_state("count") == "1"
    assert values.held == {}
    values.gate.set()
    await store.aclose()
    assert values.held == {"count": "1"}


async def test_the_last_write_wins_in_the_order_of_the_calls() -> None:
    values = SlowValues()
    store = RingStore(values)
    tasks = [asyncio.create_task(store.set_state("k", number)) for number in range(50)]
    await asyncio.sleep(0)
    assert await store.get_state("k") == 49
    values.gate.set()
    await asyncio.gather(*tasks)
    assert values.held == {"k": 49}
    assert len(values.order) <= 2


async def test_what_was_written_is_what_it_was_at_the_call() -> None:
    values = SlowValues()
    store = RingStore(values)
    value = {"spent": 1}
    task = asyncio.create_task(store.set_state("k", value))
    await asyncio.sleep(0)
    value["spent"] = 2
    values.gate.set()
    await task
    assert values.held == {"k": {"spent": 1}}


async def test_a_plugin_that_is_cut_off_while_it_waits_has_written_all_the_same() -> None:
    values = SlowValues()
    store = RingStore(values)
    task = asyncio.create_task(store.set_state("k", 1))
    await asyncio.sleep(0)
    task.cancel()
    values.gate.set()
    await store.flush()
    assert values.held == {"k": 1}


async def test_a_failing_write_is_told_to_who_waits_and_stops_no_other() -> None:
    store = RingStore(BrokenValues())
    with pytest.raises(Unavailable, match="disk is full"):
        await store.set_state("k", 1)
    asyncio.create_task(store.set_state("k", 2))  # noqa: RUF006 - as plugins do
    await asyncio.sleep(0)
    await store.aclose()
    assert await store.get_state("k") is None


async def test_a_value_that_cannot_be_stored_keeps_no_other_from_it() -> None:
    values = ChoosyValues()
    store = RingStore(values)
    writes = [store.set_state(key, 1) for key in ("a", "odd", "b")]
    with capture_logs() as logs:
        told = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(error) for error in told] == [type(None), ValueError, type(None)]
    assert values.held == {"a": 1, "b": 1}
    assert [(log["event"], log["state"]) for log in logs] == [("ring_state_not_written", "odd")]


async def test_writes_that_wait_together_are_written_together() -> None:
    values = SlowValues()
    store = RingStore(values)
    tasks = [asyncio.create_task(store.set_state(str(number), number)) for number in range(2 * MOST_TOGETHER)]
    await asyncio.sleep(0)
    last = asyncio.create_task(store.set_state("last", True))
    await asyncio.sleep(0)
    values.gate.set()
    await asyncio.gather(*tasks, last)
    assert values.written == [MOST_TOGETHER, MOST_TOGETHER, 1]


async def test_all_that_nobody_waited_for_is_in_the_database_after_the_end(tmp_path: Path) -> None:
    database = await Database.open("sqlite", tmp_path)
    kv = KeyValueStore(database, SystemClock())
    store = RingStore(OwnValues(kv))
    writes = [store.set_state(str(number), {"number": number}) for number in range(5_000)]
    await store.aclose()
    for write in writes:
        write.close()
    kept = (await kv.usage(OWNER)).keys
    await database.dispose()
    assert kept == 5_000


async def test_what_json_cannot_hold_is_refused_at_the_call() -> None:
    store = RingStore(MemoryValues())
    with pytest.raises(TypeError):
        await store.set_state("k", object())
    with pytest.raises(TypeError, match="key must be a text"):
        await store.set_state(3, 1)  # type: ignore[arg-type]


async def test_a_scratch_store_reads_what_there_is_and_keeps_writes_to_itself() -> None:
    store = RingStore(MemoryValues())
    await store.set_state("a", 1)
    scratch = ScratchStore(store)
    await scratch.set_state("a", 2)
    assert (await scratch.get_state("a"), await store.get_state("a")) == (2, 1)


class Hands:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    wall = monotonic


BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}


async def test_a_completion_is_kept_for_its_tenant_and_for_its_time() -> None:
    clock = Hands()
    cache = ResponseCache(clock, ttl_s=10)
    await cache.put(BODY, {"choices": []}, tenant_id="alice")
    assert await cache.get(BODY, tenant_id="alice") == {"choices": []}
    assert await cache.get(BODY, tenant_id="bob") is None
    clock.now += 10
    assert await cache.get(BODY, tenant_id="alice") is None
    assert len(cache) == 0


@pytest.mark.parametrize("change", [{"tools": []}, {"top_p": 1}, {"max_tokens": 3}, {"model": "n"}])
def test_any_field_makes_another_key(change: dict[str, Any]) -> None:
    cache = ResponseCache(Hands())
    assert cache.make_key(BODY | change, "t") != cache.make_key(BODY, "t")


def test_how_it_is_sent_and_private_fields_do_not() -> None:
    cache = ResponseCache(Hands())
    assert cache.make_key({**BODY, "stream": True, "_note": 1, "headers": {}}, "t") == cache.make_key(BODY, "t")


def test_it_is_bounded() -> None:
    cache = ResponseCache(Hands())
    for number in range(MOST_ENTRIES + 5):
        cache.keep(str(number), {"n": number})
    assert len(cache) == MOST_ENTRIES
    assert cache.find("0") is None
    assert cache.find(str(MOST_ENTRIES)) == {"n": MOST_ENTRIES}


async def test_a_lookup_in_vain_is_a_hit_the_next_time_for_the_same_tenant() -> None:
    course = Course()

    async def lookup(ctx: Any) -> Any:
        from jackfield.dialects.rings.names.plugin_sdk import PluginResponse

        tenant = ctx.metadata["api_key"]
        found = await ctx.state.cache.get(ctx.body, tenant_id=tenant)
        ctx.metadata["_cache_key"] = ctx.state.cache.make_key(ctx.body, tenant)
        ctx.metadata["_cache_status"] = "HIT" if found else "MISS"
        return PluginResponse.cache_hit(found) if found else None

    async def reroute(ctx: Any) -> None:
        ctx.body["model"] = "small"

    await course.add(lookup, priority=1)
    await course.add(reroute, priority=2)
    texts = [(await course.chat("hi", stream=stream)).text for stream in (False, False, True)]
    assert texts == ["hi", "hi", "hi"]
    assert len(course.provider.asked) == 1
    course.identity = type(course.identity)(credential="cred_bob")
    await course.chat("hi")
    assert len(course.provider.asked) == 2


async def test_no_error_is_kept() -> None:
    course = Course()

    async def lookup(ctx: Any) -> None:
        ctx.metadata["_cache_key"] = "one key for all"

    await course.add(lookup)
    await course.chat('echo: {"status": 500}')
    assert len(course.world.cache) == 0


async def test_other_operations_have_no_cache() -> None:
    course, seen = Course(), []

    async def look(ctx: Any) -> None:
        seen.append(ctx.state.cache)

    await course.add(look)
    await course.post("/v1/embeddings", {"model": "echo", "input": "a"})
    assert seen == [None]


def test_counters_add_up_and_are_bounded() -> None:
    counters = Counters()
    counters.increment("calls", ring="a")
    counters.increment("calls", 2, ring="a")
    counters.gauge("depth", 7)
    counters.observe("ms", 1.5)
    counters.observe("ms", 2.5)
    assert counters.values == {"calls{ring=a}": 3, "depth": 7}
    assert counters.observed == {"ms": (2, 4.0)}
    for number in range(2 * MOST_NAMES):
        counters.increment(f"made {number}")
    assert len(counters.values) == MOST_NAMES
