"""Every fault in an Anthropic body names its place; every error is told in the API's own form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.errors import (
    BudgetExceeded,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    JackfieldError,
    Malformed,
    ModelNotFound,
    PluginFailed,
    PluginQuarantined,
    RateLimited,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamBroken,
    UpstreamTimeout,
)
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.chat import ErrorResponse, TokenCount

from .sdk_models import check_anthropic_error

FORMAT = AnthropicMessages()
USER = {"role": "user", "content": "Hi"}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 5, "messages": [USER], **fields}).encode()


def block(**fields: Any) -> bytes:
    return body(messages=[USER, {"role": "user", "content": [{"type": "text", "text": "x"}, fields]}])


PLACE = "messages[1].content[1]"


@pytest.mark.parametrize(
    ("text", "param"),
    [
        (b"", None),
        (b"null", None),
        (b"[]", None),
        (b'"x"', None),
        (b"{", None),
        (b'{"model":"m","messages":[]} x', None),
        (b"\xff\xfe{}", None),
        (b'{"model":NaN}', None),
        (b'{"model":"m","x":' + b"[" * 9000 + b"]" * 9000 + b"}", None),
        (b"[" * 200_000, None),
        (b'{"a":' * 9000 + b"1" + b"}" * 9000, None),
        (b'{"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","model":"n","messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x", "content": "y"}]}', "messages[0].content"),
        (b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', None),
        (body(model=5), "model"),
        (body(messages=[]), "messages"),
        (body(messages={}), "messages"),
        (body(messages=[5]), "messages[0]"),
        (body(messages=["x"]), "messages[0]"),
        (body(messages=[{"content": "x"}]), "messages[0].role"),
        (body(messages=[{"role": "robot", "content": "x"}]), "messages[0].role"),
        (body(messages=[{"role": 1, "content": "x"}]), "messages[0].role"),
        (body(messages=[{"role": "user"}]), "messages[0].content"),
        (body(messages=[{"role": "user", "content": None}]), "messages[0].content"),
        (body(messages=[{"role": "user", "content": 5}]), "messages[0].content"),
        (body(messages=[{"role": "user", "content": ["x"]}]), "messages[0].content[0]"),
        (body(messages=[{"role": "user", "content": [{"text": "x"}]}]), "messages[0].content[0].type"),
        (block(type=5), f"{PLACE}.type"),
        (block(type="text"), f"{PLACE}.text"),
        (block(type="text", text=None), f"{PLACE}.text"),
        (block(type="text", text=["x"]), f"{PLACE}.text"),
        (block(type="text", text="x", cache_control=5), f"{PLACE}.cache_control"),
        (block(type="text", text="x", cache_control={"ttl": "5m"}), f"{PLACE}.cache_control.type"),
        (block(type="text", text="x", cache_control={"type": "ephemeral", "ttl": 5}), f"{PLACE}.cache_control.ttl"),
        (block(type="image"), f"{PLACE}.source"),
        (block(type="image", source="x"), f"{PLACE}.source"),
        (block(type="image", source={"url": "x"}), f"{PLACE}.source.type"),
        (block(type="image", source={"type": "url", "url": 7}), f"{PLACE}.source.url"),
        (block(type="image", source={"type": "url"}), f"{PLACE}.source.url"),
        (block(type="image", source={"type": "base64", "media_type": "image/png"}), f"{PLACE}.source.data"),
        (block(type="document", source={"type": "url", "url": "u"}, title=1), f"{PLACE}.title"),
        (block(type="tool_use", name="f", input={}), f"{PLACE}.id"),
        (block(type="tool_use", id="a", name="f", input="{}"), f"{PLACE}.input"),
        (block(type="tool_result"), f"{PLACE}.tool_use_id"),
        (block(type="tool_result", tool_use_id="a", is_error="yes"), f"{PLACE}.is_error"),
        (block(type="tool_result", tool_use_id="a", content=[{"type": "text"}]), f"{PLACE}.content[0].text"),
        (block(type="thinking", thinking=1), f"{PLACE}.thinking"),
        (body(system=5), "system"),
        (body(system=[{"type": "image", "source": {"type": "url", "url": "u"}}]), "system[0].type"),
        (body(max_tokens="5"), "max_tokens"),
        (body(max_tokens=-1), "max_tokens"),
        (body(max_tokens=10**400), "max_tokens"),
        (body(temperature="hot"), "temperature"),
        (body(top_k=0.5), "top_k"),
        (body(stop_sequences="END"), "stop_sequences"),
        (body(stop_sequences=["a", 1]), "stop_sequences[1]"),
        (body(stream="yes"), "stream"),
        (body(metadata=[]), "metadata"),
        (body(metadata={"user_id": 5}), "metadata.user_id"),
        (body(tools={}), "tools"),
        (body(tools=[{}]), "tools[0].name"),
        (body(tools=[{"name": "f", "input_schema": "x"}]), "tools[0].input_schema"),
        (body(tools=[{"name": "f", "strict": 1}]), "tools[0].strict"),
        (body(tools=[{"type": 7}]), "tools[0].type"),
        (body(tool_choice="auto"), "tool_choice"),
        (body(tool_choice={"type": "some"}), "tool_choice.type"),
        (body(tool_choice={"type": "tool"}), "tool_choice.name"),
        (body(tool_choice={"type": "auto", "disable_parallel_tool_use": 1}), "tool_choice.disable_parallel_tool_use"),
        (body(thinking=True), "thinking"),
        (body(thinking={"type": "enabled"}), "thinking.budget_tokens"),
        (body(thinking={"type": "enabled", "budget_tokens": "x"}), "thinking.budget_tokens"),
        (body(output_config=[]), "output_config"),
        (body(output_config={"effort": 5}), "output_config.effort"),
        (body(output_config={"format": {"type": "yaml"}}), "output_config.format.type"),
        (body(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema"),
    ],
)
def test_a_fault_in_a_request_names_its_place(text: bytes, param: str | None) -> None:
    with pytest.raises(Malformed) as caught:
        FORMAT.decode_request(text)
    if param is not None:
        assert caught.value.param == param
        assert caught.value.message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"model":1}', b'{"model":"a","model":"b"}', b'{"model":"m","stream":"x"}', b"\xff"]
)
def test_a_peek_refuses_what_it_cannot_read(text: bytes) -> None:
    with pytest.raises(Malformed):
        FORMAT.peek(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"<html>",
        b'{"content":5}',
        b'{"content":[{"type":"text","text":5}]}',
        b'{"content":[],"usage":5}',
        b'{"content":[],"usage":{"input_tokens":"x"}}',
        b'{"content":[],"stop_reason":5}',
        b'{"content":"\xff"}',
        b'{"content":' + b"[" * 9000 + b"]" * 9000 + b"}",
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
    ],
)
def test_nonsense_of_an_upstream_is_refused(text: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.decode_response(text)


def test_an_error_in_the_clothes_of_a_success_is_told() -> None:
    text = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    for read in (FORMAT.decode_response, FORMAT.usage_of):
        with pytest.raises(UpstreamBroken, match=r"Overloaded \(overloaded_error\)"):
            read(text)


@pytest.mark.parametrize("text", [b"{", b'{"usage":[]}', b'{"stop_reason":5}'])
def test_usage_that_is_nonsense_is_refused(text: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.usage_of(text)


def test_what_an_upstream_leaves_out_is_missed_by_nobody() -> None:
    response = FORMAT.decode_response(b'{"content":null,"usage":null,"stop_reason":""}')
    assert (response.id, response.model, response.usage) == ("", "", None)
    assert response.choices[0].message.parts == ()
    assert response.choices[0].finish_reason is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow."}}', ("rate_limit_error", "Slow.")),
        (b'{"error":{"code":1042,"message":"Slow."}}', ("1042", "Slow.")),
        (b'{"error":"Slow."}', ("upstream_error", "Slow.")),
        (b'{"message":"Slow."}', ("upstream_error", "Slow.")),
        (b"<h1>Bad\n   gateway</h1>", ("upstream_error", "<h1>Bad gateway</h1>")),
        (b"", ("upstream_error", "the upstream gave no reason")),
        (b"\xff\xfe", ("upstream_error", "��")),
        (b'{"error":' + b"[" * 9000, ("upstream_error", '{"error":' + "[" * 291 + "…")),
    ],
)
def test_any_error_body_is_read(text: bytes, expected: tuple[str, str]) -> None:
    assert FORMAT.decode_error(text) == expected


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Malformed("m", param="model"), "invalid_request_error"),
        (Unauthenticated("m"), "authentication_error"),
        (BudgetExceeded("m"), "billing_error"),
        (Forbidden("m"), "permission_error"),
        (ModelNotFound("m"), "not_found_error"),
        (Conflict("m"), "invalid_request_error"),
        (RateLimited("m"), "rate_limit_error"),
        (Refused(451, "unlawful", "m", plugin="law"), "invalid_request_error"),
        (PluginFailed("m", plugin="p"), "api_error"),
        (PluginQuarantined("m", plugin="p"), "overloaded_error"),
        (UpstreamTimeout("m"), "timeout_error"),
        (Unavailable("m"), "overloaded_error"),
        (DeadlineExceeded("m"), "timeout_error"),
        (JackfieldError("m"), "api_error"),
    ],
)
def test_an_error_is_told_in_the_form_of_the_api(error: JackfieldError, kind: str) -> None:
    told = json.loads(FORMAT.encode_error(error, "req_1"))
    check_anthropic_error(told)
    assert (told["type"], told["request_id"], told["error"]["type"]) == ("error", "req_1", kind)
    assert (told["error"]["message"], told["error"]["code"]) == ("m", error.code)
    assert told["error"].get("plugin") == error.plugin
    assert told["error"].get("param") == error.param


def test_a_body_too_large_has_the_type_that_the_api_documents() -> None:
    assert json.loads(FORMAT.encode_error(TooLarge("m"), "r"))["error"]["type"] == "request_too_large"


def test_an_error_that_a_hook_looked_at_is_told_alike() -> None:
    refused = ErrorResponse(status=429, code="no_shouting", message="Please do not shout.", plugin="quiet")
    told = json.loads(FORMAT.encode_response(refused).body)
    check_anthropic_error(told)
    assert told["error"] == {
        "type": "rate_limit_error",
        "message": "Please do not shout.",
        "code": "no_shouting",
        "plugin": "quiet",
    }


def test_an_answer_of_another_operation_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="TokenCount"):
        FORMAT.encode_response(TokenCount(input=1))
