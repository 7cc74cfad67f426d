"""Serves completions and embeddings by itself; the model's name says what goes wrong."""

from collections.abc import AsyncIterator

import msgspec

from jackfield.sdk import (
    ChatEvent,
    ChatRequest,
    ChatResponse,
    Choice,
    ConnectFailed,
    EmbeddingsRequest,
    EmbeddingsResponse,
    Finish,
    Message,
    Plugin,
    StreamEnd,
    StreamStart,
    Text,
    TextDelta,
    Upstream,
    UpstreamRejected,
    UpstreamTimeout,
    Usage,
    UsageReport,
)


def _fail(model: str) -> None:
    if model == "rejected":
        raise UpstreamRejected(418, "a teapot", code="teapot", body=b'{"x":1}', format="openai_chat", retry_after_s=2)
    if model == "late":
        raise UpstreamTimeout("too late")
    if model == "unreachable":
        raise ConnectFailed("nobody there")
    if model == "broken":
        raise KeyError("inside")


class Provider(Plugin):
    async def complete(self, request: ChatRequest, upstream: Upstream) -> ChatResponse:
        _fail(request.model)
        said = f"{upstream.name} {request.last_user_text()}"
        message = Message(role="assistant", parts=(Text(text=said),))
        choice = Choice(message=message, finish_reason="stop")
        return ChatResponse(id="1", model=request.model, choices=(choice,), usage=Usage(input=3, output=4))

    async def stream(self, request: ChatRequest, upstream: Upstream) -> AsyncIterator[ChatEvent]:
        _fail(request.model)
        yield StreamStart(id="1", model=request.model)
        for word in request.last_user_text().split():
            yield TextDelta(text=f"{word} ")
            if word == "break":
                raise UpstreamTimeout("in the middle")
        yield Finish(reason="stop")
        yield UsageReport(usage=Usage(input=1, output=2))
        yield StreamEnd()

    async def embed(self, request: EmbeddingsRequest, upstream: Upstream) -> EmbeddingsResponse:
        _fail(request.model)
        data = tuple(msgspec.Raw(b"[0.25]") for _ in request.texts())
        return EmbeddingsResponse(model=request.model, data=data, usage=Usage(input=2))
