"""Streams of services: one grammar in, OpenAI's events out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import UpstreamBroken
from jackfield.runtimes.http.errors import ServiceFault
from jackfield.runtimes.http.frames import FrameReader, frames_for

DONE = b"data: [DONE]\n\n"


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} | more


def sse(*values: Any) -> bytes:
    return b"".join(b"data: %s\n\n" % (v if isinstance(v, bytes) else json.dumps(v).encode()) for v in values)


def ndjson(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def reader(kind: str = "text/event-stream") -> FrameReader:
    found = frames_for(kind)
    assert found is not None
    return found


def read(data: bytes, kind: str = "text/event-stream; charset=utf-8") -> list[Any]:
    frames = reader(kind)
    out = frames.feed(data) + frames.finish()
    assert out.endswith(DONE)
    return [json.loads(part.removeprefix(b"data: ")) for part in out.removesuffix(DONE).split(b"\n\n") if part]


WHOLE = [chunk("Hel"), chunk("lo"), chunk(None, "stop")]


def test_what_is_as_it_should_be_passes_as_its_bytes() -> None:
    data = sse(*WHOLE, b"[DONE]")
    frames = reader()
    assert frames.feed(data) == data
    assert frames.ended
    assert frames.feed(b"data: more\n\n") == b""
    assert frames.finish() == b""


def test_the_end_after_a_finish_reason_is_an_end() -> None:
    assert read(sse(*WHOLE)) == WHOLE


def test_a_chunk_that_is_done_ends_with_a_finish_reason() -> None:
    *text, last = read(sse(chunk("a"), chunk("b", done=True)))
    assert [one["choices"][0]["delta"] for one in text] == [{"content": "a"}, {"content": "b"}]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert (last["id"], last["model"]) == ("c", "m")
    assert len(read(sse(chunk("a"), chunk(None, "length", done=True)))) == 2


def test_lines_become_events() -> None:
    assert read(ndjson(*WHOLE), "application/x-ndjson") == WHOLE
    assert read(ndjson(*WHOLE[:2], chunk(None, "stop", done=True))[:-1], "application/jsonl")[:2] == WHOLE[:2]


def test_names_comments_and_numbers_are_understood_and_not_passed_on() -> None:
    first = json.dumps(WHOLE[0]).encode()
    greeting = b': hello\n\nevent: connected\ndata: {"message":"hi"}\n\n'
    data = greeting + b"event: chunk\nid: 7\ndata: " + first + b"\n\n" + sse(*WHOLE[1:])
    assert read(data) == WHOLE


def test_several_data_lines_are_one_event() -> None:
    text = json.dumps(WHOLE[0], indent=1).encode().replace(b"\n", b"\ndata: ")
    assert read(b"data: " + text + b"\n\n" + sse(*WHOLE[1:])) == WHOLE


def test_what_it_cost_is_kept_and_usage_without_choices_gets_a_list_of_them() -> None:
    frames = reader()
    out = frames.feed(sse(*WHOLE, {"id": "c", "usage": {"total_tokens": 3, "cost_usd": 0.5}}, b"[DONE]"))
    assert frames.cost_usd == 0.5
    assert b'"choices":[]' in out


@pytest.mark.parametrize("kind", ["text/event-stream", "application/x-ndjson"])
@pytest.mark.parametrize(
    ("told", "code", "transient"),
    [
        ({"code": "rate_limit_exceeded", "message": "slow down", "transient": True}, "rate_limit_exceeded", True),
        ({"code": "internal_error", "message": "bug"}, "internal_error", False),
        ({"error": {"message": "upstream broke"}}, "provider_unavailable", False),
    ],
)
def test_an_error_in_the_stream_is_the_streams_end(kind: str, told: Any, code: str, transient: bool) -> None:
    frames = reader(kind)
    write = sse if kind == "text/event-stream" else ndjson
    assert frames.feed(write(chunk("a")))
    with pytest.raises(ServiceFault) as caught:
        frames.feed(write(told))
    assert (caught.value.fault.code, caught.value.fault.transient) == (code, transient)


def test_a_named_error_is_one_too() -> None:
    with pytest.raises(ServiceFault, match="no luck"):
        reader().feed(b'event: error\ndata: {"error": "no luck"}\n\n')


@pytest.mark.parametrize("data", [sse(chunk("a")), sse(chunk("a")) + b"data: {", b""])
def test_an_end_in_the_middle_is_none(data: bytes) -> None:
    frames = reader()
    frames.feed(data)
    with pytest.raises(UpstreamBroken):
        frames.finish()


def test_what_is_no_chunk_is_refused() -> None:
    with pytest.raises(UpstreamBroken, match="what is no chunk"):
        reader().feed(b"data: hello\n\n")
    with pytest.raises(UpstreamBroken, match="a line of more than"):
        reader("application/x-ndjson").feed(b"x" * 9_000_000)


@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/plain", ""])
def test_other_kinds_are_no_streams(kind: str) -> None:
    assert frames_for(kind) is None


@given(st.lists(st.integers(1, 40), max_size=30), st.sampled_from(["text/event-stream", "application/x-ndjson"]))
def test_wherever_the_network_cuts_the_same_comes_out(cuts: list[int], kind: str) -> None:
    data = (sse if kind == "text/event-stream" else ndjson)(*WHOLE, chunk(None, None, usage={"cost_usd": 1}, done=True))
    frames, out = reader(kind), b""
    for cut in cuts:
        out += frames.feed(data[:cut])
        data = data[cut:]
    out += frames.feed(data) + frames.finish()
    assert out.count(b"[DONE]") == 1
    assert [json.loads(part[6:])["choices"] for part in out.split(b"\n\n")[:-2]] == [
        one["choices"] for one in (*WHOLE, chunk(None, None))
    ]
    assert frames.cost_usd == 1
