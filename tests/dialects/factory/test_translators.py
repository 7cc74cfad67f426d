"""Adapters of formats: those that plugins declare, and the gateway's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import permutations
from typing import Any

import pytest

from jackfield.dialects.factory.names.declarations import FormatAdapterSpec
from jackfield.dialects.factory.names.formats import WIRE
from jackfield.dialects.factory.names.registries import FormatRegistry
from jackfield.errors import Malformed

from .guide import system

CHAT, MESSAGES = "openai.chat_completions", "anthropic.messages"
PAIRS = tuple(permutations(WIRE, 2))
IMAGE = "https://example.com/leek.png"
# Two results of tools that were called at once, two system messages, an image by its address, sampling parameters.
ASKED: dict[str, Any] = {
    "model": "m",
    "temperature": 0.5,
    "top_p": 0.25,
    "max_tokens": 77,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": IMAGE}}],
        },
        {
            "role": "assistant",
            "tool_calls": [
                {"id": f"call_{n}", "type": "function", "function": {"name": "grow", "arguments": "{}"}} for n in (1, 2)
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "leek"},
        {"role": "tool", "tool_call_id": "call_2", "content": "kale"},
    ],
    "tools": [{"type": "function", "function": {"name": "grow", "parameters": {"type": "object"}}}],
}
ANSWERED: dict[str, Any] = {
    "id": "x",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello!"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def translator(source: str, target: str) -> Any:
    return FormatRegistry().get(source, target)


async def asked_in(format: str) -> dict[str, Any]:  # noqa: A002
    return ASKED if format == CHAT else dict(await translator(CHAT, format).convert_request(ASKED))


@pytest.mark.parametrize("pair", PAIRS)
async def test_what_is_asked_survives_every_pair(pair: tuple[str, str]) -> None:
    source, target = pair
    asked = await translator(source, target).convert_request(await asked_in(source))
    told = repr(asked)
    assert all(word in told for word in ("Be brief.", "Be kind.", "look", IMAGE, "call_1", "call_2", "leek", "kale"))
    assert (asked["temperature"], asked["top_p"]) == (0.5, 0.25)
    assert 77 in asked.values()
    if target == MESSAGES:
        results = [part for part in asked["messages"][-1]["content"] if part["type"] == "tool_result"]
        assert [one["tool_use_id"] for one in results] == ["call_1", "call_2"]


@pytest.mark.parametrize("pair", PAIRS)
async def test_so_do_answers_and_errors(pair: tuple[str, str]) -> None:
    source, target = pair
    answered = ANSWERED if source == CHAT else await translator(CHAT, source).convert_response(ANSWERED)
    told = await translator(source, target).convert_response(answered)
    assert "Hello!" in repr(told)
    counted = list(told["usage"].values())
    assert (3 in counted, 2 in counted) == (True, True)
    busy = await translator(source, target).convert_error({"error": {"type": "overloaded_error", "message": "busy"}})
    assert (busy["error"]["message"], "type" in busy["error"]) == ("busy", True)


@pytest.mark.parametrize("pair", PAIRS)
async def test_so_do_streams(pair: tuple[str, str]) -> None:
    source, target = pair

    async def chunks() -> AsyncIterator[dict[str, Any]]:
        for delta, reason in (
            ({"role": "assistant", "content": "Hel"}, None),
            ({"content": "lo!"}, None),
            ({}, "stop"),
        ):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            yield {"id": "x", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}

    stream: Any = chunks()
    for first, last in ((CHAT, source), (source, target)):
        if first != last:
            stream = translator(first, last).convert_stream(stream)
    told = [one async for one in stream]
    assert "Hel" in repr(told)
    assert "lo!" in repr(told)
    assert len(told) >= 3


async def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(Malformed):
        await translator(CHAT, MESSAGES).convert_request({"model": "m", "messages": 3})


async def test_those_that_are_declared_come_before_the_gateways_own() -> None:
    async def late() -> str:
        return "late"

    specs = [
        FormatAdapterSpec(CHAT, MESSAGES, late, priority=5),
        FormatAdapterSpec(CHAT, MESSAGES, lambda: "early", priority=1),
        FormatAdapterSpec("acme.words", CHAT, late),
    ]
    registry = FormatRegistry(specs)
    await registry.make_all()
    assert (registry.get(CHAT, MESSAGES), registry.get("acme.words", CHAT)) == ("early", "late")
    assert registry.list_pairs() == [f"{CHAT}->{MESSAGES}", f"acme.words->{CHAT}"]
    assert registry.get_if_exists(CHAT, "acme.words") is None
    with pytest.raises(ValueError, match=r"no adapter of formats from .* to .acme\.words"):
        registry.get(CHAT, "acme.words")


async def test_a_pair_that_is_required_and_that_nobody_has_fails_the_plugin(open_house: Any) -> None:
    fields = 'requires_format_adapters=[("openai.chat_completions", "{}")]'
    plugins = {
        "lacks": system("lacks", fields=fields.format("acme.words")),
        "has": system("has", fields=fields.format("anthropic.messages")),
    }
    house = await open_house(plugins=plugins)
    assert (await house.described("has"))["state"] == "active"
    told = await house.described("lacks")
    assert told["state"] == "failed"
    assert "requires an adapter of formats from 'openai.chat_completions' to 'acme.words'" in told["reason"]
