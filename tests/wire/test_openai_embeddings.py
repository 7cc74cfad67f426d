"""The Embeddings API, and the lists of models."""

from __future__ import annotations

import json

import pytest
from anthropic.types import ModelInfo
from openai.types import CreateEmbeddingResponse
from openai.types import Model as OpenAIModel

from jackfield.errors import Malformed, UpstreamBroken
from jackfield.wire import FORMATS, format_named
from jackfield.wire.base import Peek
from jackfield.wire.chat import ChatRequest, ErrorResponse, TokenCount, Usage
from jackfield.wire.openai_embeddings import OpenAIEmbeddings
from jackfield.wire.openai_models import (
    ListedModel,
    encode_anthropic_model,
    encode_anthropic_models,
    encode_model,
    encode_models,
)

FORMAT = OpenAIEmbeddings()
ANSWER = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 0, "embedding": [0.25, -1]},
        {"object": "embedding", "index": 1, "embedding": [0.5, 1e-7]},
    ],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
    "x": 1,
}


@pytest.mark.parametrize(
    ("given", "texts"),
    [("one", ("one",)), (["one", "two"], ("one", "two")), ([1, 2], ()), ([[1], [2, 3]], ())],
)
def test_a_request_is_understood_and_returns(given: object, texts: tuple[str, ...]) -> None:
    body = {"model": "m", "input": given, "dimensions": 256, "encoding_format": "base64", "user": "u", "x": [1]}
    request = FORMAT.decode_request(json.dumps(body).encode())
    assert request.texts() == texts
    assert FORMAT.encode_request(request).dropped == ()
    assert json.loads(FORMAT.encode_request(request).body) == body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", None),
        (b'{"input":"x"}', "model"),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":""}', "input"),
        (b'{"model":"m","input":[]}', "input"),
        (b'{"model":"m","input":{}}', "input"),
        (b'{"model":"m","input":["a",null]}', "input[1]"),
        (b'{"model":"m","input":[[1,"a"]]}', "input[0][1]"),
        (b'{"model":"m","input":"x","dimensions":"many"}', "dimensions"),
        (b'{"model":"m","input":"x","input":"y"}', "input"),
    ],
)
def test_a_fault_in_a_request_is_named_with_its_place(body: bytes, param: str | None) -> None:
    with pytest.raises(Malformed) as caught:
        FORMAT.decode_request(body)
    assert caught.value.param == param


def test_a_peek_reads_the_model_and_a_body_can_be_made_to_ask_another() -> None:
    assert FORMAT.peek(b'{"model":"m","input":"x","stream":true}') == Peek(model="m")
    assert FORMAT.with_model(b'{"input":"x","model":"m"}', "n") == b'{"input":"x","model":"n"}'
    assert FORMAT.with_stream_usage(b"{}") == b"{}"
    for body in (b'{"input":"x"}', b'{"model":"a","model":"b"}'):
        with pytest.raises(Malformed):
            FORMAT.peek(body)


def test_a_response_is_understood_and_returns() -> None:
    body = json.dumps(ANSWER).encode()
    response = FORMAT.decode_response(body)
    assert response.usage == Usage(input=8)
    assert FORMAT.usage_of(body) == (Usage(input=8), None)
    written = json.loads(FORMAT.encode_response(response).body)
    assert written == ANSWER
    assert CreateEmbeddingResponse.model_validate(written).data[1].index == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":[{}]}', b'{"data":3}', b'{"error":{"message":"busy"}}'])
def test_nonsense_of_an_upstream_is_refused(body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.decode_response(body)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"usage":3}', b'{"error":{"message":"busy"}}'])
def test_usage_that_is_nonsense_is_refused(body: bytes) -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.usage_of(body)


def test_embeddings_are_not_streamed_and_nothing_else_is_an_embedding() -> None:
    with pytest.raises(UpstreamBroken):
        FORMAT.stream_decoder()
    with pytest.raises(UpstreamBroken):
        FORMAT.stream_encoder(model="m", usage=True)
    with pytest.raises(UpstreamBroken):
        FORMAT.stream_scanner(strip_usage=False)
    with pytest.raises(TypeError, match="no embeddings"):
        FORMAT.encode_request(ChatRequest(model="m", messages=()))
    with pytest.raises(TypeError, match="no embeddings"):
        FORMAT.encode_response(TokenCount(input=1))


def test_errors_have_the_form_of_the_api() -> None:
    error = {"error": {"message": "m", "type": "invalid_request_error", "code": "invalid_request_error", "param": None}}
    assert json.loads(FORMAT.encode_error(Malformed("m"), "r")) == error
    response = ErrorResponse(status=400, code="invalid_request_error", message="m")
    assert json.loads(FORMAT.encode_response(response).body) == error
    assert FORMAT.decode_error(json.dumps(error).encode()) == ("invalid_request_error", "m")


MODELS = (ListedModel(id="gpt-4o", created=1715367049, owned_by="openai"), ListedModel(id="echo", display_name="Echo"))


def test_models_are_listed_in_the_form_of_the_openai_api() -> None:
    listed = json.loads(encode_models(MODELS))
    assert listed["object"] == "list"
    assert [OpenAIModel.model_validate(model).id for model in listed["data"]] == ["gpt-4o", "echo"]
    assert json.loads(encode_model(MODELS[0])) == listed["data"][0]
    assert listed["data"][0] == {"id": "gpt-4o", "object": "model", "created": 1715367049, "owned_by": "openai"}


def test_models_are_listed_in_the_form_of_the_anthropic_api() -> None:
    page = json.loads(encode_anthropic_models(MODELS, has_more=True))
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("gpt-4o", "echo", True)
    first, second = (ModelInfo.model_validate(model) for model in page["data"])
    assert first.created_at.isoformat() == "2024-05-10T18:50:49+00:00"
    assert (second.type, second.display_name) == ("model", "Echo")
    assert json.loads(encode_anthropic_model(MODELS[1])) == page["data"][1]
    assert json.loads(encode_anthropic_models(())) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


def test_formats_are_found_by_name() -> None:
    assert set(FORMATS.names) == {
        *("openai_chat", "openai_responses", "openai_embeddings"),
        *("anthropic_messages", "anthropic_count_tokens"),
    }
    for name in FORMATS.names:
        assert format_named(name).name == name
    with pytest.raises(Exception, match="no wire format 'grpc'"):
        format_named("grpc")
