"""Thirty ring plugins with the needs of those that the guide's own host ships, all enabled at once, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jackfield.testing import Answer, Upstream
from jackfield.testing.waiting import until

from .house import MODELS, House, error_of, open_house, text_of

MAIL = "bob@example.com"
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("shell", "look")
]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with Upstream() as upstream, open_house(tmp_path_factory.mktemp("house"), upstream) as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def house(shared: House) -> AsyncIterator[House]:
    """For a caller whom nobody knows yet: what the plugins remember, they remember of one caller."""
    shared.upstream.requests.clear()
    shared.upstream._script.clear()
    async with shared.for_another() as house:
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def new_house(tmp_path: Path) -> AsyncIterator[House]:
    """Where nobody has asked for anything."""
    async with Upstream() as upstream, open_house(tmp_path, upstream) as house:
        yield house


async def test_all_of_them_are_active_and_a_request_passes_them_all(new_house: House) -> None:
    plugins = await new_house.plugins()
    assert len(plugins) == 32
    assert {plugin["id"]: plugin["reason"] for plugin in plugins if plugin["state"] != "active"} == {}
    new_house.upstream.script(Answer.text("a perfectly fine answer"))
    called = await new_house.chat("all of you")
    assert text_of(called) == "a perfectly fine answer"
    after = await until(new_house.plugins, lambda found: all(plugin["stats"]["calls"] for plugin in found), within=5.0)
    assert {plugin["id"]: plugin["stats"] for plugin in after if plugin["stats"]["errors"]} == {}


async def test_the_list_of_models_passes_them_too(house: House) -> None:
    async with house.gateway.caller() as caller:
        called = await caller.get("/v1/models")
    assert (called.status, len(called.json["data"])) == (200, len(MODELS))


async def test_restricted_tools_are_taken_out(house: House) -> None:
    called = await house.chat("use tools", tools=TOOLS)
    assert [tool["function"]["name"] for tool in house.asked["tools"]] == ["look"]
    assert (await house.told(called))["_tool_guard_stripped"] == ["shell"]


async def test_long_answers_are_clamped(house: House) -> None:
    await house.chat("clamp me", max_tokens=9_000)
    assert house.asked["max_tokens"] == 500


async def test_the_house_rules_come_first(house: House) -> None:
    await house.chat("rules")
    assert house.asked["messages"][0]["role"] == "system"
    assert house.asked["messages"][0]["content"].startswith("HOUSE RULES")
    await house.message("rules again", system="Be brief.")
    assert house.asked["messages"][0]["content"].splitlines()[1] == "Be brief."


@pytest.mark.parametrize("api", ["chat", "message"])
async def test_a_closed_topic_is_refused(house: House, api: str) -> None:
    called = await getattr(house, api)("Tell me of the Forbidden Fruit")
    assert called.status == 400
    assert "This topic is closed" in called.body.decode()


async def test_a_spent_budget_is_refused_and_kept_in_the_store(new_house: House) -> None:
    called = await new_house.chat("cheap")
    told = await new_house.told(called)
    assert 0 < told["_estimated_cost_usd"] < 0.02
    assert list(await new_house.kept("budget:sessions")) == [told["api_key"]]
    assert error_of(await new_house.chat("dear " * 12_000)) == (429, "session_budget_exceeded")


async def test_an_agent_that_repeats_itself_is_stopped(house: House) -> None:
    codes = [(await house.chat("again", headers={"cache-control": "no-cache"})).status for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    assert error_of(await house.chat("again")) == (429, "agentic_loop_detected")


async def test_a_model_has_its_rate(house: House) -> None:
    assert (await house.chat("first", model="rare")).status == 200
    assert error_of(await house.chat("second", model="rare")) == (429, "model_rate_limited")


async def test_an_easy_prompt_goes_to_a_cheaper_model(house: House) -> None:
    told = await house.told(await house.chat("easy", model="dear"))
    assert house.asked["model"] == "small"
    assert (told["_original_model"], told["_downgraded_to"], told["_complexity_tier"]) == ("dear", "small", "easy")


async def test_what_cannot_fit_is_refused(house: House) -> None:
    assert error_of(await house.chat("word " * 60, model="tiny")) == (413, "context_window_exceeded")


async def test_a_tier_has_its_models(house: House) -> None:
    told = await house.told(await house.chat("tier", model="golden"))
    assert house.asked["model"] == "small"
    assert (told["_qos_tier"], told["_qos_original_model"]) == ("inference", "golden")


@pytest.mark.parametrize("api", ["chat", "message"])
async def test_a_session_tries_the_other_model(house: House, api: str) -> None:
    told = await house.told(await getattr(house, api)("arm", model="control"))
    assert house.asked["model"] == "variant"
    assert told["_ab_meta"] == {"experiment": "e1", "arm": "variant"}
    assert "_ab_meta" not in house.asked


async def test_the_router_chooses_the_upstream(new_house: House) -> None:
    called = await new_house.chat("route")
    told = await new_house.told(called)
    assert called.headers["x-jackfield-upstream"] == "spare"
    assert (told["target_endpoint"], told["_routing_strategy"], told["_provider"]) == ("spare", "score", "openai")
    assert told["_chosen"] == {"spare": 1}


async def test_long_code_is_minified(house: House) -> None:
    await house.chat("x = 1\n# a comment\n\n\n" * 80)
    assert "# a comment" not in house.asked["messages"][-1]["content"]


async def test_long_tool_output_is_cut(house: House) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "\n".join(f"line {number}" for number in range(60))},
    ]
    told = await house.told(await house.chat("", messages=messages))
    assert house.asked["messages"][-1]["content"].count("\n") == 4
    assert told["l0_compressed"] is True


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", ["chat", "message"])
async def test_private_data_leaves_masked_and_comes_back(house: House, api: str, stream: bool) -> None:
    house.upstream.script(Answer.text("I wrote to [PII_EMAIL_2] for [PERSON_1]."))
    called = await getattr(house, api)(f"Write to {MAIL} for Ada Lovelace", stream=stream)
    assert text_of(called) == f"I wrote to {MAIL} for Ada Lovelace."
    assert not {MAIL, "Ada Lovelace"} & set(json.dumps(house.asked).replace('"', " ").split(" "))
    assert MAIL not in json.dumps(house.asked)
    assert (await house.told(called))["pii_masked"] is True


async def test_what_was_answered_is_answered_from_the_cache_also_as_a_stream(house: House) -> None:
    house.upstream.script(Answer.text("a costly answer, thought about for long"))
    first = await house.chat("same")
    second, streamed = await house.chat("same"), await house.chat("same", stream=True)
    assert text_of(first) == text_of(second) == text_of(streamed) == "a costly answer, thought about for long"
    assert len(house.upstream.requests) == 1
    assert (await house.told(second))["_cache_status"] == "HIT"
    assert (await house.told(first))["_cache_status"] == "MISS"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_runs_away_is_stopped(house: House, stream: bool) -> None:
    house.upstream.script(Answer.text("go " * 40))
    assert text_of(await house.chat("run", stream=stream)) == "[STOPPED: the answer repeats itself]"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", ["chat", "message"])
async def test_an_answer_that_smuggles_is_refused(house: House, api: str, stream: bool) -> None:
    house.upstream.script(Answer.text("click javascript:alert(1) now"))
    called = await getattr(house, api)("smuggle", stream=stream)
    assert called.status == 403
    assert "The answer held a script" in called.body.decode()


@pytest.mark.parametrize("stream", [False, True])
async def test_json_that_was_cut_off_is_closed(house: House, stream: bool) -> None:
    house.upstream.script(Answer.text('{"a": {"b": "c', finish="length"))
    called = await house.chat("json", stream=stream)
    assert json.loads(text_of(called)) == {"a": {"b": "c"}}
    assert (await house.told(called))["_quality_issues"] == ["short", "cut"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_system_prompt_is_not_given_away(house: House, stream: bool) -> None:
    house.upstream.script(Answer.text("They say HOUSE RULES: be kind to the reader in every single answer."))
    assert error_of(await house.chat("leak", stream=stream)) == (403, "system_prompt_leak")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", ["header", "field"])
async def test_an_answer_has_the_expected_shape(house: House, way: str, stream: bool) -> None:
    schema: Any = {"type": "object", "required": ["name"]}
    asked: dict[str, Any] = {"_expected_schema": schema} if way == "field" else {}
    headers = {"x-expected-schema": json.dumps(schema)} if way == "header" else {}
    house.upstream.script(Answer.text('{"name": "Ada"}'), Answer.text('{"age": 36}'))
    good = await house.chat("shape", stream=stream, headers=headers, **asked)
    assert json.loads(text_of(good)) == {"name": "Ada"}
    bad = await house.chat("shape it again", stream=stream, headers=headers, **asked)
    assert error_of(bad) == (422, "schema_violation")
    assert "_expected_schema" not in house.asked


@pytest.mark.parametrize("stream", [False, True])
async def test_a_package_that_does_not_exist_is_refused(house: House, stream: bool) -> None:
    house.upstream.script(Answer.text("run npm install leftpadz"))
    assert error_of(await house.chat("depend", stream=stream)) == (403, "hallucinated_dependency")


@pytest.mark.parametrize("stream", [False, True])
async def test_numbers_are_right_also_for_streams(house: House, stream: bool) -> None:
    house.upstream.script(Answer.text("one two three four five six"))
    called = await house.chat("count", stream=stream)
    told = await house.told(called)
    assert told["_actual_tokens_out"] > 0
    assert told["_actual_cost_usd"] > 0
    assert told["metrics"]["tokens_out"] > 0
    assert 0 < told["_ttft_ms"] <= told["_latency_ms"] + 1
    assert told["_sla_status"] == "ok"
    assert (told["_quality_status"], told["_canary_leak"]) == ("good", False)
    assert told["_shadow_url"].startswith("http://127.0.0.1:")
    assert (await house.kept("shadow:last"))["url"] == told["_shadow_url"]
    assert told.get("zt_user", "") is None
    assert ("_stream_usage" in told) is stream


async def test_the_set_is_swapped_as_one_and_serves_on(new_house: House) -> None:
    before = {plugin["id"]: plugin["generation"] for plugin in await new_house.plugins()}
    swapped = await new_house.gateway.admin("/api/v1/plugins/hot-swap", "POST", {"force": True})
    assert swapped.status == 200, swapped.body
    plugins = await new_house.plugins()
    assert {plugin["id"] for plugin in plugins if plugin["state"] == "active"} == set(before)
    new_house.upstream.script(Answer.text("to [PII_EMAIL_1]"))
    assert text_of(await new_house.chat(f"after the swap {MAIL}")) == f"to {MAIL}"
    assert (await new_house.kept("budget:sessions")) != {}


async def test_what_plugins_keep_survives_a_restart(tmp_path: Path) -> None:
    async with Upstream() as upstream:
        async with open_house(tmp_path, upstream) as first:
            await first.chat("spend")
            spent = await first.kept("budget:sessions")
        async with open_house(tmp_path, upstream) as second:
            (kept,) = (await second.kept("budget:sessions")).values()
    assert kept >= next(iter(spent.values())) > 0
