"""Plain conversations are read by a shorter way, which tells the same as the long one, or leaves them to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import Malformed
from jackfield.wire.openai_chat import plain, requests, responses

TEXTS = st.sampled_from(["", "word", "é\u2028\U0001f600", 'a "quoted" \\ line\n\b\f\x01', "</script>"])
NUMBERS = st.sampled_from([0, 1, -1, 0.2, 1e9, 2**53 + 1, None, True, "1"])
TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "nobody"]), "content": TEXTS},
    optional={"name": TEXTS, "refusal": st.none(), "tool_call_id": TEXTS},
)
REQUESTS = st.fixed_dictionaries(
    {"model": TEXTS, "messages": st.lists(TURNS, max_size=3)},
    optional={
        "stream": st.sampled_from([True, False, None]),
        "stream_options": st.sampled_from([None, {}, {"include_usage": True}, {"include_usage": False}]),
        "user": st.one_of(TEXTS, st.none()),
        "seed": NUMBERS,
        **dict.fromkeys(("max_tokens", "max_completion_tokens", "temperature", "top_p"), NUMBERS),
    },
)
COUNTS = st.one_of(st.integers(0, 2**54), NUMBERS)
DETAILS = {"cached_tokens": COUNTS, "reasoning_tokens": COUNTS, "audio_tokens": COUNTS, "own_tokens": COUNTS}
USAGE = st.fixed_dictionaries(
    dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNTS),
    optional=dict.fromkeys(
        ("prompt_tokens_details", "completion_tokens_details"), st.fixed_dictionaries({}, optional=DETAILS)
    ),
)
SAID = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.one_of(TEXTS, st.none())},
    optional={"refusal": st.one_of(st.none(), TEXTS), "annotations": st.sampled_from([[], [1], None])},
)
CHOICES = st.fixed_dictionaries(
    {"index": COUNTS, "message": SAID, "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "own", None])},
    optional={"logprobs": st.sampled_from([None, {}])},
)
RESPONSES = st.fixed_dictionaries(
    {
        "id": TEXTS,
        "object": st.sampled_from(["chat.completion", "error"]),
        "created": COUNTS,
        "model": TEXTS,
        "choices": st.lists(CHOICES, max_size=2),
        "usage": USAGE,
    },
    optional=dict.fromkeys(("service_tier", "system_fingerprint", "own"), st.one_of(TEXTS, st.none())),
)
LAYOUTS: list[dict[str, Any]] = [
    {"separators": (",", ":"), "ensure_ascii": False},
    {"separators": (",", ":")},
    {},
    {"indent": 2, "ensure_ascii": False},
]

ASKED = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"temperature":0.5}'
ANSWERED = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
)


def written(body: dict[str, Any], layout: dict[str, Any]) -> bytes:
    return json.dumps(body, **layout).encode()


@given(REQUESTS, st.sampled_from(LAYOUTS))
def test_a_request_is_understood_alike_by_both_ways(body: dict[str, Any], layout: dict[str, Any]) -> None:
    text = written(body, layout)
    found = plain.read_plain_request(text)

    assert found is None or found == requests._decode_any(text)


@given(REQUESTS, st.sampled_from(LAYOUTS))
def test_the_little_that_routing_needs_is_read_alike_by_both_ways(body: dict[str, Any], layout: dict[str, Any]) -> None:
    text = written(body, layout)
    found = plain.peek_plain(text)

    assert found is None or found == requests._peek_any(text)


@given(RESPONSES, st.sampled_from(LAYOUTS))
def test_an_answer_is_understood_alike_by_both_ways(body: dict[str, Any], layout: dict[str, Any]) -> None:
    text = written(body, layout)
    found = plain.read_plain_response(text)

    assert found is None or found == responses._decode_any(text)


@pytest.mark.parametrize("layout", [LAYOUTS[0], LAYOUTS[3]], ids=["compact", "indented"])
def test_what_most_bodies_are_goes_the_shorter_way(layout: dict[str, Any]) -> None:
    """Else the tests above would hold of a way that nothing takes."""
    for read, body in ((plain.read_plain_request, ASKED), (plain.read_plain_response, ANSWERED)):
        assert read(written(json.loads(body), layout)) is not None
    assert plain.peek_plain(ASKED) is not None


@pytest.mark.parametrize("body", [ASKED, ANSWERED])
@pytest.mark.parametrize("member", [b'"model":"m"', b'"role":"assistant"', b'"content":"Hi"', b'"total_tokens":2'])
@pytest.mark.parametrize("space", [b"", b" ", b"\n  "])
def test_a_name_that_stands_twice_is_left_to_the_long_way(body: bytes, member: bytes, space: bytes) -> None:
    read = plain.read_plain_request if body is ASKED else plain.read_plain_response
    twice = body.replace(member, member + b"," + space + member)
    if twice != body:
        assert read(twice) is None
        assert plain.peek_plain(twice) is None or member in (b'"role":"assistant"', b'"content":"Hi"')


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        (b"model", b"Model"),
        (b'"m"', b'"\xff"'),
        (b'"m"', b'"\\ud800"'),
        (b"0.5", b"1e999"),
        (b"0.5", b"[[]]"),
        (b'"Hi"', b"null"),
        (b"[{", b"[[{"),
        (b"}]", b""),
    ],
)
def test_what_is_wrong_is_named_by_the_long_way(found: bytes, instead: bytes) -> None:
    body = ASKED.replace(found, instead)
    assert plain.read_plain_request(body) is None

    with pytest.raises(Malformed):
        requests.decode_request(body)


def test_a_name_written_otherwise_is_read_by_the_long_way() -> None:
    body = ASKED.replace(b"model", b"mod\\u0065l")

    assert plain.read_plain_request(body) is None
    assert requests.decode_request(body) == requests.decode_request(ASKED)
