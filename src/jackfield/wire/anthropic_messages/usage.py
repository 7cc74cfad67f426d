"""Token counts. This format's `input_tokens` leaves out what was read from or written to the prompt cache;
the canonical `input` includes both."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from jackfield.wire.chat import Extra, Usage
from jackfield.wire.crossing import Body, spread_rest
from jackfield.wire.json import Read, clamp_count, read_fields, reader

Number = int | float | None


class OutputDetails(msgspec.Struct, frozen=True):
    thinking_tokens: Number = None


class Counts(msgspec.Struct, frozen=True):
    """The counts as this format writes them; `None` where nothing was said."""

    input_tokens: Number = None
    cache_creation_input_tokens: Number = None
    cache_read_input_tokens: Number = None
    output_tokens: Number = None
    output_tokens_details: OutputDetails | None = None

    def updated(self, later: Counts) -> Counts:
        """Counts in a stream are running totals, and a later event names only some of them."""
        said = {name: value for name in self.__struct_fields__ if (value := getattr(later, name)) is not None}
        return msgspec.structs.replace(self, **said)

    def usage(self) -> Usage:
        cached, written = clamp_count(self.cache_read_input_tokens), clamp_count(self.cache_creation_input_tokens)
        details = self.output_tokens_details
        return Usage(
            input=clamp_count(self.input_tokens) + cached + written,
            output=clamp_count(self.output_tokens),
            cached=cached,
            cache_write=written,
            reasoning=clamp_count(details.thinking_tokens) if details is not None else 0,
        )


NO_COUNTS = Counts()
read_counts: Read[Counts] = reader(Counts)


def read_usage(raw: Raw, path: str) -> tuple[Usage, Extra]:
    """The counts, and the other fields under dotted names."""
    counts = read_counts(raw, path)
    fields = read_fields(raw, path)
    rest = {name: value for name, value in fields.items() if name not in Counts.__struct_fields__}
    return counts.usage(), spread_rest(rest, "usage")


def write_usage(usage: Usage | None) -> Body:
    usage = usage or Usage()
    body: dict[str, Any] = {
        "input_tokens": max(0, usage.input - usage.cached - usage.cache_write),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return body
