"""What an answer repeats of its request, as this API does with every parameter."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from jackfield.errors import Malformed
from jackfield.wire.chat import Extra, freeze
from jackfield.wire.json import NULL, read_members

_NULLS = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "safety_identifier",
    "prompt_cache_key",
    "user",
    "temperature",
    "top_p",
)
# The answer to a request that says nothing: what has no value of its own is null.
NO_ECHO: Extra = freeze(
    {
        **dict.fromkeys(_NULLS, NULL),
        "background": Raw(b"false"),
        "metadata": Raw(b"{}"),
        "parallel_tool_calls": Raw(b"true"),
        "reasoning": Raw(b'{"effort":null,"summary":null}'),
        "store": Raw(b"false"),
        "text": Raw(b'{"format":{"type":"text"}}'),
        "tool_choice": Raw(b'"auto"'),
        "tools": Raw(b"[]"),
        "truncation": Raw(b'"disabled"'),
    }
)
ECHOED = frozenset(NO_ECHO) | {
    "billing",
    "completed_at",
    "conversation",
    "frequency_penalty",
    "presence_penalty",
    "prompt",
    "prompt_cache_options",
    "prompt_cache_retention",
    "top_logprobs",
}


def echo_of(body: bytes) -> Extra:
    """Of a request that nobody could read, nothing."""
    try:
        fields = read_members(body)
    except Malformed:
        return NO_ECHO
    told = {name: raw for name, raw in fields.items() if name in ECHOED and raw != NULL}
    if "text" in told:
        told["text"] = _with_format(told["text"])
    return freeze({**NO_ECHO, **told})


def _with_format(raw: Raw) -> Raw:
    """Where only something else is said of the text, its form is still told."""
    try:
        text = msgspec.json.decode(raw, type=dict[str, Raw])
    except msgspec.DecodeError:
        return raw
    return Raw(msgspec.json.encode({"format": {"type": "text"}, **text}))
