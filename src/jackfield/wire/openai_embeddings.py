"""The Embeddings format of the OpenAI API."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from jackfield.errors import JackfieldError, Malformed, UpstreamBroken
from jackfield.wire import openai_errors
from jackfield.wire.base import Encoded, Operation, Peek
from jackfield.wire.chat import (
    EmbeddingsRequest,
    EmbeddingsResponse,
    ErrorResponse,
    FinishReason,
    Request,
    Response,
    Usage,
    freeze,
)
from jackfield.wire.crossing import Body, Crossing
from jackfield.wire.json import (
    NULL,
    Fields,
    Read,
    encode,
    encoded,
    may_repeat,
    read_count,
    read_document,
    read_fields_list,
    read_text,
    reader,
    sort_fields,
    take,
    upstream_broken,
    wrong,
)
from jackfield.wire.openai_errors import is_error, refuse_error
from jackfield.wire.openai_usage import Counts, read_usage

FORMAT = "openai_embeddings"
SPREAD = frozenset({"usage", "prompt_tokens_details", "completion_tokens_details"})

_read_input_shape = reader(str | list[str | int | list[int]])


def _read_input(raw: Raw, path: str) -> Raw:
    value = _read_input_shape(raw, path)
    if not value:
        raise wrong(path, "expected something to embed")
    if not isinstance(value, str) and len({type(item) for item in value}) > 1:
        raise wrong(path, "expected texts, or token numbers, or lists of token numbers, but not several of these")
    return raw


def _read_raw(raw: Raw, path: str) -> Raw:
    return raw


_REQUEST: Mapping[str, tuple[str, Read[Any]]] = MappingProxyType(
    {
        "model": ("model", read_text),
        "input": ("input", _read_input),
        "dimensions": ("dimensions", read_count),
        "encoding_format": ("encoding_format", read_text),
        "user": ("user", read_text),
    }
)
_RESPONSE: Mapping[str, tuple[str, Read[Any]]] = MappingProxyType(
    {
        "object": ("object", read_text),
        "model": ("model", read_text),
        "data": ("data", read_fields_list),
        "usage": ("usage", read_usage),
        "error": ("error", _read_raw),
    }
)


class _Head(msgspec.Struct):
    model: str | None = None


class _Outline(msgspec.Struct):
    usage: Counts | None = None
    data: Raw = NULL
    error: Raw = NULL


_read_head = reader(_Head)
_read_outline = reader(_Outline)


def _decode_request(body: bytes) -> EmbeddingsRequest:
    values, extra = sort_fields(read_document(body), _REQUEST, "")
    for name in ("model", "input"):
        if name not in values:
            raise wrong(name, "required")
    return EmbeddingsRequest(format=FORMAT, extra=freeze(extra), **values)


def _decode_response(body: bytes) -> EmbeddingsResponse:
    values, extra = sort_fields(read_document(body), _RESPONSE, "")
    if "error" in values and is_error(values["error"]) and "data" not in values:
        refuse_error(values["error"])
    usage, rest = values.get("usage", (None, {}))
    items = enumerate(values.get("data", ()))
    return EmbeddingsResponse(
        model=values.get("model", ""),
        data=tuple(take(item, "embedding", _read_raw, f"data[{index}]") for index, item in items),
        usage=usage,
        format=FORMAT,
        extra=freeze(extra | rest),
    )


def _write_usage(usage: Usage) -> Body:
    return {"prompt_tokens": usage.input, "total_tokens": usage.total}


def _refuse_stream() -> NoReturn:
    raise UpstreamBroken("embeddings are not streamed")


class OpenAIEmbeddings:
    """An embedding stays as it is encoded, a list of numbers or base64, in the order of the inputs."""

    name: str = FORMAT
    operation: Operation = "embeddings"
    restates = False

    def answering(self, body: bytes) -> OpenAIEmbeddings:
        return self

    def peek(self, body: bytes) -> Peek:
        if may_repeat(body):
            read_document(body)
        head: _Head = _read_head(Raw(body), "")
        if head.model is None:
            raise wrong("model", "required")
        return Peek(model=head.model)

    def with_model(self, body: bytes, model: str) -> bytes:
        fields: Fields = read_document(body)
        fields["model"] = encoded(model)
        return encode(fields)

    def with_stream_usage(self, body: bytes) -> bytes:
        return body

    def decode_request(self, body: bytes) -> EmbeddingsRequest:
        return _decode_request(body)

    def encode_request(self, request: Request) -> Encoded:
        if not isinstance(request, EmbeddingsRequest):
            raise TypeError(f"{type(request).__name__} asks for no embeddings")
        crossing = Crossing(request.format, FORMAT)
        body: Body = {"model": request.model, "input": request.input}
        for name in ("dimensions", "encoding_format", "user"):
            if (value := getattr(request, name)) is not None:
                body[name] = value
        crossing.add_extra(body, request.extra)
        return Encoded(encode(body), crossing.names())

    def decode_response(self, body: bytes) -> EmbeddingsResponse:
        try:
            return _decode_response(body)
        except Malformed as error:
            raise upstream_broken(error) from error

    def encode_response(self, response: Response) -> Encoded:
        if isinstance(response, ErrorResponse):
            return openai_errors.encode_error_response(response)
        if not isinstance(response, EmbeddingsResponse):
            raise TypeError(f"{type(response).__name__} has no embeddings")
        crossing = Crossing(response.format, FORMAT, SPREAD)
        items = enumerate(response.data)
        body: Body = {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": raw} for index, raw in items],
            "model": response.model,
        }
        if response.usage is not None:
            body["usage"] = _write_usage(response.usage)
        crossing.add_extra(body, response.extra)
        return Encoded(encode(body), crossing.names())

    def usage_of(self, body: bytes) -> tuple[Usage | None, FinishReason | None]:
        try:
            outline: _Outline = _read_outline(Raw(body), "")
            if is_error(outline.error) and outline.data == NULL:
                refuse_error(outline.error)
            if outline.data == NULL:
                raise wrong("data", "required")
        except Malformed as error:
            raise upstream_broken(error) from error
        return outline.usage.usage() if outline.usage is not None else None, None

    def decode_error(self, body: bytes) -> tuple[str, str]:
        return openai_errors.decode_error(body)

    def encode_error(self, error: JackfieldError, request_id: str) -> bytes:
        return openai_errors.encode_error(error)

    def stream_decoder(self) -> NoReturn:
        _refuse_stream()

    def stream_encoder(self, *, model: str, usage: bool) -> NoReturn:
        _refuse_stream()

    def stream_scanner(self, *, strip_usage: bool) -> NoReturn:
        _refuse_stream()


WIRE_FORMAT = OpenAIEmbeddings()
