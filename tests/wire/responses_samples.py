"""One small body of the Responses API for each row of its tables in docs/reference/formats.md."""

from __future__ import annotations

from typing import Any

from .format_samples import Body

_DATA_URL = "data:application/pdf;base64,JVBERi0xLjQK"
_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
_TOOLS = [{"type": "function", "name": "f", "description": "d", "parameters": _SCHEMA, "strict": True}]
_CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
_RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
_IMAGE = {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"}


def _asked(*items: Body, **more: Any) -> Body:
    return {"model": "claude-sonnet-4-5", "input": [{"role": "user", "content": "hi"}, *items], **more}


def _part(kind: str, **fields: Any) -> Body:
    return _asked({"role": "user", "content": [{"type": kind, **fields}, {"type": "input_text", "text": "x"}]})


def _said(*content: Body, **more: Any) -> Body:
    item = {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [*content]}
    return _asked(item | more, {"role": "user", "content": "so?"})


def _thought(**fields: Any) -> Body:
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], **fields}
    said = {"role": "assistant", "content": "ok"}
    return _asked(item, said, {"role": "user", "content": "so?"})


RESPONSES_REQUESTS: dict[str, Body] = {
    "model": _asked(),
    "stream": _asked(stream=True),
    "stream_options.include_obfuscation": _asked(stream=True, stream_options={"include_obfuscation": False}),
    "instructions": _asked(instructions="s"),
    "input as text": {"model": "m", "input": "hi"},
    "message of role user": _asked(),
    "message of role system": _asked({"role": "system", "content": "s"}),
    "message of role developer": _asked({"role": "developer", "content": "s"}),
    "message of role assistant": _said({"type": "output_text", "text": "ok"}),
    "message.phase": _said({"type": "output_text", "text": "ok"}, phase="commentary"),
    "refusal": _said({"type": "refusal", "refusal": "no"}),
    "annotations": _said({"type": "output_text", "text": "ok", "annotations": [{"type": "file_path"}]}),
    "function_call": _asked(_CALL, _RESULT),
    "function_call_output": _asked(_CALL, _RESULT),
    "function_call_output with an image": _asked(_CALL, _RESULT | {"output": [_IMAGE]}),
    "reasoning": _thought(),
    "reasoning of an Anthropic upstream": _thought(encrypted_content="jackfield_signature:c2ln"),
    "reasoning.encrypted_content": _thought(encrypted_content="gAAAAAB"),
    "item of a hosted tool": _asked({"type": "web_search_call", "id": "ws_1"}, {"role": "assistant", "content": "ok"}),
    "input_image.image_url": _part("input_image", image_url="https://example.org/a.png"),
    "input_image.image_url with data": _part("input_image", image_url="data:image/png;base64,iVBORw0KGgo="),
    "input_image.detail": _part("input_image", image_url="https://example.org/a.png", detail="low"),
    "input_image.file_id": _part("input_image", file_id="file_1"),
    "input_file.file_data": _part("input_file", file_data=_DATA_URL),
    "input_file.filename": _part("input_file", file_data=_DATA_URL, filename="a.pdf"),
    "input_file.file_id": _part("input_file", file_id="file_1"),
    "input_file.file_url": _part("input_file", file_url="https://example.org/a.pdf"),
    "tools[].name": _asked(tools=_TOOLS),
    "tools[].description": _asked(tools=_TOOLS),
    "tools[].parameters": _asked(tools=_TOOLS),
    "tools[].strict": _asked(tools=_TOOLS),
    "tool_choice": _asked(tools=_TOOLS, tool_choice="required"),
    "tool_choice of type allowed_tools": _asked(tools=_TOOLS, tool_choice={"type": "allowed_tools"}),
    "parallel_tool_calls": _asked(tools=_TOOLS, parallel_tool_calls=False),
    "text.format of type json_schema": _asked(text={"format": {"type": "json_schema", "name": "a", "schema": _SCHEMA}}),
    "text.format of type json_object": _asked(text={"format": {"type": "json_object"}}),
    "text.verbosity": _asked(text={"verbosity": "low"}),
    "reasoning.effort": _asked(reasoning={"effort": "low"}, max_output_tokens=9000),
    "reasoning.summary": _asked(reasoning={"effort": "low", "summary": "auto"}, max_output_tokens=9000),
    "max_output_tokens": _asked(max_output_tokens=9),
    "temperature": _asked(temperature=0.5),
    "top_p": _asked(top_p=0.5),
    "user": _asked(user="u"),
    "metadata": _asked(metadata={"team": "a"}),
    "truncation": _asked(truncation="auto"),
    "include": _asked(include=["reasoning.encrypted_content"]),
    "include of log probabilities": _asked(include=["message.output_text.logprobs"]),
    "top_logprobs": _asked(top_logprobs=2),
    "service_tier": _asked(service_tier="default"),
    "service_tier of another word": _asked(service_tier="flex"),
    "safety_identifier": _asked(safety_identifier="s"),
    "prompt_cache_key": _asked(prompt_cache_key="k"),
    "prompt_cache_retention": _asked(prompt_cache_retention="24h"),
    "prompt_cache_options": _asked(prompt_cache_options={"ttl": "30m"}),
    "moderation": _asked(moderation={"model": "m"}),
    "max_tool_calls": _asked(max_tool_calls=2),
    "store": _asked(store=True),
    "previous_response_id": _asked(previous_response_id="resp_1"),
    "conversation": _asked(conversation="conv_1"),
    "prompt": _asked(prompt={"id": "pmpt_1"}),
    "background": _asked(background=True),
    "background_options": _asked(background_options={"completion_window": "soonest"}),
    "context_management": _asked(context_management=[{"type": "compaction"}]),
    "image": _asked(image={"detail": "low"}),
    "access_programs": _asked(access_programs={"cyber": "standard"}),
    "any field not named here": _asked(x_unknown=1),
}


def _answer(*items: Body, **more: Any) -> Body:
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 7,
        "status": "completed",
        "model": "m",
        "output": [*items, said],
        "tools": [],
        "usage": {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3},
        },
        **more,
    }


_REFUSED = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
_REASONING = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
_TEXT_WITH = {"type": "output_text", "text": "x", "annotations": [{"type": "url_citation"}]}

_LIKELY = {"type": "output_text", "text": "x", "logprobs": [{"token": "x", "logprob": -0.5, "top_logprobs": []}]}

RESPONSES_RESPONSES: dict[str, Body] = {
    "id": _answer(),
    "model": _answer(),
    "message": _answer(),
    "refusal": _answer(_REFUSED),
    "annotations": _answer({"type": "message", "id": "m", "role": "assistant", "content": [_TEXT_WITH]}),
    "function_call": _answer(_CALL),
    "reasoning.summary": _answer(_REASONING),
    "reasoning.encrypted_content": _answer(_REASONING | {"encrypted_content": "gAAAAAB"}),
    "item of a hosted tool": _answer({"type": "web_search_call", "id": "ws_1"}),
    "incomplete_details.reason": _answer(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    "usage.input_tokens": _answer(),
    "usage.output_tokens": _answer(),
    "usage.input_tokens_details.cached_tokens": _answer(),
    "usage.input_tokens_details.cache_write_tokens": _answer(),
    "usage.output_tokens_details.reasoning_tokens": _answer(),
    "service_tier": _answer(service_tier="default"),
    "output_text.logprobs": _answer({"type": "message", "id": "m", "role": "assistant", "content": [_LIKELY]}),
}
