"""The wire formats, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jackfield.errors import ConfigError
from jackfield.wire.anthropic_count_tokens import AnthropicCountTokens
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.base import WireFormat
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_embeddings import OpenAIEmbeddings

_ALL: tuple[WireFormat, ...] = (OpenAIChat(), OpenAIEmbeddings(), AnthropicMessages(), AnthropicCountTokens())
FORMATS: Mapping[str, WireFormat] = MappingProxyType({format_.name: format_ for format_ in _ALL})


def format_named(name: str) -> WireFormat:
    found = FORMATS.get(name)
    if found is None:
        raise ConfigError(f"there is no wire format {name!r}; there are {', '.join(FORMATS)}")
    return found
