"""Upstreams that speak the OpenAI API: OpenAI itself and every compatible server.

`options = {responses = true}` says that an upstream has the Responses API too, `"only"` that it has nothing else for
conversations. OpenAI itself has both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jackfield.sdk import Plugin, Target, Upstream
from jackfield.wire.base import Operation

_CHAT, _RESPONSES, _EMBEDDINGS = "openai_chat", "openai_responses", "openai_embeddings"
_PATHS = {_CHAT: "/chat/completions", _RESPONSES: "/responses", _EMBEDDINGS: "/embeddings"}


class OpenAI(Plugin):
    id = "openai"
    description = "Upstreams that speak the OpenAI API"
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    formats: ClassVar[Mapping[Operation, str]] = {"chat": _CHAT, "embeddings": _EMBEDDINGS}
    forwards: ClassVar[frozenset[bytes]] = frozenset({b"openai-beta", b"openai-organization", b"openai-project"})

    def speaks(self, upstream: Upstream) -> Mapping[Operation, tuple[str, ...]]:
        itself = (upstream.base_url or self.default_base_url).rstrip("/") == self.default_base_url
        responses = upstream.options.get("responses", itself)
        if responses == "only":
            return {"chat": (_RESPONSES,), "embeddings": (_EMBEDDINGS,)}
        if not isinstance(responses, bool):
            raise ValueError(f'responses: expected true, false or "only", not {responses!r}')
        return {"chat": (_CHAT, _RESPONSES) if responses else (_CHAT,), "embeddings": (_EMBEDDINGS,)}

    def target(self, upstream: Upstream, operation: Operation, model: str) -> Target:
        spoken = upstream.format or self.formats[operation]
        return Target(
            url=(upstream.base_url or self.default_base_url) + _PATHS[spoken],
            headers=((b"content-type", b"application/json"),),
            credential=(b"authorization", b"Bearer {}"),
        )
