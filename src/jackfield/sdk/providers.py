"""How a plugin serves models: over HTTP in a wire format the gateway knows, or by itself in the canonical form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import msgspec

from jackfield.errors import UpstreamError
from jackfield.sdk.outcomes import Headers
from jackfield.wire.base import Operation
from jackfield.wire.chat import ChatEvent, ChatRequest, ChatResponse, EmbeddingsRequest, EmbeddingsResponse, Usage


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """A configured upstream as its provider sees it. The credential is not part of it. `format` is the wire format that
    it is to be asked in, where a target is wanted."""

    name: str
    base_url: str = ""
    options: Mapping[str, Any] = MappingProxyType({})
    format: str = ""


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
class ManyFormats(Protocol):
    """May be added by a provider over HTTP whose upstreams speak several formats for one operation."""

    def speaks(self, upstream: Upstream) -> Mapping[Operation, tuple[str, ...]]:
        """The formats of each operation in place of `formats`, the preferred first: a client's own is used where it is
        among them. Raises `ValueError` for options that it does not understand."""


@runtime_checkable
class ChatProvider(Protocol):
    """Serves completions in process. Failures are raised as `UpstreamError`s; a stream may raise between events."""

    async def complete(self, request: ChatRequest, upstream: Upstream) -> ChatResponse: ...

    def stream(self, request: ChatRequest, upstream: Upstream) -> AsyncIterator[ChatEvent]: ...


@runtime_checkable
class EmbeddingsProvider(Protocol):
    """Serves embeddings in process."""

    async def embed(self, request: EmbeddingsRequest, upstream: Upstream) -> EmbeddingsResponse: ...


@runtime_checkable
class LiveProvider(Protocol):
    """A provider that knows its own models, which come and go while it runs, as does its health. It needs no
    `[[upstreams]]`: without one an upstream of its id serves what it offers. Asked for each request, so it must be
    quick: `revision` grows whenever any of the others changes, and only then are they asked."""

    @property
    def revision(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]:
        """What an `[[upstreams]]` may call it by, beside its id."""

    def offered(self) -> tuple[str, ...]:
        """Its models, also while it cannot serve them."""

    def trouble(self) -> str | None:
        """Why it is not to be asked now; `None` where it may be."""

    def patience_s(self) -> float:
        """How long one completion may take."""


@runtime_checkable
class RequestShaper(Protocol):
    """An `HttpProvider` that does not take every request as it is."""

    def shape(self, body: bytes, operation: Operation, model: str) -> bytes:
        """The body as it is to be sent. Raises `UpstreamRejected` with `sent=False` for what it cannot do: then another
        upstream is asked."""


class PreparedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`credentials` are headers that no hook sees: they join after the last one, where the request still goes to the
    origin of `url`."""

    url: str
    headers: Headers
    body: bytes
    credentials: Headers = ()


@runtime_checkable
class PatientProvider(Protocol):
    """An `HttpProvider` that makes each request itself, and reads each whole answer, and may wait for something
    meanwhile, such as a token. What they raise that is no `UpstreamError` is an upstream that broke."""

    async def prepare_request(self, url: str, headers: Headers, body: bytes, format: str) -> PreparedRequest:  # noqa: A002
        """`url` and `headers` are those of its `target`; the body is in the wire format of that name."""

    async def read_whole(self, status: int, headers: Headers, body: bytes, format: str) -> bytes:  # noqa: A002
        """A whole answer that is a success, as one in the wire format of that name."""


@runtime_checkable
class ErrorReader(Protocol):
    """An `HttpProvider` that speaks of its failures in words of its own. What these give is the client's to see."""

    def read_error(self, status: int, body: bytes) -> UpstreamError:
        """What an answer says whose status is no success: an `UpstreamRejected`, whose `again` tells whether it may be
        asked once more."""

    def read_loss(self, error: UpstreamError) -> UpstreamError:
        """The same for an answer that did not come, or broke off."""


class ReadAnswer(NamedTuple):
    """`cost_usd` is what the provider says that it cost, as it said it: whoever uses it looks whether it is a
    number."""

    body: bytes
    cost_usd: Any = None


class StreamReader(Protocol):
    """One stream, from its first byte to its last. Both methods raise `UpstreamError`."""

    @property
    def cost_usd(self) -> Any: ...

    @property
    def ended(self) -> bool:
        """Whether nothing more will come that anybody wants."""

    def feed(self, data: bytes) -> bytes:
        """Whole server-sent events of the provider's format, of what `data` completes."""

    def finish(self) -> bytes:
        """What is left to say at the end of the bytes."""


@runtime_checkable
class AnswerReader(Protocol):
    """An `HttpProvider` whose answers are not quite those of its format, or say more: any status of the two hundreds is
    a success, a stream may come in other framings, and a whole answer in place of one."""

    def read_answer(self, body: bytes, operation: Operation) -> ReadAnswer:
        """Raises `UpstreamError`."""

    def read_stream(self, content_type: str) -> StreamReader | None:
        """`None` where an answer of this type is no stream."""


@runtime_checkable
class PricedProvider(Protocol):
    """A provider that knows what its models cost. A price of the operator's comes before it."""

    def cost_nanousd(self, model: str, usage: Usage) -> int | None:
        """`None` where it does not know."""


Provider = HttpProvider | ChatProvider | EmbeddingsProvider
PROVIDERS = (HttpProvider, ChatProvider, EmbeddingsProvider)
