"""One small body for each row of the tables in docs/reference/formats.md, by direction and by the row's first cell."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

_DATA_URL = "data:application/pdf;base64,JVBERi0xLjQK"
_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
_RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
_FUNCTION = {"name": "f", "description": "d", "parameters": _SCHEMA, "strict": True}
_OPENAI_TOOLS = [{"type": "function", "function": _FUNCTION}]
_ANTHROPIC_TOOLS = [{"name": "f", "description": "d", "input_schema": _SCHEMA}]


def _asked(*messages: Body, **more: Any) -> Body:
    return {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}, *messages], **more}


def _part(kind: str, **fields: Any) -> Body:
    return _asked({"role": "user", "content": [{"type": kind, **fields}]})


def _said(**fields: Any) -> Body:
    return _asked({"role": "assistant", "content": "ok", **fields}, {"role": "user", "content": "so?"})


def _limited(**more: Any) -> Body:
    return _asked(max_tokens=9000, **more)


def _turn(role: str, *blocks: Body) -> Body:
    return _limited() | {"messages": [{"role": "user", "content": "hi"}, {"role": role, "content": [*blocks]}]}


def _loop(**result: Any) -> Body:
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
    body = _turn("assistant", use)
    back = {"type": "tool_result", "tool_use_id": "t1", **result}
    return body | {"messages": [*body["messages"], {"role": "user", "content": [back]}]}


OPENAI_REQUESTS: dict[str, Body] = {
    "model": _asked(),
    "stream": _asked(stream=True),
    "stream_options": _asked(stream=True, stream_options={"include_usage": True}),
    "stream_options.include_obfuscation": _asked(stream=True, stream_options={"include_obfuscation": False}),
    "messages[] of role system": _asked({"role": "system", "content": "s"}),
    "messages[] of role developer": _asked({"role": "developer", "content": "s"}),
    "messages[] of role user": _asked(),
    "messages[] of role assistant": _said(),
    "messages[] of role tool": _asked({"role": "assistant", "tool_calls": [_CALL]}, _RESULT),
    "messages[].name": _asked({"role": "user", "content": "x", "name": "ann"}),
    "messages[].tool_calls": _asked({"role": "assistant", "tool_calls": [_CALL]}, _RESULT),
    "messages[].refusal": _said(refusal="no"),
    "messages[].reasoning_content": _said(reasoning_content="hm"),
    "messages[].thinking_blocks": _said(thinking_blocks=[{"type": "thinking", "thinking": "hm", "signature": "s"}]),
    "messages[].audio": _said(audio={"id": "audio_1"}),
    "content of type text": _part("text", text="x"),
    "image_url.url": _part("image_url", image_url={"url": "https://example.org/a.png"}),
    "image_url.url with data": _part("image_url", image_url={"url": "data:image/png;base64,iVBORw0KGgo="}),
    "image_url.detail": _part("image_url", image_url={"url": "https://example.org/a.png", "detail": "low"}),
    "file.file_data": _part("file", file={"file_data": _DATA_URL}),
    "file.filename": _part("file", file={"file_data": _DATA_URL, "filename": "a.pdf"}),
    "file.file_id": _part("file", file={"file_id": "file_1"}),
    "input_audio": _asked(
        {
            "role": "user",
            "content": [
                {"type": "input_audio", "input_audio": {"data": "UklGRiQ=", "format": "wav"}},
                {"type": "text", "text": "x"},
            ],
        }
    ),
    "cache_control": _part("text", text="x", cache_control={"type": "ephemeral"}),
    "tools[].function.name": _asked(tools=_OPENAI_TOOLS),
    "tools[].function.description": _asked(tools=_OPENAI_TOOLS),
    "tools[].function.parameters": _asked(tools=_OPENAI_TOOLS),
    "tools[].function.strict": _asked(tools=_OPENAI_TOOLS),
    "tools[].custom": _asked(tools=[{"type": "custom", "custom": {"name": "sql"}}]),
    "tool_choice": _asked(tools=_OPENAI_TOOLS, tool_choice="required"),
    "tool_choice of type allowed_tools": _asked(tools=_OPENAI_TOOLS, tool_choice={"type": "allowed_tools"}),
    "parallel_tool_calls": _asked(tools=_OPENAI_TOOLS, parallel_tool_calls=False),
    "response_format of type json_schema": _asked(
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA}}
    ),
    "response_format of type json_object": _asked(response_format={"type": "json_object"}),
    "max_tokens": _asked(max_tokens=9),
    "max_completion_tokens": _asked(max_completion_tokens=9),
    "reasoning_effort": _asked(reasoning_effort="low", max_completion_tokens=9000),
    "temperature": _asked(temperature=0.5),
    "temperature above 1": _asked(temperature=1.5),
    "top_p": _asked(top_p=0.5),
    "top_k": _asked(top_k=5),
    "stop": _asked(stop=["END"]),
    "user": _asked(user="u"),
    "n": _asked(n=2),
    "seed": _asked(seed=7),
    "presence_penalty": _asked(presence_penalty=0.5),
    "frequency_penalty": _asked(frequency_penalty=0.5),
    "logit_bias": _asked(logit_bias={"1": 2}),
    "logprobs": _asked(logprobs=True),
    "top_logprobs": _asked(top_logprobs=2),
    "verbosity": _asked(verbosity="low"),
    "service_tier": _asked(service_tier="default"),
    "service_tier of another word": _asked(service_tier="flex"),
    "safety_identifier": _asked(safety_identifier="s"),
    "prompt_cache_key": _asked(prompt_cache_key="k"),
    "prompt_cache_options": _asked(prompt_cache_options={"ttl": "30m"}),
    "prompt_cache_retention": _asked(prompt_cache_retention="24h"),
    "metadata": _asked(metadata={"team": "a"}),
    "moderation": _asked(moderation={"model": "m"}),
    "store": _asked(store=True),
    "prediction": _asked(prediction={"type": "content", "content": "x"}),
    "modalities": _asked(modalities=["text"]),
    "audio": _asked(audio={"voice": "ash", "format": "wav"}),
    "web_search_options": _asked(web_search_options={}),
    "functions": _asked(functions=[{"name": "f"}]),
    "function_call": _asked(function_call="auto"),
    "any field not named here": _asked(x_unknown=1),
}

ANTHROPIC_REQUESTS: dict[str, Body] = {
    "model": _limited(),
    "stream": _limited(stream=True),
    "max_tokens": _limited(),
    "system": _limited(system="s"),
    "messages[].content": _limited(),
    "content of type text": _turn("user", {"type": "text", "text": "x"}),
    "content of type image": _turn(
        "user", {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    ),
    "content of type document": _turn(
        "user",
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
    ),
    "content of type document by url": _turn(
        "user", {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
    ),
    "content of type tool_use": _loop(content="ok"),
    "content of type tool_result": _loop(content="ok"),
    "tool_result with an image": _loop(
        content=[{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}]
    ),
    "tool_result.is_error": _loop(content="no", is_error=True),
    "content of type thinking": _turn(
        "assistant",
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "ok"},
    ),
    "content of a server's tool": _turn(
        "assistant",
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
        {"type": "text", "text": "ok"},
    ),
    "cache_control": _turn("user", {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}),
    "tools[].name": _limited(tools=_ANTHROPIC_TOOLS),
    "tools[].description": _limited(tools=_ANTHROPIC_TOOLS),
    "tools[].input_schema": _limited(tools=_ANTHROPIC_TOOLS),
    "tools[] that the upstream runs": _limited(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    "tool_choice": _limited(tools=_ANTHROPIC_TOOLS, tool_choice={"type": "any"}),
    "tool_choice.disable_parallel_tool_use": _limited(
        tools=_ANTHROPIC_TOOLS, tool_choice={"type": "auto", "disable_parallel_tool_use": True}
    ),
    "thinking": _limited(thinking={"type": "enabled", "budget_tokens": 2048}),
    "output_config.effort": _limited(output_config={"effort": "high"}),
    "output_config.format": _limited(output_config={"format": {"type": "json_schema", "schema": _SCHEMA}}),
    "temperature": _limited(temperature=0.5),
    "top_p": _limited(top_p=0.5),
    "top_k": _limited(top_k=5),
    "stop_sequences": _limited(stop_sequences=["END"]),
    "metadata.user_id": _limited(metadata={"user_id": "u"}),
    "service_tier": _limited(service_tier="standard_only"),
    "container": _limited(container="c1"),
    "diagnostics": _limited(diagnostics={"previous_message_id": "msg_1"}),
    "inference_geo": _limited(inference_geo="eu"),
    "speed": _limited(speed="fast"),
    "user_profile_id": _limited(user_profile_id="p1"),
    "workspace_id": _limited(workspace_id="w1"),
    "any field not named here": _limited(x_unknown=1),
}


def _choice(finish: str = "stop", **message: Any) -> Body:
    said = {"role": "assistant", "content": "ok", **message}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }


def _second() -> Body:
    body = _choice()
    again = {"index": 1, "message": {"role": "assistant", "content": "no"}, "finish_reason": "stop"}
    return body | {"choices": [*body["choices"], again]}


def _likely() -> Body:
    body = _choice()
    token = {"token": "ok", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    return body | {"choices": [body["choices"][0] | {"logprobs": {"content": [token], "refusal": None}}]}


OPENAI_RESPONSES: dict[str, Body] = {
    "id": _choice(),
    "model": _choice(),
    "choices[0].message.content": _choice(),
    "choices[1:]": _second(),
    "message.tool_calls": _choice("tool_calls", tool_calls=[_CALL]),
    "message.refusal": _choice(content=None, refusal="no"),
    "message.reasoning_content": _choice(reasoning_content="hm"),
    "message.annotations": _choice(annotations=[{"type": "url_citation"}]),
    "finish_reason": _choice("length"),
    "usage.prompt_tokens": _choice(),
    "usage.completion_tokens": _choice(),
    "usage.prompt_tokens_details.cached_tokens": _choice(),
    "usage.prompt_tokens_details.cache_write_tokens": _choice(),
    "usage.completion_tokens_details.reasoning_tokens": _choice(),
    "system_fingerprint": _choice() | {"system_fingerprint": "fp"},
    "choices[].logprobs": _likely(),
    "service_tier": _choice() | {"service_tier": "default"},
}


def _message(*blocks: Body, **more: Any) -> Body:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [*blocks, {"type": "text", "text": "ok"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "output_tokens": 5,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 2,
        },
        **more,
    }


ANTHROPIC_RESPONSES: dict[str, Body] = {
    "id": _message(),
    "model": _message(),
    "content of type text": _message(),
    "content of type tool_use": _message({"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
    "content of type thinking": _message({"type": "thinking", "thinking": "hm", "signature": "s"}),
    "thinking.signature": _message({"type": "thinking", "thinking": "hm", "signature": "s"}),
    "content of type redacted_thinking": _message({"type": "redacted_thinking", "data": "x"}),
    "content of a server's tool": _message({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}),
    "stop_reason": _message(stop_reason="max_tokens"),
    "stop_sequence": _message(stop_reason="stop_sequence", stop_sequence="END"),
    "usage.input_tokens": _message(),
    "usage.output_tokens": _message(),
    "usage.cache_read_input_tokens": _message(),
    "usage.cache_creation_input_tokens": _message(),
}
