"""Blocks of several turns in one stream."""

from __future__ import annotations

import json
from typing import Any

from jackfield.agents.relay import Relay
from jackfield.testing.caller import Called
from jackfield.wire import format_named
from jackfield.wire.chat import ChatEvent, Usage

ANTHROPIC = format_named("anthropic_messages")


def events_of(*told: dict[str, Any]) -> list[ChatEvent]:
    decoder = ANTHROPIC.stream_decoder()
    return [event for one in told for event in decoder.decode(one["type"], json.dumps(one).encode())]


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, said: str) -> list[dict[str, Any]]:
    return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": said})


def use(index: int, name: str) -> list[dict[str, Any]]:
    return block(index, {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}})


def search(index: int) -> list[dict[str, Any]]:
    """A tool that the upstream itself runs."""
    return block(index, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}})


START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 5}}}
END = [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}]


def written(relay: Relay, *turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a client is sent of these turns."""
    encoder = ANTHROPIC.stream_encoder(model="claude", usage=True)
    called = Called()
    for number, turn in enumerate(turns):
        if number:
            relay.begin_turn()
        called.body += b"".join(map(encoder.encode, relay.pass_on(events_of(START, *turn, *END))))
    called.body += b"".join(map(encoder.encode, relay.end("stop", None, Usage(input=9, output=4))))
    return [json.loads(data) for _, data in called.events]


def test_blocks_are_numbered_on_and_the_gateways_calls_stay_out() -> None:
    told = written(
        Relay(frozenset({"look"}), gaps=False),
        [*text(0, "one"), *use(1, "plugin_kit_add")],
        [*search(0), *text(1, "two"), *use(2, "look")],
    )
    starts = [(one["index"], one["content_block"]["type"]) for one in told if one["type"] == "content_block_start"]
    assert starts == [(0, "text"), (1, "server_tool_use"), (2, "text"), (3, "tool_use")]
    stops = [one["index"] for one in told if one["type"] == "content_block_stop"]
    assert stops == [0, 1, 2, 3]
    assert [one["type"] for one in told].count("message_start") == 1
    assert told[-2]["usage"] == {**told[-2]["usage"], "input_tokens": 9, "output_tokens": 4}
    assert told[-1]["type"] == "message_stop"


def test_a_gap_stands_between_the_texts_of_two_turns_where_one_is_needed() -> None:
    relay = Relay(frozenset(), gaps=True)
    told = written(relay, [*use(0, "plugin_kit_add")], text(0, "one"), [*text(0, "two"), *text(1, "three")])
    texts = [one["delta"]["text"] for one in told if one["type"] == "content_block_delta"]
    assert texts == ["one", "\n\n", "two", "three"]
