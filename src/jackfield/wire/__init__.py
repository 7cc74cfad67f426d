"""The wire formats, by name. A new format is one new module and one line here."""

from __future__ import annotations

from jackfield.kinds import Kind
from jackfield.wire.base import WireFormat

FORMATS: Kind[WireFormat] = Kind(
    "wire format",
    {
        "openai_chat": "jackfield.wire.openai_chat:WIRE_FORMAT",
        "openai_responses": "jackfield.wire.openai_responses:WIRE_FORMAT",
        "openai_embeddings": "jackfield.wire.openai_embeddings:WIRE_FORMAT",
        "anthropic_messages": "jackfield.wire.anthropic_messages:WIRE_FORMAT",
        "anthropic_count_tokens": "jackfield.wire.anthropic_count_tokens:WIRE_FORMAT",
    },
)

format_named = FORMATS.named
