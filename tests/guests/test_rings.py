"""Ring plugins, some of them isolated: what they share in one exchange, keep, and find in the cache, they share across
processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.guests.ring_house import RingHouse, open_ring_house

NAMES = (
    "prompt_complexity_scorer", "model_downgrader", "pii_masker", "shield_sanitizer", "cache_check", "smart_router",
    "json_healer", "agentic_loop_breaker", "smart_budget_guard", "token_counter", "tool_guard", "witness",
)  # fmt: skip
# Who works with whom is in both, once here and once there.
SOME = frozenset(("prompt_complexity_scorer", "pii_masker", "cache_check", "smart_router"))
OTHERS = frozenset(("model_downgrader", "shield_sanitizer", "smart_budget_guard", "tool_guard"))
MAIL = "ada@example.com"


async def what_one_leaves_in_the_metadata_the_next_one_finds(house: RingHouse) -> None:
    trial = await house.chat("easy", fields={"model": "dear"})
    assert trial.request.model == "small"
    told = await house.told(trial.id)
    assert (told["_original_model"], told["_downgraded_to"], told["_complexity_tier"]) == ("dear", "small", "easy")


async def what_one_masks_another_unmasks(house: RingHouse) -> None:
    trial = await house.chat(f"Write to {MAIL}", answer="I wrote to [PII_EMAIL_1].")
    assert MAIL not in json.dumps(trial.sent[0].json)
    assert trial.text == f"I wrote to {MAIL}."


async def what_was_answered_is_found_in_the_cache(house: RingHouse) -> None:
    first = await house.chat("the same again", answer="a costly answer, thought about for long")
    second = await house.chat("the same again", answer="another")
    assert first.text == second.text == "a costly answer, thought about for long"
    assert second.sent == ()


async def the_router_knows_the_upstreams(house: RingHouse) -> None:
    trial = await house.chat("route")
    assert trial.headers["x-jackfield-upstream"] == "spare"
    assert (await house.told(trial.id))["target_endpoint"] == "spare"


async def a_plugin_keeps_its_own_state(house: RingHouse) -> None:
    uncached = {"cache-control": "no-cache"}
    codes = [(await house.chat("again and again", headers=uncached)).status for _ in range(4)]
    assert codes == [200, 200, 200, 429]


async def what_is_kept_in_the_store_all_find_there(house: RingHouse) -> None:
    await house.chat("cheap")
    await house.world.store.flush()
    assert await house.world.store.get_state("budget:sessions")


async def the_answer_may_be_mended(house: RingHouse) -> None:
    trial = await house.chat("json", answer='{"a": {"b": "c')
    assert trial.status == 200


async def tools_are_taken_out(house: RingHouse) -> None:
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("shell", "look")
    ]
    trial = await house.chat("use tools", fields={"tools": tools})
    assert [tool["function"]["name"] for tool in trial.sent[0].json["tools"]] == ["look"]
    assert (await house.told(trial.id))["_tool_guard_stripped"] == ["shell"]


async def numbers_are_there_after_the_answer(house: RingHouse) -> None:
    trial = await house.chat("count", answer="one two three four five six")
    told = await house.told(trial.id)
    assert told["_actual_tokens_out"] > 0
    assert told["_actual_cost_usd"] > 0


async def nothing_went_wrong_on_the_way(house: RingHouse) -> None:
    assert {name: host.stats["last_error"] for name, host in house.hosts.items() if host.stats["errors"]} == {}


STEPS = (
    what_one_leaves_in_the_metadata_the_next_one_finds,
    what_one_masks_another_unmasks,
    what_was_answered_is_found_in_the_cache,
    the_router_knows_the_upstreams,
    a_plugin_keeps_its_own_state,
    what_is_kept_in_the_store_all_find_there,
    the_answer_may_be_mended,
    tools_are_taken_out,
    numbers_are_there_after_the_answer,
    nothing_went_wrong_on_the_way,
)


@pytest.mark.parametrize("isolated", [SOME, OTHERS], ids=["some", "others"])
async def test_ring_plugins_work_together_across_processes(isolated: frozenset[str], tmp_path: Path) -> None:
    """One house for all of it: each process takes its time to begin."""
    async with open_ring_house(tmp_path, NAMES, isolated) as house:
        for step in STEPS:
            house.reset()
            await step(house)
