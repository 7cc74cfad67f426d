"""Formats by the names that plugins know them by, and where providers usually take them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FORMAT_OPENAI_CHAT = "openai.chat_completions"
FORMAT_OPENAI_RESPONSES = "openai.responses"
FORMAT_ANTHROPIC_MESSAGES = "anthropic.messages"
UPSTREAM_ENDPOINT_OPENAI_CHAT_COMPLETIONS = "/chat/completions"
UPSTREAM_ENDPOINT_OPENAI_RESPONSES = "/responses"
UPSTREAM_ENDPOINT_ANTHROPIC_MESSAGES = "/v1/messages"

# The gateway's own names of them.
WIRE: Mapping[str, str] = MappingProxyType(
    {
        FORMAT_OPENAI_CHAT: "openai_chat",
        FORMAT_OPENAI_RESPONSES: "openai_responses",
        FORMAT_ANTHROPIC_MESSAGES: "anthropic_messages",
    }
)
ENDPOINTS: Mapping[str, str] = MappingProxyType(
    {
        FORMAT_OPENAI_CHAT: UPSTREAM_ENDPOINT_OPENAI_CHAT_COMPLETIONS,
        FORMAT_OPENAI_RESPONSES: UPSTREAM_ENDPOINT_OPENAI_RESPONSES,
        FORMAT_ANTHROPIC_MESSAGES: UPSTREAM_ENDPOINT_ANTHROPIC_MESSAGES,
    }
)
