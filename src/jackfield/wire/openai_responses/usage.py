"""Token counts as this API writes them."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from jackfield.wire.chat import Usage
from jackfield.wire.crossing import Body
from jackfield.wire.json import NULL, Fields, clamp_count, read_fields, reader

Number = int | float | None


class InputDetails(msgspec.Struct):
    cached_tokens: Number = None
    cache_write_tokens: Number = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: Number = None


class Counts(msgspec.Struct):
    """The shape for a typed decoder that needs nothing but the counts."""

    input_tokens: Number = None
    output_tokens: Number = None
    total_tokens: Number = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def usage(self) -> Usage:
        read, written = self.input_tokens_details, self.output_tokens_details
        return Usage(
            input=clamp_count(self.input_tokens),
            output=clamp_count(self.output_tokens),
            cached=clamp_count(read.cached_tokens) if read is not None else 0,
            cache_write=clamp_count(read.cache_write_tokens) if read is not None else 0,
            reasoning=clamp_count(written.reasoning_tokens) if written is not None else 0,
        )


_read_counts = reader(Counts)
_DETAILS = {
    "input_tokens_details": InputDetails.__struct_fields__,
    "output_tokens_details": OutputDetails.__struct_fields__,
}


def read_usage(raw: Raw, path: str) -> tuple[Usage, Fields]:
    """The usage, and what else stood there, under dotted names."""
    counts: Counts = _read_counts(raw, path)
    fields = read_fields(raw, path)
    rest: Fields = {}
    for parent, known in _DETAILS.items():
        details = fields.pop(parent, NULL)
        if details != NULL:
            for name, value in read_fields(details, path).items():
                if name not in known:
                    rest[f"usage.{parent}.{name}"] = value
    for name, value in fields.items():
        if name not in Counts.__struct_fields__:
            rest[f"usage.{name}"] = value
    return counts.usage(), rest


def write_usage(usage: Usage) -> Body:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
