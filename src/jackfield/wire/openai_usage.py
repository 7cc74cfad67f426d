"""Token counts as the OpenAI API writes them, in chat and in embeddings."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from jackfield.wire.chat import Usage
from jackfield.wire.crossing import Body
from jackfield.wire.json import NULL, Fields, clamp_count, read_fields, reader

Number = int | float | None


class PromptDetails(msgspec.Struct):
    cached_tokens: Number = None
    cache_write_tokens: Number = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: Number = None


class Counts(msgspec.Struct):
    """The shape for a typed decoder that needs nothing but the counts."""

    prompt_tokens: Number = None
    completion_tokens: Number = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def usage(self) -> Usage:
        read, written = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input=clamp_count(self.prompt_tokens),
            output=clamp_count(self.completion_tokens),
            cached=clamp_count(read.cached_tokens) if read is not None else 0,
            cache_write=clamp_count(read.cache_write_tokens) if read is not None else 0,
            reasoning=clamp_count(written.reasoning_tokens) if written is not None else 0,
        )


_read_counts = reader(Counts)
_DETAILS = {
    "prompt_tokens_details": PromptDetails.__struct_fields__,
    "completion_tokens_details": CompletionDetails.__struct_fields__,
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
        if name not in _COUNTS:
            rest[f"usage.{name}"] = value
    return counts.usage(), rest


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def write_usage(usage: Usage) -> Body:
    body: Body = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    if usage.cache_write:
        body["prompt_tokens_details"]["cache_write_tokens"] = usage.cache_write
    return body
