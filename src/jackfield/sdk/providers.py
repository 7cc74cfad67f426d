"""How a plugin serves models: over HTTP in a wire format the gateway knows, or by itself in the canonical form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from jackfield.sdk.outcomes import Headers
from jackfield.wire.base import Operation
from jackfield.wire.chat import ChatEvent, ChatRequest, ChatResponse, EmbeddingsRequest, EmbeddingsResponse


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """A configured upstream as its provider sees it. The credential is not part of it."""

    name: str
    base_url: str = ""
    options: Mapping[str, Any] = MappingProxyType({})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request goes. `credential` is a header name and a template in which `{}` stands for the secret, which the
    gateway fills in after the last hook; it is left out where the upstream has none."""

    url: str
    headers: Headers = ()
    credential: tuple[bytes, bytes] | None = None


@runtime_checkable
class HttpProvider(Protocol):
    """Serves models over HTTP. `formats` names the wire format it speaks for each operation it offers; `forwards` the
    client's headers (lower case) that are passed on where the client speaks that same format."""

    formats: ClassVar[Mapping[Operation, str]]
    forwards: ClassVar[frozenset[bytes]]

    def target(self, upstream: Upstream, operation: Operation, model: str) -> Target:
        """Pure: the same arguments give the same target, which the gateway keeps."""


@runtime_checkable
class ChatProvider(Protocol):
    """Serves completions in process. Failures are raised as `UpstreamError`s; a stream may raise between events."""

    async def complete(self, request: ChatRequest, upstream: Upstream) -> ChatResponse: ...

    def stream(self, request: ChatRequest, upstream: Upstream) -> AsyncIterator[ChatEvent]: ...


@runtime_checkable
class EmbeddingsProvider(Protocol):
    """Serves embeddings in process."""

    async def embed(self, request: EmbeddingsRequest, upstream: Upstream) -> EmbeddingsResponse: ...


Provider = HttpProvider | ChatProvider | EmbeddingsProvider
PROVIDERS = (HttpProvider, ChatProvider, EmbeddingsProvider)
