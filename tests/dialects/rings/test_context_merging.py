"""An edit made in the OpenAI shape keeps what only the other API can say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.dialects.rings.bodies import read_request, write_request
from jackfield.dialects.rings.merging import merge_response
from jackfield.wire import format_named

ANTHROPIC, OPENAI = format_named("anthropic_messages"), format_named("openai_chat")
CACHED = {"cache_control": {"type": "ephemeral"}}
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "text", "text": "one "},
        {"type": "text", "text": "two"},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 4, "service_tier": "standard"},
}
ASKED: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "top_k": 3,
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "tools": [{"name": "look", "input_schema": {"type": "object"}, **CACHED}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a", **CACHED}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "seen", "is_error": True, **CACHED},
                {"type": "text", "text": "and now?"},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
        {"role": "user", "content": "d"},
    ],
}


def edited_answer(edit: Any) -> Any:
    original = ANTHROPIC.decode_response(json.dumps(ANSWER).encode())
    written = OPENAI.encode_response(original).body
    body = json.loads(written)
    edit(body)
    before, after = OPENAI.decode_response(written), OPENAI.decode_response(json.dumps(body).encode())
    merged = merge_response(original, before, after)  # type: ignore[arg-type]
    return json.loads(ANTHROPIC.encode_response(merged).body)


def edited_request(edit: Any, asked: Any = ASKED) -> Any:
    original = ANTHROPIC.decode_request(json.dumps(asked).encode())
    body = json.loads(write_request(original).body)
    edit(body)
    return json.loads(ANTHROPIC.encode_request(read_request(json.dumps(body).encode(), original)).body)


def test_an_answer_whose_text_is_edited_keeps_its_signed_thinking_and_its_calls() -> None:
    told = edited_answer(lambda body: body["choices"][0]["message"].update(content="edited"))
    assert told["content"] == [ANSWER["content"][0], {"type": "text", "text": "edited"}, ANSWER["content"][3]]  # type: ignore[index]
    assert told["usage"]["service_tier"] == "standard"


def test_an_answer_whose_usage_is_edited_keeps_its_content() -> None:
    told = edited_answer(lambda body: body["usage"].update(completion_tokens=99))
    assert told["content"] == ANSWER["content"]
    assert told["usage"]["output_tokens"] == 99


def test_calls_may_be_taken_out() -> None:
    def edit(body: Any) -> None:
        del body["choices"][0]["message"]["tool_calls"]
        body["choices"][0]["finish_reason"] = "stop"

    told = edited_answer(edit)
    assert [part["type"] for part in told["content"]].count("tool_use") == 0
    assert told["stop_reason"] == "end_turn"


def test_no_edit_is_the_same_request() -> None:
    assert edited_request(lambda body: None) == edited_request(lambda body: body.update(model="m"))


@pytest.mark.parametrize("place", [0, 1, 3, 4, 5])
def test_one_edited_message_leaves_the_others_alone(place: int) -> None:
    plain = edited_request(lambda body: None)
    told = edited_request(lambda body: body["messages"][place].update(content="edited"))
    mine = {0: 0, 1: 1, 3: 2, 4: 3, 5: 4}[place]
    assert "edited" in json.dumps(told)
    for number in set(range(5)) - {mine}:
        assert plain["messages"][number] in told["messages"]
    assert told["tools"] == plain["tools"]
    assert (told["top_k"], told["thinking"]) == (3, plain["thinking"])


PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
SEEN = [{"type": "text", "text": "seen", **CACHED}, {"type": "text", "text": "more"}, PICTURE]


def edited_result(edit: Any) -> Any:
    """The message with a tool's result of several parts and a text beside it, after an edit."""
    asked = json.loads(json.dumps(ASKED))
    asked["messages"][2]["content"][0]["content"] = SEEN
    return edited_request(edit, asked)["messages"][2]["content"]


def test_a_text_edited_beside_a_tools_result_leaves_the_result_as_it_was() -> None:
    result, text = edited_result(lambda body: body["messages"][3]["content"][-1].update(text="edited"))
    assert result == {"type": "tool_result", "tool_use_id": "t1", "content": SEEN, "is_error": True, **CACHED}
    assert text == {"type": "text", "text": "edited"}


def test_an_edited_result_is_still_an_error_and_keeps_its_picture() -> None:
    result, text = edited_result(lambda body: body["messages"][2].update(content="edited"))
    assert (result["is_error"], result["content"]) == (True, [{"type": "text", "text": "edited"}, PICTURE])
    assert text == {"type": "text", "text": "and now?"}


def test_a_picture_that_is_taken_out_is_gone() -> None:
    result, text = edited_result(lambda body: body["messages"][3].update(content="edited"))
    assert (result["is_error"], result["content"]) == (True, SEEN[:2])
    assert text == {"type": "text", "text": "edited"}


def test_a_part_that_is_edited_keeps_its_mark() -> None:
    told = edited_request(lambda body: body["messages"][0]["content"][0].update(text="edited"))
    assert told["messages"][0]["content"][0] == {"type": "text", "text": "edited", **CACHED}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_messages_may_be_left_out_at_the_start(count: int) -> None:
    plain = edited_request(lambda body: None)["messages"]
    told = edited_request(lambda body: body["messages"].__delitem__(slice(0, count)))["messages"]
    assert told[-1] == plain[-1]
    assert told[-2] == plain[-2]


def test_fields_may_be_changed_and_taken_away() -> None:
    def edit(body: Any) -> None:
        body.update(max_completion_tokens=5, temperature=0.5)
        del body["tools"]

    told = edited_request(edit)
    assert (told["max_tokens"], told["temperature"], "tools" in told) == (5, 0.5, False)
