"""Upstreams that speak the Anthropic Messages API. A base URL may end in `/v1` or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jackfield.sdk import Plugin, Target, Upstream
from jackfield.wire.base import Operation

_PATHS: dict[Operation, str] = {"chat": "/v1/messages", "count_tokens": "/v1/messages/count_tokens"}
VERSION = b"2023-06-01"


class Anthropic(Plugin):
    id = "anthropic"
    description = "Upstreams that speak the Anthropic Messages API"
    default_base_url: ClassVar[str] = "https://api.anthropic.com"
    formats: ClassVar[Mapping[Operation, str]] = {
        "chat": "anthropic_messages",
        "count_tokens": "anthropic_count_tokens",
    }
    forwards: ClassVar[frozenset[bytes]] = frozenset({b"anthropic-version", b"anthropic-beta"})

    def target(self, upstream: Upstream, operation: Operation, model: str) -> Target:
        base = (upstream.base_url or self.default_base_url).removesuffix("/v1")
        return Target(
            url=base + _PATHS[operation],
            headers=((b"content-type", b"application/json"), (b"anthropic-version", VERSION)),
            credential=(b"x-api-key", b"{}"),
        )
