"""Every fault in what a client or an upstream wrote is refused by its name, and nothing else is ever raised."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import (
    BudgetExceeded,
    JackfieldError,
    Malformed,
    RateLimited,
    Refused,
    UpstreamBroken,
    UpstreamTimeout,
)
from jackfield.wire.base import Peek
from jackfield.wire.chat import ErrorResponse
from jackfield.wire.openai_chat import OpenAIChat

from .golden_cases import cases, name_of

FORMAT = OpenAIChat()
HI = '{"role":"user","content":"hi"}'


def asked(messages: str, more: str = "") -> bytes:
    return f'{{"model":"m","messages":{messages}{more}}}'.encode()


FAULTS = [
    (b"", None, "not valid JSON"),
    (b"[]", None, "the body: expected an object"),
    (b'"hi"', None, "the body: expected an object"),
    (b"null", None, "the body: expected an object"),
    (b'{"model":"m","messages":[', None, "not valid JSON"),
    (b'\xef\xbb\xbf{"model":"m"}', None, "not valid JSON"),
    (b'{"model":"\xff"}', None, "not valid UTF-8"),
    (b'{"model":"m","messages":[],"x":1e999}', "x", "holds a number that is out of range"),
    (b'{"model":"m","messages":[],"x":[{"y":' + b"9" * 5000 + b"}]}", "x", "holds a number that is out of range"),
    (b'{"model":"m"}', "messages", "messages: required"),
    (asked("[" + HI + "]").replace(b'"model":"m",', b""), "model", "model: required"),
    (asked("[]"), "messages", "expected at least one message"),
    (asked("{}"), "messages", "messages: expected a list"),
    (asked("[1]"), "messages[0]", "messages[0]: expected an object"),
    (asked("[{}]"), "messages[0].role", "required"),
    (asked('[{"role":"user"}]'), "messages[0].content", "required"),
    (asked('[{"role":"user","content":null}]'), "messages[0].content", "required"),
    (asked('[{"role":"robot","content":""}]'), "messages[0].role", "expected system, developer"),
    (asked('[{"role":7,"content":""}]'), "messages[0].role", "expected system, developer"),
    (asked('[{"role":"user","content":{}}]'), "messages[0].content", "expected a string or a list"),
    (asked('[{"role":"user","content":["x"]}]'), "messages[0].content[0]", "expected an object"),
    (asked('[{"role":"user","content":[{"text":"x"}]}]'), "messages[0].content[0].type", "expected a string"),
    (
        asked('[{"role":"user","content":[{"type":"text"}]}]'),
        "messages[0].content[0].text",
        "required",
    ),
    (
        asked(f'[{HI},{HI},{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":1}}}}]}}]'),
        "messages[2].content[0].image_url.url",
        "messages[2].content[0].image_url.url: expected a string",
    ),
    (
        asked('[{"role":"user","content":[{"type":"file","file":{"file_data":[]}}]}]'),
        "messages[0].content[0].file.file_data",
        "expected a string",
    ),
    (asked('[{"role":"tool","content":"x"}]'), "messages[0].tool_call_id", "required"),
    (
        asked('[{"role":"tool","tool_call_id":"a","content":[{"type":"refusal","refusal":"no"}]}]'),
        "messages[0].content",
        "cannot hold a refusal",
    ),
    (
        asked('[{"role":"assistant","tool_calls":[{"id":"a","function":{"arguments":"{}"}}]}]'),
        "messages[0].tool_calls[0].function.name",
        "required",
    ),
    (
        asked('[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":3}}]}]'),
        "messages[0].tool_calls[0].function.arguments",
        "expected a string",
    ),
    (asked(f"[{HI}]", ',"temperature":"hot"'), "temperature", "temperature: expected a number"),
    (asked(f"[{HI}]", ',"temperature":NaN'), None, "not valid JSON"),
    (asked(f"[{HI}]", ',"temperature":1e400'), "temperature", "out of range"),
    (asked(f"[{HI}]", ',"seed":' + "9" * 400), "seed", "expected an integer <= 9223372036854775807"),
    (asked(f"[{HI}]", ',"max_tokens":-1'), "max_tokens", ">= 0"),
    (asked(f"[{HI}]", ',"max_tokens":1.5'), "max_tokens", "expected an integer"),
    (asked(f"[{HI}]", ',"stop":["a",1]'), "stop[1]", "stop[1]: expected a string"),
    (asked(f"[{HI}]", ',"stream":"yes"'), "stream", "expected a boolean"),
    (asked(f"[{HI}]", ',"stream_options":{"include_usage":1}'), "stream_options.include_usage", "a boolean"),
    (asked(f"[{HI}]", ',"tools":[{}]'), "tools[0].type", "required"),
    (asked(f"[{HI}]", ',"tools":[{"type":"function"}]'), "tools[0].function", "required"),
    (
        asked(f"[{HI}]", ',"tools":[{"type":"function","function":{"name":"f","parameters":"x"}}]'),
        "tools[0].function.parameters",
        "expected an object",
    ),
    (asked(f"[{HI}]", ',"tool_choice":3'), "tool_choice", "expected an object"),
    (asked(f"[{HI}]", ',"response_format":{}'), "response_format.type", "required"),
    (
        asked(f"[{HI}]", ',"response_format":{"type":"json_schema"}'),
        "response_format.json_schema",
        "required",
    ),
    (asked(f"[{HI}]", ',"model":"other"'), "model", "model: given twice"),
    (asked(f"[{HI}]", ',"mod\\u0065l":"other"'), "model", "model: given twice"),
    (
        asked('[{"role":"user","content":"a","content":"b"}]'),
        "messages[0].content",
        "messages[0].content: given twice",
    ),
    (
        asked('[ { "role": "user", "content": [ { "type": "text", "text": "a", "text": "b" } ] } ]'),
        "messages[0].content[0].text",
        "given twice",
    ),
    (asked('[{"role":"user","content":"\\ud800"}]'), None, "not valid JSON"),
    (asked(f"[{HI}]", ',"x":' + "[" * 100_000), None, "nested too deeply"),
    (asked("[" * 5000 + "]" * 5000), None, "nested too deeply"),
]


@pytest.mark.parametrize(("body", "param", "message"), FAULTS)
def test_a_fault_in_a_request_is_named_with_its_place(body: bytes, param: str | None, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        FORMAT.decode_request(body)
    assert message in caught.value.message
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"model":7}', b'{"model":"a","model":"b"}', b'{"model":"a","stream":1}', b"[" * 99999],
)
def test_a_peek_refuses_too(body: bytes) -> None:
    with pytest.raises(Malformed):
        FORMAT.peek(body)


@pytest.mark.parametrize("body", [b'{"model":"a","stream":true,"stream":false}', b'{"model":"a","mod\\u0065l":"b"}'])
def test_a_peek_sees_repeated_names_however_they_are_spelled(body: bytes) -> None:
    with pytest.raises(Malformed, match="given twice"):
        FORMAT.peek(body)
    with pytest.raises(Malformed, match="given twice"):
        FORMAT.peek(body[:-1] + b',"x":"' + b"long " * 9999 + b'"}')


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (asked(f"[{HI}]", ',"Model":"dear"'), "Model"),
        (asked(f"[{HI}]", ',"\\u004dODEL":"dear"'), "MODEL"),
        (asked(f"[{HI}]", ',"Messages":[]'), "Messages"),
        (asked(f"[{HI}]", ',"\u017ftream":true'), "\u017ftream"),
        (asked('[{"role":"user","content":"x","Content":"y"}]'), "messages[0].Content"),
        (asked('[{"role":"user","content":[{"type":"text","text":"x","TEXT":"y"}]}]'), "messages[0].content[0].TEXT"),
        (
            asked(f"[{HI}]", ',"tools":[{"type":"function","function":{"name":"f","Name":"g"}}]'),
            "tools[0].function.Name",
        ),
    ],
)
def test_a_name_that_differs_in_case_alone_is_refused(body: bytes, param: str) -> None:
    """Servers written in Go take it for the name itself: a hook would see one text, and the model another."""
    with pytest.raises(Malformed, match="an upstream may ignore the case") as caught:
        FORMAT.decode_request(body)
    assert caught.value.param == param


@pytest.mark.parametrize("long", [b"", b',"x":"' + b"long " * 9999 + b'"'])
@pytest.mark.parametrize("name", [b"Model", b"MODEL", b"\\u004dodel", b"m\\u004fdel"])
def test_a_peek_sees_a_model_in_other_letters(name: bytes, long: bytes) -> None:
    with pytest.raises(Malformed, match="an upstream may ignore the case"):
        FORMAT.peek(b'{"model":"a","%b":"b"%b}' % (name, long))


def test_capitals_in_other_names_are_nobodys_business() -> None:
    body = asked(f"[{HI}]", ',"dataSources":[],"Seed":1,"metadata":{"Model":"x"}')
    assert FORMAT.encode_request(FORMAT.decode_request(body)).body == body


def test_a_long_body_with_spaces_is_peeked_at_like_any_other() -> None:
    body = b'{ "model": "a", "x": "' + b"long " * 9999 + b'", "stream": true }'
    assert FORMAT.peek(body) == Peek(model="a", stream=True)


WRONG: tuple[Any, ...] = (None, 0, -1, 1.5, True, "", "x", [], [None], {}, {"type": 1}, [[]], 10**30)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from places(inner)


def damaged(body: Any) -> Iterator[bytes]:
    """Every value of a body replaced by every wrong one, and every field left out."""
    for index, _ in enumerate(places(body)):
        for wrong in (*WRONG, ...):
            again = copy.deepcopy(body)
            holder, key = list(places(again))[index]
            if wrong is ...:
                del holder[key]
            else:
                holder[key] = wrong
            yield json.dumps(again).encode()


def thorough(prefix: str) -> list[Path]:
    return [case for case in cases("openai_chat", prefix) if "all_settings" not in case.name]


@pytest.mark.parametrize("case", thorough("request_"), ids=name_of)
def test_a_damaged_request_is_malformed_or_harmless(case: Path) -> None:
    for body in damaged(json.loads((case / "in.json").read_bytes())):
        try:
            request = FORMAT.decode_request(body)
        except Malformed:
            continue
        assert json.loads(FORMAT.encode_request(request).body)["messages"]


@pytest.mark.parametrize("case", thorough("response_"), ids=name_of)
def test_a_damaged_response_is_broken_or_harmless(case: Path) -> None:
    for body in damaged(json.loads((case / "in.json").read_bytes())):
        try:
            FORMAT.usage_of(body)
            response = FORMAT.decode_response(body)
        except UpstreamBroken:
            continue
        assert json.loads(FORMAT.encode_response(response).body)["object"] == "chat.completion"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda v: (
            st.lists(v)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "delta", "content", "tool_calls", "function", "usage", "error", "index", "x"]
                ),
                v,
            )
        ),
    )
)
@settings(max_examples=60, deadline=None)
def test_a_strange_event_is_broken_or_harmless(value: Any) -> None:
    data = json.dumps(value).encode()
    scanner = FORMAT.stream_scanner(strip_usage=True)
    scanner.feed(b"data: " + data + b"\n\n")
    try:
        events = FORMAT.stream_decoder().decode("", data)
    except UpstreamBroken:
        return
    assert isinstance(events, tuple)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>Bad gateway</html>", b"[]", b"{}", b'{"detail":"Not Found"}'),
        *(b'{"choices":{}}', b'{"choices":[{"message":7}]}', b"[" * 99999),
    ],
)
def test_an_answer_that_is_nonsense_is_the_upstreams_fault(body: bytes) -> None:
    with pytest.raises(UpstreamBroken, match="the upstream's answer is not understood"):
        FORMAT.decode_response(body)
    with pytest.raises(UpstreamBroken, match="the upstream's answer is not understood"):
        FORMAT.usage_of(body if body != b'{"choices":[{"message":7}]}' else b"!")


def test_an_error_in_the_clothes_of_a_success_is_told() -> None:
    for body in (
        b'{"error":{"message":"model is loading","code":"loading"}}',
        b'{"object":"error","message":"model is loading","type":"x","param":null,"code":"loading"}',
    ):
        for read in (FORMAT.decode_response, FORMAT.usage_of):
            with pytest.raises(UpstreamBroken, match="loading: model is loading"):
                read(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"no","type":"t","code":"c"}}', ("c", "no")),
        (b'{"error":{"message":"no","type":"t","code":null}}', ("t", "no")),
        (b'{"error":{"message":"no","code":429}}', ("429", "no")),
        (b'{"error":"model not found"}', ("upstream_error", "model not found")),
        (b'{"message":"no","code":"c"}', ("c", "no")),
        (b'{"detail":"Not Found"}', ("upstream_error", "Not Found")),
        (b'[{"error":{"message":"quota","status":"EXHAUSTED"}}]', ("EXHAUSTED", "quota")),
        (b"<h1>502\nBad Gateway</h1>", ("upstream_error", "<h1>502 Bad Gateway</h1>")),
        (b'{"error":{}}', ("upstream_error", '{"error":{}}')),
        (b"", ("upstream_error", "the upstream gave no reason")),
        (b"\xff" * 9, ("upstream_error", "\ufffd" * 9)),
    ],
)
def test_an_error_body_is_understood_in_any_usual_form(body: bytes, expected: tuple[str, str]) -> None:
    assert FORMAT.decode_error(body) == expected


def test_a_long_error_body_is_quoted_in_part() -> None:
    assert len(FORMAT.decode_error(b"x" * 10_000)[1]) == 301


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Malformed("m", param="messages[0]"), "invalid_request_error"),
        (BudgetExceeded("m"), "insufficient_quota"),
        (RateLimited("m"), "rate_limit_error"),
        (UpstreamTimeout("m"), "server_error"),
        (Refused(429, "no_shouting", "m", plugin="shouting"), "rate_limit_error"),
    ],
)
def test_an_error_is_written_in_the_form_of_the_api(error: JackfieldError, kind: str) -> None:
    (fields,) = json.loads(FORMAT.encode_error(error, "req_1")).values()
    plugin = {"plugin": error.plugin} if error.plugin else {}
    expected = {"message": "m", "type": kind, "code": error.code, "param": error.param, **plugin}
    assert fields == expected


def test_an_error_that_a_hook_looked_at_is_written_alike() -> None:
    response = ErrorResponse(status=403, code="forbidden", message="m", plugin="p")
    (fields,) = json.loads(FORMAT.encode_response(response).body).values()
    assert fields == {"message": "m", "type": "permission_error", "code": "forbidden", "param": None, "plugin": "p"}
