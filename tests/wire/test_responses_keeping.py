"""Putting a conversation in front of a request, and saying in the answer that it was kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import Malformed
from jackfield.wire.openai_responses import OpenAIResponses
from jackfield.wire.openai_responses.keeping import (
    AnswerEvent,
    Listing,
    Marks,
    Wishes,
    begin_turn,
    conversation,
    list_items,
    read_answer,
    read_wishes,
    split_answers,
)
from jackfield.wire.sealing import seal

ID = "resp_jf01"
MARKS = Marks(ID, "resp_jf00", store=True)


def turn(body: Any, former: Any = ()) -> tuple[list[Any], Any]:
    begun = begin_turn(json.dumps(body).encode(), ID, conversation(json.dumps(former).encode(), b'{"output":[]}'))
    return json.loads(begun.items), json.loads(begun.body)


def test_wishes_are_read_and_nothing_else() -> None:
    assert read_wishes(b'{"model":"m","input":7}') == Wishes()
    assert read_wishes(b'{"store":true,"previous_response_id":"resp_1"}') == Wishes(True, "resp_1")
    assert read_wishes(b'{"store":null,"previous_response_id":null}') == Wishes()
    for wrong in (b'{"store":"yes"}', b'{"previous_response_id":7}'):
        with pytest.raises(Malformed):
            read_wishes(wrong)


def test_a_text_becomes_an_item() -> None:
    items, body = turn({"model": "m", "input": "Hi", "store": True})
    (item,) = items
    assert item == {
        "id": "msg_jf01_0",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
        "status": "completed",
    }
    assert (body["store"], body["input"][0]["content"]) == (False, [{"type": "input_text", "text": "Hi"}])


def test_what_was_said_comes_first_and_is_told_whole() -> None:
    former = [
        {"type": "message", "id": "msg_0", "role": "user", "content": "one", "status": "completed"},
        {"type": "reasoning", "id": "rs_0", "summary": []},
        {"type": "function_call", "id": "fc_0", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "web_search_call", "id": "ws_0", "status": "completed"},
    ]
    given = [{"type": "function_call_output", "call_id": "c", "output": "ok"}, {"role": "assistant", "content": "so"}]
    items, body = turn({"model": "m", "input": given, "previous_response_id": "resp_jf00"}, former)

    assert [item["id"] for item in items] == ["msg_0", "rs_0", "fc_0", "ws_0", "fco_jf01_0", "msg_jf01_1"]
    assert items[:4] == former
    assert items[5]["content"] == [{"type": "output_text", "text": "so"}]
    assert "previous_response_id" not in body
    assert [item.get("id") for item in body["input"]] == [None, None, None, "ws_0", None, None]
    OpenAIResponses().decode_request(json.dumps(body).encode())


def test_upstreams_of_the_format_are_told_the_reasoning_that_they_can_read_with_its_id() -> None:
    thought: Any = {"type": "reasoning", "summary": []}
    former = [
        {**thought, "id": "rs_0", "encrypted_content": "theirs"},
        {**thought, "id": "rs_1", "encrypted_content": seal("signed", None)},
        {**thought, "id": "rs_2", "encrypted_content": seal(None, "redacted")},
        {**thought, "id": "rs_3", "summary": [{"type": "summary_text", "text": "so"}]},
    ]
    raws = conversation(json.dumps(former).encode(), b'{"output":[]}')
    begun = begin_turn(b'{"model":"m","input":"Hi"}', ID, raws, native=True)
    assert json.loads(begun.items)[:4] == former
    assert json.loads(begun.body)["input"][:-1] == former[:1]


def test_each_item_has_an_id_of_its_own_whatever_upstreams_and_clients_say() -> None:
    former = [{"type": "message", "id": "msg_0", "role": "assistant", "content": []}] * 3
    given = [{"type": "message", "id": one, "role": "user", "content": "so"} for one in ("msg_0", 5, "", None, "mine")]
    items, _ = turn({"model": "m", "input": given}, former)
    ids = [item["id"] for item in items]
    assert (ids[0], ids[-1]) == ("msg_0", "mine")
    assert len(set(ids)) == len(ids) == 8
    assert all(isinstance(one, str) for one in ids)


def test_a_message_may_say_that_its_type_is_null() -> None:
    items, body = turn({"model": "m", "input": [{"type": None, "role": "user", "content": "Hi"}]})
    assert (items[0]["type"], items[0]["content"]) == ("message", [{"type": "input_text", "text": "Hi"}])
    assert body["input"][0]["type"] == "message"


@pytest.mark.parametrize("wrong", [7, [7], {}, ["x"]])
def test_what_is_no_input_is_refused(wrong: Any) -> None:
    with pytest.raises(Malformed):
        turn({"model": "m", "input": wrong})


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "role", "id", "x"]), inner),
    max_leaves=6,
)
items = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "role", "id", "content", "status", "call_id"), values)),
    max_size=4,
)


def nameless(item: Any) -> Any:
    return {name: value for name, value in item.items() if name != "id"}


@given(former=items, given_=items)
@settings(max_examples=60, deadline=None)
def test_whatever_stands_in_items_they_are_kept_or_refused(former: list[Any], given_: list[Any]) -> None:
    kept, body = turn({"model": "m", "input": given_}, former)
    assert len(kept) == len(body["input"]) == len(former) + len(given_)
    assert [nameless(item) for item in kept[: len(former)]] == [nameless(item) for item in former]
    listed = json.loads(list_items(json.dumps(kept).encode(), Listing(limit=100, newest_first=False)))
    assert listed["data"] == kept


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b'{"status":"completed","id":"x"}', True),
        (b'{"status":"incomplete"}', True),
        (b'{"status":"failed"}', False),
        (b'{"error":{}}', False),
        (b"[]", False),
        (b"<html>", False),
    ],
)
def test_only_what_is_an_answer_is_kept(body: bytes, kept: bool) -> None:
    assert (read_answer(body) is not None) is kept


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def test_the_answer_is_found_in_a_stream() -> None:
    answer = {"id": "up_1", "status": "in_progress", "store": False, "x": 1}
    delta = event("response.output_text.delta", delta='"response"')
    piece = (
        b": note\n\n"
        + event("response.created", response=answer)
        + delta
        + delta
        + event("response.completed", response=answer | {"status": "completed"})
        + b"data: [DONE]\n\n"
    )
    note, created, deltas, completed, done = split_answers(piece)
    assert (note, deltas, done) == (b": note\n\n", delta + delta, b"data: [DONE]\n\n")
    assert isinstance(created, AnswerEvent)
    assert isinstance(completed, AnswerEvent)
    assert (created.ends, completed.ends) == (False, True)
    written = completed.with_answer(MARKS.put(completed.answer))
    assert written.startswith(b"event: response.completed\n")
    told = json.loads(written.split(b"data: ")[1])["response"]
    marked = {"id": ID, "previous_response_id": "resp_jf00", "store": True}
    assert told == {"status": "completed", "x": 1, **marked}


@pytest.mark.parametrize("nonsense", [b'data: {"response":7,"type":"response.created"}\n\n', b'data: "response"\n\n'])
def test_nonsense_passes_as_it_is(nonsense: bytes) -> None:
    assert split_answers(nonsense) == [nonsense]


def test_pages_go_both_ways() -> None:
    kept = json.dumps([{"id": str(number)} for number in range(5)]).encode()

    def page(**wanted: Any) -> tuple[list[str], bool]:
        told = json.loads(list_items(kept, Listing(**wanted)))
        assert [told["first_id"], told["last_id"]] == [
            told["data"][place]["id"] if told["data"] else None for place in (0, -1)
        ]
        return [item["id"] for item in told["data"]], told["has_more"]

    assert page(limit=2) == (["4", "3"], True)
    assert page(limit=2, after="3") == (["2", "1"], True)
    assert page(limit=2, after="1") == (["0"], False)
    assert page(after="4", newest_first=False) == ([], False)
    with pytest.raises(Malformed):
        page(after="nobody")
