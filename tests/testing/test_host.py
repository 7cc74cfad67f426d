"""A fake host runs one plugin through the real pipeline and hides nothing of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jackfield.errors import ConfigError, UpstreamRejected, UpstreamTimeout
from jackfield.host.loader import PluginBroke
from jackfield.sdk import (
    ChatResponse,
    EmbeddingsResponse,
    Finish,
    Identity,
    Plugin,
    StreamEnd,
    StreamStart,
    TextDelta,
    TokenCount,
    hook,
)
from jackfield.sdk.services import NotGranted
from jackfield.testing import FakeHost
from jackfield.testing.trial import Told

from .trial_plugins import Everywhere, HouseRules, Storing, Unwell


async def test_an_exchange_is_answered_by_what_the_user_said() -> None:
    async with FakeHost(HouseRules) as host:
        trial = await host.request("hello there")
    assert (trial.status, trial.text, trial.error) == (200, "hello there", None)
    assert isinstance(trial.answer, ChatResponse)
    assert trial.json["choices"][0]["message"]["content"] == "hello there"
    assert trial.headers["x-jackfield-upstream"] == "scripted"
    assert trial.outcomes == [("pre_flight", "refuse", "passed"), ("attempt", "sign", "replace")]
    assert [phase.name for phase in trial.phases] == ["auth", "pre_flight", "routing", "attempt", "response"]


async def test_what_the_upstream_is_sent_is_whole() -> None:
    async with FakeHost(HouseRules) as host:
        (sent,) = (await host.request("hello", model="gpt-4o")).sent
    assert sent.url == "http://upstream.example/chat/completions"
    assert (sent.headers["x-signed"], sent.headers["authorization"]) == ("yes", "Bearer upstream-secret")
    assert sent.json == {"messages": [{"role": "user", "content": "hello"}], "model": "gpt-4o"}
    assert sent.request.last_user_text() == "hello"


async def test_each_hook_tells_what_it_changed() -> None:
    async with FakeHost(HouseRules) as host:
        trial = await host.request("other")
    (change,) = trial.call("refuse").changes
    assert change.lines() == ["model: 'scripted' -> 'other'"]
    assert trial.call("sign").changes[0].lines() == ["+ headers.x-signed: 'yes'"]
    assert trial.sent[0].json["model"] == "other"
    assert trial.request is not None
    assert trial.request.model == "other"


async def test_a_refusal_reaches_the_client_and_no_upstream() -> None:
    async with FakeHost(HouseRules) as host:
        trial = await host.request("HELLO")
        assert host.stats["blocks"] == 1
    assert trial.error == Told(status=429, code="no_shouting", message="Please do not shout.", plugin="house_rules")
    assert trial.sent == ()
    assert trial.record is not None
    assert (trial.record.status, trial.record.error, trial.record.plugin) == (429, "no_shouting", "house_rules")


async def test_a_failure_is_told_with_what_was_raised() -> None:
    async with FakeHost(HouseRules) as host:
        trial = await host.request("boom")
    assert (trial.status, trial.error and trial.error.code) == (502, "plugin_failed")
    (failed,) = trial.errors
    assert isinstance(failed.error, ValueError)


async def test_a_plugin_that_answers_itself() -> None:
    async with FakeHost(HouseRules) as host:
        whole, stream = await host.request("cached"), await host.request("cached", stream=True)
    assert (whole.text, whole.sent) == ("from the cache", ())
    assert (stream.text, stream.stream) == ("from the cache", True)


async def test_a_stream_is_events_and_text() -> None:
    async with FakeHost(HouseRules, config={"word": "heron"}) as host:
        trial = await host.request("a blue heron flies", stream=True)
    assert trial.text == "a blue [hidden] flies"
    assert "".join(event.text for event in trial.events if isinstance(event, TextDelta)) == trial.text
    assert trial.body.endswith(b"data: [DONE]\n\n")
    assert trial.record is not None
    assert trial.record.stream


@pytest.mark.parametrize("upstream", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_either_api_on_either_side(upstream: Any, stream: bool) -> None:
    async with FakeHost(HouseRules, upstream=upstream) as host:
        trial = await host.request("a secret", api="anthropic", stream=stream)
    assert trial.record is not None
    assert trial.record.client_format == "anthropic_messages"
    assert trial.text == ("a [hidden]" if stream else "a secret")


async def test_embeddings_and_token_counts() -> None:
    async with FakeHost(HouseRules) as host:
        embedded = await host.request("a b", path="/v1/embeddings")
        counted = await host.request("a b c", path="/v1/messages/count_tokens")
    assert isinstance(embedded.answer, EmbeddingsResponse)
    assert counted.answer == TokenCount(input=counted.json["input_tokens"])


async def test_every_point_is_reached_and_its_changes_count() -> None:
    async with FakeHost(Everywhere) as host:
        trial = await host.request("hello")
        assert len({call.point for call in trial.hooks}) == 8
        streamed = await host.request("hello", stream=True)
        assert "response_chunk" in {call.point for call in streamed.hooks}
    assert (trial.text, trial.headers["x-head"]) == ("HELLO", "1")
    assert trial.sent[0].json["seed"] == 7
    assert trial.record is None


SCRIPTS: dict[str, tuple[Any, int, str]] = {
    "a text": ("fixed", 200, "fixed"),
    "a function": (lambda request: request.last_user_text() * 2, 200, "hihi"),
    "options of echo": ({"text": "slow"}, 200, "slow"),
    "events": (
        [StreamStart(id="x", model="m"), TextDelta(text="bit"), Finish(reason="stop"), StreamEnd()],
        200,
        "bit",
    ),
    "a refusal": (UpstreamRejected(429, "too many", retry_after_s=3), 429, ""),
    "a broken upstream": (UpstreamTimeout("nothing came"), 504, ""),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_what_an_upstream_can_be_told_to_answer(script: str, stream: bool) -> None:
    answer, status, text = SCRIPTS[script]
    async with FakeHost(HouseRules) as host:
        trial = await host.request("hi", answer=answer, stream=stream)
    assert (trial.status, trial.text) == (status, text)


async def test_a_stream_that_breaks_off() -> None:
    async with FakeHost(HouseRules, answer={"text": "one two three", "break_after": 1}) as host:
        trial = await host.request(stream=True)
    assert trial.error is not None
    assert (trial.status, trial.error.code, trial.text) == (200, "upstream_broken", "one ")


async def test_a_body_that_is_nonsense_is_refused_as_the_gateway_does() -> None:
    async with FakeHost(HouseRules) as host:
        trial = await host.request(b"{nonsense")
    assert (trial.status, trial.request) == (400, None)


async def test_who_calls() -> None:
    class Asking(Plugin):
        seen: Any = None

        @hook("pre_flight", on_failure="open")
        async def look(self, exchange: Any) -> None:
            self.seen = exchange.identity

    async with FakeHost(Asking) as host:
        await host.request()
        assert host.plugin.seen.app == "trial"  # type: ignore[attr-defined]
        await host.request(identity=Identity(user="ada", claims={"team": "blue"}))
        assert host.plugin.seen.claims == {"team": "blue"}  # type: ignore[attr-defined]
        assert (await host.request(key=None)).status == 401
        assert (await host.request(headers={"x-api-key": "wrong"})).status == 401


async def test_models_can_be_limited() -> None:
    async with FakeHost(HouseRules, models=("known",)) as host:
        assert (await host.request(model="known")).status == 200
        assert (await host.request(model="unknown")).status == 404


async def test_a_client_that_leaves_is_settled_and_blames_nobody() -> None:
    async with FakeHost(HouseRules) as host:
        trial = await host.request("one two three four five six seven", stream=True, leave_after=1)
        assert host.in_flight == 0
        assert host.stats["errors"] == 0
    assert trial.client_gone
    assert trial.record is not None
    assert (trial.record.status, trial.record.error) == (499, "client_gone")


async def test_who_waits_for_an_exchange_can_give_up() -> None:
    class Waiting(Plugin):
        @hook("pre_flight", on_failure="open", timeout_ms=60_000)
        async def wait(self, exchange: Any) -> None:
            await asyncio.Event().wait()

    async with FakeHost(Waiting) as host:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await host.request()
        assert host.in_flight == 0


async def test_quarantine_comes_and_goes_with_the_clock() -> None:
    async with FakeHost(HouseRules) as host:
        assert [(await host.request("boom")).status for _ in range(6)] == [502] * 5 + [503]
        assert host.state == "quarantined"
        host.clock.advance(31)
        assert (await host.request("hello")).status == 200
        assert host.state == "active"


async def test_reserved_keys_of_the_config_count() -> None:
    async with FakeHost(HouseRules, config={"on_failure": "open", "timeout_ms": 7}) as host:
        assert {call.deadline_s for call in host.hooks} == {0.007}
        assert (await host.request("boom")).status == 200


@pytest.mark.parametrize("config", [{"wrod": "x"}, {"word": 3}, {"timeout_ms": 0}])
async def test_a_wrong_config_is_refused_by_field(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"plugins\.config\.house_rules\.{next(iter(config))}"):
        async with FakeHost(HouseRules, config=config):
            pass


async def test_storage_obeys_what_was_approved() -> None:
    both = ("storage:read", "storage:write")
    async with FakeHost(Storing, approve=both) as host:
        await host.request()
        await host.request()
        assert host.kv.kept() == {"asked": 2}
    for granted in ((), both[:1]):
        async with FakeHost(Storing, approve=granted) as host:
            (failed,) = (await host.request()).errors
            assert isinstance(failed.error, NotGranted)


async def test_a_plugin_that_is_not_well_is_degraded() -> None:
    async with FakeHost(Unwell) as host:
        assert (host.state, host.degraded) == ("degraded", "a tooth aches")


async def test_a_start_that_fails_is_told() -> None:
    class Broken(Plugin):
        async def on_load(self) -> None:
            raise OSError("no disk")

    with pytest.raises(PluginBroke, match="on_load: OSError: no disk"):
        async with FakeHost(Broken):
            pass


async def test_on_unload_runs_at_the_end() -> None:
    ended: list[str] = []

    class Ending(Plugin):
        async def on_unload(self) -> None:
            ended.append(self.id)

    async with FakeHost(Ending):
        assert ended == []
    assert ended == ["ending"]


async def test_a_provider_serves_its_own_models() -> None:
    from jackfield.plugins.echo import Echo

    async with FakeHost(Echo) as host:
        trial = await host.request("echo me", stream=True)
    assert (trial.text, trial.sent) == ("echo me", ())
    assert trial.record is not None
    assert trial.record.provider == "echo"


async def test_a_trial_as_json_holds_all_of_it() -> None:
    async with FakeHost(HouseRules) as host:
        told = (await host.request("boom")).as_json()
    assert (told["status"], told["error"]["plugin"]) == (502, "house_rules")
    assert told["hooks"][0]["error"] == "ValueError: no"
    assert told["record"]["plugin"] == "house_rules"
