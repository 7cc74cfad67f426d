"""Upstreams that speak the OpenAI API: OpenAI itself and every compatible server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jackfield.sdk import Plugin, Target, Upstream
from jackfield.wire.base import Operation

_PATHS: dict[Operation, str] = {"chat": "/chat/completions", "embeddings": "/embeddings"}


class OpenAI(Plugin):
    id = "openai"
    description = "Upstreams that speak the OpenAI API"
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    formats: ClassVar[Mapping[Operation, str]] = {"chat": "openai_chat", "embeddings": "openai_embeddings"}
    forwards: ClassVar[frozenset[bytes]] = frozenset({b"openai-beta", b"openai-organization", b"openai-project"})

    def target(self, upstream: Upstream, operation: Operation, model: str) -> Target:
        return Target(
            url=(upstream.base_url or self.default_base_url) + _PATHS[operation],
            headers=((b"content-type", b"application/json"),),
            credential=(b"authorization", b"Bearer {}"),
        )
