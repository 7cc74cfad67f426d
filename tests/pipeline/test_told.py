"""What plugins are told of messages, conversations and users while requests pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from jackfield.errors import UpstreamBroken
from jackfield.hooks.guard import PluginStats
from jackfield.pipeline.run import Pipeline
from jackfield.pipeline.told import AWAY_S, IDLE_S, MOST_CONVERSATIONS, TOLD, Told
from jackfield.sdk import Answer, ChatResponse, Choice, Exchange, Message, Plugin, Reject, Replace, Text, hook
from jackfield.sdk.caller import current_caller
from jackfield.sdk.events import EVENTS, Event
from jackfield.sdk.outcomes import Identity
from jackfield.services.allowance import Allowance
from jackfield.services.events import EVENTS_PERMISSIONS, EventBus, PluginEvents
from jackfield.testing import FakeHost

CHANNELS = {"openai": "POST /v1/chat/completions", "anthropic": "POST /v1/messages"}
ALICE = Identity(user="alice", credential="key_1")


class Plain(Plugin):
    id = "plain"


class Cache(Plugin):
    id = "cache"

    @hook("pre_flight", on_failure="open")
    async def answer(self, exchange: Exchange) -> Answer:
        message = Message(role="assistant", parts=(Text(text="kept"),))
        return Answer(ChatResponse(id="r", model="m", choices=(Choice(message=message, finish_reason="stop"),)))


class Refusing(Plugin):
    id = "refusing"

    @hook("pre_flight", on_failure="closed")
    async def refuse(self, exchange: Exchange) -> Reject:
        return Reject(403, "no", "no")


class Editing(Plugin):
    id = "editing"

    @hook("response_body", on_failure="closed", edits=True)
    async def edit(self, exchange: Exchange) -> Any:
        return Replace(exchange.response.with_text("edited"))  # type: ignore[union-attr]


class ToldHost(FakeHost):
    """With a plugin beside the one on trial that listens to everything it is asked to."""

    def __init__(self, plugin: Any = Plain, *types: str, **fields: Any) -> None:
        super().__init__(plugin, **fields)
        stats: dict[str, PluginStats] = {}
        self.bus = EventBus(self.clock, stats.get)
        self.told = Told(self.bus, self.clock)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.callers: list[Any] = []
        self.listener = PluginEvents(Allowance.of("listener", EVENTS_PERMISSIONS, self.clock), self.bus)
        for type_ in types:
            self.listener.on(type_, self._hear)
        self.listener.open()

    async def _hear(self, event: Event) -> None:
        self.events.append((event.type, dict(event.data)))
        self.callers.append(current_caller())

    def _pipeline(self) -> Pipeline:
        made = super()._pipeline()
        made._settler._ended = self.told.sent
        return Pipeline(made._directory, made._settler, 10.0, self.told.received)

    async def heard(self) -> list[tuple[str, dict[str, Any]]]:
        await self.bus.settle(5)
        return self.events

    async def types(self) -> list[str]:
        return [type_ for type_, _ in await self.heard()]


OpenHost = Callable[..., Any]


@pytest.fixture
async def open_host() -> AsyncIterator[OpenHost]:
    async with AsyncExitStack() as stack:

        async def begin(plugin: Any = Plain, *types: str, **fields: Any) -> ToldHost:
            host = await stack.enter_async_context(ToldHost(plugin, *types, **fields))
            stack.push_async_callback(host.listener.aclose)
            return host

        yield begin


@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize("upstream", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_message_and_its_answer(open_host: OpenHost, api: str, upstream: str, stream: bool) -> None:
    host = await open_host(Plain, "message:received", "message:sent", upstream=upstream, answer="good day")
    trial = await host.request("hello", api=api, stream=stream, identity=ALICE, model="m")
    received, sent = await host.heard()
    assert received[0] == "message:received"
    assert sent[0] == "message:sent"
    about = {"userId": "alice", "model": "m", "requestId": trial.id, "channel": CHANNELS[api]}
    conversation = received[1]["conversationId"]
    assert conversation.startswith("conv_")
    assert received[1] == {"content": "hello", "conversationId": conversation, **about}
    usage = sent[1].pop("usage")
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] > 0
    assert sent[1] == {"content": "good day", "conversationId": conversation, **about}
    assert {caller.user for caller in host.callers} == {"alice"}


async def test_each_event_has_the_data_that_is_documented(open_host: OpenHost) -> None:
    host = await open_host(Plain, *TOLD)
    await host.request("hello", identity=ALICE)
    host.told.end()
    heard = await host.heard()
    assert {type_ for type_, _ in heard} == TOLD
    for type_, data in heard:
        assert set(data) == set(EVENTS[type_]), type_


async def test_what_a_plugin_answers_is_sent_too(open_host: OpenHost) -> None:
    host = await open_host(Cache, "message:received", "message:sent")
    await host.request("hello")
    await host.request("hello", stream=True)
    assert [data["content"] for _, data in await host.heard()] == ["hello", "kept"] * 2


async def test_the_answer_is_what_the_client_was_sent(open_host: OpenHost) -> None:
    host = await open_host(Editing, "message:sent")
    for stream in (False, True):
        await host.request("hello", stream=stream)
    assert [data["content"] for _, data in await host.heard()] == ["edited"] * 2


async def test_what_is_refused_was_not_received(open_host: OpenHost) -> None:
    host = await open_host(Refusing, *TOLD)
    assert (await host.request("hello")).status == 403
    assert await host.heard() == []


async def test_what_fails_is_received_and_not_sent(open_host: OpenHost) -> None:
    host = await open_host(Plain, "message:received", "message:sent", answer=UpstreamBroken("gone"))
    for stream in (False, True):
        await host.request("hello", stream=stream)
    assert await host.types() == ["message:received"] * 2


async def test_a_client_that_leaves_was_not_sent_its_answer(open_host: OpenHost) -> None:
    host = await open_host(Plain, "message:received", "message:sent", answer="one two three four five")
    await host.request("hello", stream=True, leave_after=1)
    assert await host.types() == ["message:received"]


async def test_what_tools_gave_is_no_message_of_the_user(open_host: OpenHost) -> None:
    host = await open_host(Plain, "message:received", "message:sent")
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    await host.request({"model": "m", "messages": history})
    assert await host.types() == ["message:sent"]


async def test_embeddings_are_no_messages(open_host: OpenHost) -> None:
    host = await open_host(Plain, *TOLD)
    trial = await host.request({"model": "m", "input": "hello"}, path="/v1/embeddings")
    assert trial.status == 200
    assert await host.heard() == []


async def test_a_conversation_starts_once_and_ends_when_it_is_idle(open_host: OpenHost) -> None:
    host = await open_host(Plain, "conversation:started", "conversation:ended")
    for text in ("hello", "hello", "something else"):
        await host.request(text, identity=ALICE)
        host.clock.advance(60)
    host.told.sweep()
    assert await host.types() == ["conversation:started"] * 2
    host.clock.advance(IDLE_S - 61)
    host.told.sweep()
    host.clock.advance(2)
    await host.request("hello", identity=ALICE)
    heard = await host.heard()
    assert [type_ for type_, _ in heard[2:]] == ["conversation:ended", "conversation:ended", "conversation:started"]
    assert heard[0][1] == heard[2][1] == heard[4][1]
    assert heard[1][1] == heard[3][1]


async def test_conversations_end_with_the_gateway(open_host: OpenHost) -> None:
    host = await open_host(Plain, "conversation:ended")
    await host.request("hello", identity=ALICE, headers={"x-jackfield-conversation": "c-1"})
    host.told.end()
    host.told.end()
    assert await host.heard() == [("conversation:ended", {"conversationId": "c-1", "userId": "alice"})]


async def test_of_too_many_conversations_the_oldest_ends(open_host: OpenHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.pipeline.told.MOST_CONVERSATIONS", 3)
    assert MOST_CONVERSATIONS > 3
    host = await open_host(Plain, "conversation:ended")
    for n in range(4):
        await host.request("hello", identity=ALICE, headers={"x-jackfield-conversation": f"c-{n}"})
    assert [data["conversationId"] for _, data in await host.heard()] == ["c-0"]


async def test_a_user_is_active_who_was_not_seen_for_a_while(open_host: OpenHost) -> None:
    host = await open_host(Plain, "user:active")
    for passed in (0, AWAY_S - 1, AWAY_S - 1, AWAY_S):
        host.clock.advance(passed)
        await host.request("hello", identity=ALICE)
    await host.request("hello", identity=Identity(user="bob"))
    told = [{"userId": user, "channel": CHANNELS["openai"]} for user in ("alice", "alice", "bob")]
    assert [data for _, data in await host.heard()] == told


async def test_where_nobody_listens_nothing_is_done(open_host: OpenHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(state: object) -> None:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr("jackfield.pipeline.told.caller_of", fail)
    for types in ((), ("my:own", "tool:after_execute")):
        host = await open_host(Plain, *types)
        assert (await host.request("hello")).status == 200
    assert host.events == []
